"""A policy that drops by a rule of its own, in a run whose rule keeps what it drops: a note says so."""

import pytest

from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec

ROWS = """arrival_s,model,priority,deadline_s
0,bert,low,1
0.5,bert,low,0.501
"""
"""Alone bert takes 14.5 ms: the second request cannot be in time, and 1 ms after its arrival it is expired."""


@pytest.fixture
def notes(tmp_path):
    def run(policy, drop):
        (tmp_path / "trace.csv").write_text(ROWS)
        settings = {"trace": str(tmp_path / "trace.csv"), "profile": "a100-80gb-parvagpu", "policy": policy}
        outcome = replay(prepare(make_spec({**settings, "drop": drop}, "replay")))
        return [note for note in outcome.notes if "its own rule" in note]

    return run


@pytest.mark.parametrize("policy", ["strait", "symphony", "edf(drop=infeasible)"])
@pytest.mark.parametrize("drop", ["never", "expired"])
def test_a_policy_that_drops_what_the_run_keeps_is_named(notes, policy, drop):
    why = f"by its own rule: the run's, {drop}, does not reach it"
    assert notes(policy, drop) == [f"policy '{policy}' dropped 1 requests {why}"]


@pytest.mark.parametrize(
    ("policy", "drop"),
    [("strait", "infeasible"), ("edf", "never"), ("edf", "expired"), ("edf", "infeasible"), ("native", "never")],
)
def test_nothing_is_said_where_policy_and_run_agree(notes, policy, drop):
    assert notes(policy, drop) == []
