"""Which engine makes a run, and what the manifest says of it."""

from dataclasses import replace

import pytest

from stratsim.fast.coverage import ENTRY, PREEMPT, RUN
from stratsim.run import engine as engines
from stratsim.run.engine import Engine
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec
from stratsim.sweep.settings import MEANS


def outcome(**settings):
    return replay(prepare(make_spec({"limit": 200, "policy": "edf,strait", **settings})))


@pytest.fixture
def nothing_loaded(monkeypatch):
    """A process that has not run the fast engine yet."""
    monkeypatch.setattr(engines, "sys", type("Sys", (), {"modules": {}}))


@pytest.mark.usefixtures("nothing_loaded")
def test_a_short_run_stays_on_the_reference():
    ran = outcome().manifest()["engines"]
    assert ran["edf"] == {"ran": "simpy", "not_fast": "it is over sooner than compiled code is loaded"}


def test_the_reference_can_be_asked_for():
    assert outcome(engine="simpy").manifest()["engines"]["edf"] == {"ran": "simpy", "not_fast": "simpy was asked for"}


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize(
    ("requests", "filled", "pays"), [(399_999, True, False), (400_000, True, True), (400_000, False, False)]
)
def test_auto_counts_what_the_process_has_to_simulate(monkeypatch, requests, filled, pays):
    monkeypatch.setattr("stratsim.fast.cache.is_filled", lambda _: filled)
    assert (Engine("auto", requests)._why_it_does_not_pay(200, RUN) is None) == pays
    assert Engine("auto", 4_000_000)._why_it_does_not_pay(200, RUN) is None  # compiling pays too


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize("kernel", [ENTRY, PREEMPT])
def test_what_takes_the_reference_longer_pays_sooner(monkeypatch, kernel):
    monkeypatch.setattr("stratsim.fast.cache.is_filled", lambda _: True)
    assert Engine("auto", 10_000)._why_it_does_not_pay(200, kernel) is None
    assert Engine("auto", 9_999)._why_it_does_not_pay(200, kernel) is not None


@pytest.mark.usefixtures("nothing_loaded")
def test_without_numba_auto_is_the_reference(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert Engine("auto", 10**9)._why_it_does_not_pay(10**9, RUN) == "numba is not installed"


def test_what_is_asked_for_and_not_covered_runs_on_the_reference():
    ran = outcome(engine="fast", policy="lax").manifest()["engines"]
    assert ran == {"lax": {"ran": "simpy", "not_fast": "policy Lax is not compiled"}}


def test_the_rows_of_a_sweep_do_not_know_it():
    assert MEANS == ("engine",)


def test_groups_run_on_the_engine_that_was_chosen(monkeypatch):
    """The choice goes with each group, whatever process it runs in."""
    asked = []

    def called(self, workload, profile, policy, options, progress=None):
        asked.append(self.name)
        return replace(plain(self, workload, profile, policy, options, progress), not_fast="because")

    plain = Engine.__call__
    monkeypatch.setattr(Engine, "__call__", called)
    made = outcome(engine="simpy", policy="edf", gpus=2, groups=2)
    assert asked == ["simpy", "simpy"]
    assert made.engines == {"edf": {"ran": "simpy", "not_fast": "because"}}
