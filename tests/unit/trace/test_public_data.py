"""The real public files, where they are at hand: set STRATSIM_DATA to the folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stratsim.trace import read_trace
from stratsim.trace.fetch import PUBLIC
from stratsim.trace.summary import dispersion, gap_cv

pytestmark = pytest.mark.data

FILES = {
    "azure-conv": "azure/AzureLLMInferenceTrace_conv.csv",
    "azure-code": "azure/AzureLLMInferenceTrace_code.csv",
    "azure-functions-2019-140": "invitro/azure2019_140_inv.csv",
    "mooncake-conversation": "mooncake/conversation_trace.jsonl",
    **{f"disb-{name}": f"disb/workload_{name}.json" for name in ("A", "B", "C", "D", "E", "REAL")},
}


@pytest.fixture
def data():
    folder = os.environ.get("STRATSIM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("STRATSIM_DATA does not name the folder of public data files")
    return Path(folder)


def test_every_public_trace_has_an_entry_and_the_sha256_that_fetch_expects(data):
    assert FILES.keys() == PUBLIC.keys()
    for name, path in FILES.items():
        trace = read_trace(data / path)
        assert trace.sha256 == PUBLIC[name].sha256
        assert (data / path).stat().st_size == PUBLIC[name].size


@pytest.mark.parametrize(
    ("name", "requests", "rate", "cv"), [("azure-conv", 19_366, 5.53, 1.09), ("azure-code", 8_819, 2.57, 13.15)]
)
def test_azure_llm_has_the_published_figures(data, name, requests, rate, cv):
    trace = read_trace(data / FILES[name])
    assert (len(trace), trace.arrival_s[0]) == (requests, 0.0)
    assert trace.rate == pytest.approx(rate, abs=0.005)
    assert gap_cv(trace.arrival_s) == pytest.approx(cv, abs=0.005)


def test_functions_2019_counts_are_preserved_function_by_function(data):
    path = data / FILES["azure-functions-2019-140"]
    trace = read_trace(path)
    frame = pd.read_csv(path)
    counts = frame.filter(like="minute_").to_numpy()
    functions = trace.extra["function"]
    rank = {name: row for row, name in enumerate(frame["HashFunction"])}
    row = np.asarray([rank[name] for name in functions.names])[functions.codes]
    found = np.zeros_like(counts)
    np.add.at(found, (row, (trace.arrival_s // 60).astype(int)), 1)
    assert len(trace) == counts.sum() == 1_468_194
    assert (found == counts).all()


def test_functions_2021(data):
    trace = read_trace(data / "invitro/Azure2021_200.csv")
    assert len(trace) == 199
    assert trace.arrival_s[0] == pytest.approx(0.00149, abs=1e-5)


def test_mooncake_ticks(data):
    trace = read_trace(data / FILES["mooncake-conversation"])
    assert len(trace) == 12_031
    assert len(set((trace.arrival_s // 3).tolist())) == 1180
    assert dispersion(trace.arrival_s, 1.0) < dispersion(np.round(trace.arrival_s / 3) * 3, 1.0)


def test_disb_real(data):
    trace = read_trace(data / FILES["disb-REAL"])
    assert len(trace) + 24 == 375 + 202 + 560 + 374 + 173
    assert len(trace.closed_loop) == 5
    assert {spec.priority.label for spec in trace.closed_loop} == {"low"}
