"""The comparison with peers: what runs, what is said, what counts as a different answer."""

import numpy as np
import pandas as pd
import peers
import pytest
import queues


def runs_of(**changes):
    """Two rounds: the plain loop at 100 and 50 requests/s, ours at 200 and 150; a whole machine."""
    both = {"requests": 1_000, "wall_s": 50.0, "memory_mb": 2.0}
    sound = {"events": 2.0, "broken": ""}
    rows = [
        {"name": name, "round": number, "cpu_s": 1_000 / per_s, **both, **answer}
        for name, speeds, answer in (
            (queues.PLAIN, (100, 50), {"difference_s": 0.0}),
            (queues.OURS, (200, 150), {"difference_s": 0.0}),
            ("fifo", (80, 60), sound),
        )
        for number, per_s in enumerate(speeds)
    ]
    return pd.DataFrame(rows).assign(**changes)


def test_ratios_are_medians_of_ratios_within_a_round():
    table = peers.summarize(runs_of()).set_index("label")
    ours = table.loc["stratsim, this queue"]
    assert (ours["requests_per_s"], ours["ratio"]) == (175, 2.5)
    assert (ours["least_ratio"], ours["most_ratio"]) == (2.0, 3.0)
    assert ours["bytes_per_request"] == 2_000
    assert list(table["machine"]) == [False, False, True]  # whole machines below, however fast


def test_equal_answers_are_no_problem():
    assert peers.judge(runs_of(), 20_000) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"difference_s": 2e-9}, "2e-09 s from the one that is known"),
        ({"difference_s": np.inf}, "inf s from the one that is known"),
        ({"difference_s": np.nan}, "nan s from the one that is known"),
        ({"events": 3.01}, "3.01 events per request, more than 3"),
        ({"broken": "I1: something"}, "stratsim, fifo: I1: something"),
    ],
)
def test_other_answers_are_told(changes, said):
    problems = peers.judge(runs_of(**changes), 20_000)
    assert len(problems) in (1, 2)
    assert all(said in problem for problem in problems)


def test_another_mean_than_the_closed_form_is_told(monkeypatch):
    monkeypatch.setattr(queues, "mean_wait_s", lambda: 0.020)
    (problem,) = peers.judge(runs_of(), 20_000)
    assert "the closed form says 20.000 ms" in problem


def test_a_peer_that_is_not_installed_is_left_out_with_a_reason(monkeypatch):
    monkeypatch.setattr(queues, "_installed", lambda name: name != "salabim")
    names, left_out = peers.choose()
    assert "salabim_clerk" not in names
    assert {"heap", "ours", "strait"} < set(names)
    assert left_out == ["salabim is left out, it is not installed: pip install salabim"]


def test_a_wait_too_few_is_another_answer(monkeypatch):
    short = type("Short", (), {"waits": staticmethod(lambda gaps_s: queues.lindley(gaps_s)[:-1])})
    monkeypatch.setattr(queues, "load", lambda name: short)
    assert peers.measure_one("heap", 1_000)["difference_s"] == np.inf


@pytest.mark.parametrize("policy", [name for name in peers.MACHINES if "fast" not in name])
def test_whole_machines_are_sound(policy):
    found = peers.measure_one(policy, 500)
    assert found["broken"] == ""
    assert 2 <= found["events"] <= peers.MOST_EVENTS


@pytest.mark.slow
@pytest.mark.parametrize("policy", [name for name in peers.MACHINES if "fast" in name])
def test_whole_machines_are_sound_compiled(policy):
    test_whole_machines_are_sound(policy)


def test_the_table_says_what_differs_and_where_it_was_measured():
    known = {
        "requests": 20_000, "rounds": 2, "left_out": ["x is left out: pip install x"], "date": "2000-01-01",
        "cpu": "CPU", "cores": 2, "system": "OS", "python": "CPython 3", "stratsim": "0", "code_sha256": "0" * 64,
        "versions": {},
    }  # fmt: skip
    text = peers.markdown(peers.summarize(runs_of()), known, runs_of())
    assert "| stratsim, this queue | " in text
    assert "| 175 | 2.5 (2 to 3) | 2,000 | none |" in text
    assert "another system" in text
    assert "2000-01-01, CPU, 2 cores" in text
    assert text.endswith("x is left out: pip install x")
