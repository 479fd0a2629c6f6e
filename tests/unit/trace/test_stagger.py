"""Who starts after whom, and when: worked out by hand for a profile with solo latencies 11.5 ms and 32.5 ms."""

import json

import numpy as np
import pytest

from stratsim.errors import TraceError
from stratsim.model.workload import OneAtATimeClient
from stratsim.trace import Names, OneAtATimeSpec, Trace, read_trace
from stratsim.trace.rule import complete
from stratsim.trace.spec import SloRule, WorkloadRule
from stratsim.trace.stagger import staggered
from stratsim.trace.write import write_trace

# End-to-end solo latencies of the profile in conftest.py, seconds.
FAST, SLOW = 0.0115, 0.0325


def task(name, model="fast", kind="periodic", **load):
    return {"id": name, "load": {"type": kind, **load}, "client": {"model_name": model}}


@pytest.fixture
def disb(write):
    def run(*tasks, time=1.0, **options):
        return read_trace(write(json.dumps({"time": time, "tasks": tasks}), "w.json"), **options)

    return run


@pytest.fixture
def fill(profile):
    def run(trace, rule=None, **options):
        return complete(trace, profile.for_scheduler(), rule, resolve=profile.resolve, **options)

    return run


def starts(workload):
    """Return each client's first arrival."""
    return {
        name: float(workload.arrival_s[workload.client == code][0]) for code, name in enumerate(workload.client_names)
    }


def test_periodic_clients_of_one_frequency_start_one_after_the_other(disb, fill):
    """Frequencies 20 and 10, in turns: each group counts for itself, in the order of the file."""
    trace = disb(
        task("a_rt", "fast", frequency=20),
        task("b_rt", "slow", frequency=10),
        task("c_rt", "slow", frequency=20),
        task("d_rt", "fast-imagenet", frequency=10),
        task("e_rt", "fast", frequency=20),
    )
    assert [spec.after for spec in trace.one_at_a_time] == [(), (), ("fast",), ("slow",), ("fast", "slow")]
    assert starts(fill(trace)) == pytest.approx({"a_rt": 0, "b_rt": 0, "c_rt": FAST, "d_rt": SLOW, "e_rt": FAST + SLOW})


def test_the_beat_stays(disb, fill):
    workload = fill(disb(task("a", "slow", frequency=4), task("b", frequency=4)))
    assert workload.arrival_s[workload.client == 0].tolist() == [0, 0.25, 0.5, 0.75]
    assert workload.arrival_s[workload.client == 1] == pytest.approx(np.arange(4) / 4 + SLOW)
    assert (np.diff(workload.arrival_s) >= 0).all()


def test_beats_that_come_to_lie_at_or_after_the_end_are_cut(disb, fill):
    """b starts at 32.5 ms: its beats of 0.53 s and its own of 0.5 s and 1 s."""
    workload = fill(disb(task("a", "slow", frequency=2), task("b", frequency=2), time=0.53))
    assert workload.arrival_s == pytest.approx([0.0, SLOW, 0.5])
    assert workload.client.tolist() == [0, 1, 0]


def test_what_each_row_says_moves_with_it(disb, fill):
    rule = WorkloadRule(slo=SloRule(high_s=0.1, low_s=0.2))
    workload = fill(disb(task("a_rt", "slow", frequency=1), task("b_be", frequency=1)), rule)
    assert workload.deadline_s - workload.arrival_s == pytest.approx([0.1, 0.2])
    assert [workload.models[code] for code in workload.model] == ["slow", "fast"]
    assert workload.bytes_in.tolist() == [2_000_000, 1_000_000]


def test_whole_parts_of_frequencies_count(disb):
    trace = disb(task("a", frequency=20.9), task("b", frequency=20.1), task("c", frequency=21))
    assert [spec.after for spec in trace.one_at_a_time] == [(), ("fast",), ()]


def test_a_priority_above_0_starts_at_once_and_nobody_starts_after_it(disb):
    trace = disb(
        task("a", frequency=20, priority=1),
        task("b", "slow", frequency=20, priority=0),
        task("c", frequency=20, priority=None),
        task("d", frequency=20, priority=-1),
    )
    assert [spec.after for spec in trace.one_at_a_time] == [(), (), ("slow",), ("slow", "fast")]


def test_only_periodic_clients_are_staggered(disb, fill):
    trace = disb(
        task("a", kind="trace", trace=[0, 10]),
        task("b", kind="poisson", frequency=20),
        task("c", frequency=20),
        task("d", kind="continuous"),
    )
    assert trace.one_at_a_time == tuple(OneAtATimeSpec(name, 1.0) for name in "abc")
    assert fill(trace).one_at_a_time == tuple(OneAtATimeClient(name, 1.0) for name in "abc")
    assert starts(fill(trace))["c"] == 0
    assert not any("one after the other" in note for note in trace.notes)


def test_the_seed_moves_poisson_clients_only(disb):
    tasks = [task("a", kind="poisson", frequency=20), task("b", frequency=20)]
    one, two = disb(*tasks, seed=1), disb(*tasks, seed=2)
    times = [
        [trace.arrival_s[trace.client.codes == trace.client.names.index(name)].tolist() for name in "ab"]
        for trace in (one, two)
    ]
    assert times[0][0] != times[1][0]
    assert times[0][1] == times[1][1]


def test_the_notes_say_what_happens(disb):
    trace = disb(task("a", frequency=20), task("b", frequency=20), task("c", kind="poisson", frequency=1))
    assert trace.notes == (
        "times in seconds, those of listed traces in milliseconds",
        "periodic clients of one frequency start one after the other, by their solo latencies",
        "Poisson clients draw seeded gaps",
        "clients that send one request at a time: how many requests arrive depends on the policy",
    )
    _, mixed = disb(task("a", frequency=20), task("d", kind="continuous")).notes
    assert mixed.startswith("closed-loop clients and clients that send one request at a time: how many ")


def test_an_unknown_model_is_said_before_anything_moves(disb, fill):
    with pytest.raises(TraceError, match=r"client 'b' starts after others: .*'slw'; did you mean 'slow'\?"):
        fill(disb(task("a", "slw", frequency=20), task("b", frequency=20)))


def test_other_rates_stretch_everything(disb, fill):
    workload = fill(disb(task("a", "slow", frequency=4), task("b", frequency=4)), rate_scale=0.5)
    assert starts(workload) == pytest.approx({"a": 0.0, "b": 2 * SLOW})
    assert [client.stop_s for client in workload.one_at_a_time] == [2.0, 2.0]


def test_a_limit_counts_what_has_been_moved(disb, fill):
    trace = disb(task("a", "slow", frequency=40), task("b", frequency=40))
    assert fill(trace, limit=3).client.tolist() == [0, 0, 1]  # 0, 25 and 32.5 ms


def test_a_trace_without_such_clients_is_not_touched(profile):
    plain = Trace(np.arange(3.0), client=Names.encode("aab"), one_at_a_time=(OneAtATimeSpec("a"),))
    assert staggered(plain, profile.for_scheduler(), profile.resolve) is plain
    nobody = Trace(np.arange(3.0), one_at_a_time=(OneAtATimeSpec("a", after=("fast",)),))
    assert staggered(nobody, profile.for_scheduler(), profile.resolve) is nobody


def test_a_client_without_a_request_is_passed_over(profile):
    specs = (OneAtATimeSpec("a", after=("fast",)), OneAtATimeSpec("gone", after=("slow",)))
    trace = Trace(np.arange(3.0), client=Names.encode(["a", None, "b"]), one_at_a_time=specs)
    moved = staggered(trace, profile.for_scheduler(), profile.resolve)
    assert moved.arrival_s.tolist() == [FAST, 1, 2]
    assert [spec.after for spec in moved.one_at_a_time] == [(), ()]


# Written and read again -----------------------------------------------------------------------------------------------


def test_a_converted_workload_completes_to_the_same(disb, fill, tmp_path):
    trace = disb(task("a_rt", "slow", frequency=40), task("b_rt", frequency=40), task("c_be", kind="continuous"))
    write_trace(trace, tmp_path / "clients.json")
    again = read_trace(tmp_path / "clients.json")
    assert again.one_at_a_time == trace.one_at_a_time
    one, two = fill(trace), fill(again)
    assert one.one_at_a_time == two.one_at_a_time == (OneAtATimeClient("a_rt", 1.0), OneAtATimeClient("b_rt", 1.0))
    assert one.arrival_s.tolist() == two.arrival_s.tolist()
    assert one.client.tolist() == two.client.tolist()


def test_who_sends_nothing_is_not_written(tmp_path):
    trace = Trace(np.arange(2.0), client=Names.encode("aa"), one_at_a_time=(OneAtATimeSpec("a"), OneAtATimeSpec("b")))
    write_trace(trace, tmp_path / "clients.json")
    assert read_trace(tmp_path / "clients.json").one_at_a_time == (OneAtATimeSpec("a"),)
