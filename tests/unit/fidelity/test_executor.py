"""Live runs are written whatever ended them; what serves is a stand-in here."""

import os
import signal

import pytest

import stratsim.live
from stratsim.errors import ServerError
from stratsim.fidelity.executor import LiveExecutor, Order
from stratsim.live import Served, Terminated
from stratsim.results import read_results, summarize
from stratsim.run.outcome import Outcome
from stratsim.run.replay import run_policy


@pytest.fixture
def keepers():
    """What each run was given to keep its server."""
    return []


@pytest.fixture
def serve(standin, keepers, monkeypatch):
    """Have a replay in the place of the device; `stopped` ends the run, after what was to be measured."""

    def make(stopped=None, meanwhile=lambda: None):
        def served(inputs, target, *, keeper, say):
            keepers.append(keeper)
            meanwhile()
            results = [run_policy(inputs, call) for call in inputs.policies]
            live = {"status": "complete" if stopped is None else "interrupted", "device": target.device}
            summaries = tuple(summarize(result) for result in results)
            return Served(Outcome(inputs, tuple(results), summaries, ()), live, stopped)

        monkeypatch.setattr(stratsim.live, "serve", served)
        settings = {"trace": str(standin.trace(50, requests=50)), "profile": str(standin.profile), "max_batch": 4}
        return Order(standin.folder / "runs" / "r1", ("fifo", "edf(max_batch=2)"), "cpu", settings)

    return make


def test_a_run_of_several_policies(serve):
    order = serve()
    LiveExecutor()(order)
    stored = read_results(order.out)
    assert stored.policies == ["fifo", "edf(max_batch=2)"]
    assert stored.manifest["live"] == {"status": "complete", "device": "cpu"}
    assert stored.manifest["spec"]["max_batch"] == 4
    assert not order.out.with_name("r1.partial").exists()


@pytest.mark.parametrize("stopped", [ServerError("the device is gone"), KeyboardInterrupt(), Terminated()])
def test_what_ended_it_is_raised_after_all_was_written(serve, stopped):
    order = serve(stopped)
    with pytest.raises(type(stopped)):
        LiveExecutor()(order)
    assert not order.out.exists()
    assert read_results(order.out.with_name("r1.partial")).manifest["live"]["status"] == "interrupted"
    with pytest.raises(type(stopped)):
        LiveExecutor()(order)  # the older part does not stand in its way
    LiveExecutor()(serve())
    assert [path.name for path in order.out.parent.iterdir()] == ["r1"]


def test_sigterm_ends_a_run_as_ctrl_c_does(serve):
    order = serve(meanwhile=lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated):
        LiveExecutor()(order)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_serves_is_kept_from_run_to_run_and_closed_at_the_end(serve, keepers, monkeypatch):
    closed = []
    monkeypatch.setattr(stratsim.live.Keeper, "close", lambda keeper: closed.append(keeper))
    with LiveExecutor() as execute:
        execute(serve())
        execute(serve()._replace(out=serve().out.with_name("r2")))
        assert not closed
    assert keepers[0] is keepers[1]
    assert closed == [keepers[0]]
