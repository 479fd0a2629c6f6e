"""Whole public traces replay to the end. Set STRATSIM_DATA to the folder that holds them."""

import json
import os
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("STRATSIM_DATA"), reason="STRATSIM_DATA names no folder with public traces"),
]
COUNTS = ("met", "late", "dropped", "unfinished")


@pytest.fixture
def public():
    """Return the path of a public file, or skip."""

    def run(name):
        path = Path(os.environ["STRATSIM_DATA"]) / name
        if not path.is_file():
            pytest.skip(f"{name} is not in STRATSIM_DATA")
        return path

    return run


def totals(run):
    return {key: sum(figures[key] for figures in run["classes"].values()) for key in ("arrived", *COUNTS)}


@pytest.mark.parametrize(
    ("name", "form", "requests"),
    [
        ("azure/AzureLLMInferenceTrace_conv.csv", "azure-llm", 19_366),
        ("azure/AzureLLMInferenceTrace_code.csv", "azure-llm", 8_819),
        ("mooncake/conversation_trace.jsonl", "mooncake", 12_031),
    ],
)
def test_a_public_trace_replays_to_the_end(replay, public, name, form, requests):
    document = replay(public(name), "--policy", "fifo").document
    assert document["trace"]["format"] == form
    assert document["trace"]["requests"] == requests
    counts = totals(document["runs"][0])
    assert counts["arrived"] == requests == sum(counts[key] for key in COUNTS)
    assert counts["unfinished"] == 0
    assert counts["met"] > requests / 2


def test_load_moves_a_public_trace(replay, public):
    """The same 2000 requests, three times as fast: more of them miss their deadlines."""
    path = public("azure/AzureLLMInferenceTrace_conv.csv")
    low, high = (
        replay(path, "--policy", "fifo", "--limit", 2000, "--load", load).document["runs"][0] for load in (0.6, 1.8)
    )
    assert totals(high)["met"] < totals(low)["met"]
    assert high["simulated_s"] < low["simulated_s"] / 2.5


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "E", "REAL"])
def test_a_disb_workload_replays_to_the_end(replay, public, name):
    path = public(f"disb/workload_{name}.json")
    stop_s = json.loads(path.read_text())["time"]
    (run,) = replay(path, "--profile", "rtx3080-disb", "--policy", "fifo", "--max-batch", 1).document["runs"]
    counts = totals(run)
    assert counts["arrived"] == sum(counts[key] for key in COUNTS) > 0
    assert counts["unfinished"] == counts["dropped"] == 0
    assert all(figures["violation"] is None for figures in run["classes"].values()), "DISB has no deadlines"
    assert run["simulated_s"] == pytest.approx(stop_s, rel=0.05)
