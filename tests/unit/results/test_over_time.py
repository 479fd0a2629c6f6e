"""Windows of runs, from memory and from a folder: the same figures, and in sum those of the summary."""

import csv

import numpy as np
import pytest

from stratsim import read_results, simulate, summarize
from stratsim.results import write_results
from stratsim.results.over_time import life_of, life_of_stored
from stratsim.stats.over_time import WINDOW_COLUMNS, over_time

POLICIES = "edf,preempt-gated,native"
COUNTS = ("arrived", "violated", "dropped")


@pytest.fixture(scope="module")
def runs():
    return simulate("default", "a100-80gb-parvagpu", POLICIES, load=1.2, limit=1500, gpus=2)


@pytest.fixture(scope="module")
def folder(runs, tmp_path_factory):
    place = tmp_path_factory.mktemp("results") / "run"
    write_results(runs.results, place, manifest=runs.manifest(), summaries=runs.summaries, windows_s=0.7)
    return place


@pytest.mark.parametrize("policy", POLICIES.split(","))
def test_a_folder_gives_what_the_run_in_memory_gave(runs, folder, policy):
    """`preempt-gated` has pauses, during which its batches do not execute."""
    here = over_time(life_of(runs[policy]), 0.7)
    there = over_time(life_of_stored(read_results(folder), policy), 0.7)
    for name in WINDOW_COLUMNS:
        assert here[name] == pytest.approx(there[name], abs=1e-9, nan_ok=True), name
    if policy == "preempt-gated":
        assert len(runs[policy].pauses) > 0


@pytest.mark.parametrize("policy", POLICIES.split(","))
def test_in_sum_windows_are_the_figures_of_the_run(runs, policy):
    result = runs[policy]
    table, summary = over_time(life_of(result), 0.7), summarize(result)
    for level, figures in summary["classes"].items():
        violated = figures["arrived"] - figures["met"]
        expected = (figures["arrived"], violated, figures["dropped"])
        assert tuple(int(table[f"{level}_{name}"].sum()) for name in COUNTS) == expected
    long_s = table["to_s"] - table["from_s"]
    busy = float((table["utilization"] * long_s).sum() / long_s.sum())
    assert busy == pytest.approx(np.mean([gpu["utilization"] for gpu in summary["gpu"]]), rel=1e-9)
    assert table["batches"].sum() == len(result.batches)


def test_windows_csv_has_a_row_per_policy_and_window(runs, folder):
    with (folder / "windows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["policy", *WINDOW_COLUMNS]
    for policy, result in runs.items():
        found = [row for row in rows if row["policy"] == policy]
        table = over_time(life_of(result), 0.7)
        assert [float(row["queue"]) for row in found] == table["queue"].tolist()
        assert [row["high_arrived"] for row in found] == [str(count) for count in table["high_arrived"].tolist()]
        empty = np.isnan(table["batch_size"])
        assert [row["batch_size"] == "" for row in found] == empty.tolist()
