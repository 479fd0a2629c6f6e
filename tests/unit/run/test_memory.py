"""What a replay takes per request: not less than its columns, and not much more."""

import tracemalloc

import numpy as np
import pytest

from stratsim.engine import columns, rows
from stratsim.results import result_writer
from stratsim.rng import Streams
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec
from stratsim.stats import occupancy, starvation
from stratsim.trace import Trace
from stratsim.trace.write import write_trace

REQUESTS = 20_000
OWN = 90
"""Bytes per request of what a result must hold: nine times per batch, its finish, codes; see `RequestTable`."""
MOST = 220
"""Of a replay's peak, checks, figures and files included."""


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "t.parquet"
    arrival_s = np.cumsum(Streams(1).get("gaps").exponential(1.0, REQUESTS))
    write_trace(Trace(arrival_s=arrival_s, normalised=True), path)
    return path


@pytest.fixture
def _small_pieces(monkeypatch):
    """What is made some rows at a time would be all of a short run."""
    for module in (rows, occupancy, starvation):
        monkeypatch.setattr(module, "_BLOCK", 500)
    monkeypatch.setattr(columns, "CHUNK_ROWS", 500)


@pytest.mark.slow
@pytest.mark.usefixtures("_small_pieces")
def test_a_replay_takes_what_its_columns_take(trace, tmp_path):
    inputs = prepare(make_spec({"trace": str(trace), "policy": "fifo,edf", "max_batch": 1, "load": 0.7})).lean()
    tracemalloc.start()
    try:
        with result_writer(tmp_path / "out", ["fifo", "edf"], timeline=False) as writer:
            outcome = replay(inputs, keep_results=False, each=writer.add)
            writer.finish(outcome.manifest())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert OWN < peak / REQUESTS < MOST
