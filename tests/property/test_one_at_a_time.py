"""Clients that send one request at a time, whatever falls due when, and whatever the policy does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy.native import Native
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf
from stratsim.testing import make_profile, make_workload

LINK = Link(1e-5, 1e9)
PROFILE = make_profile({"a": 0.003, "b": 0.0007}, bytes_in=100_000, bytes_out=4_000, h2d=LINK, d2h=LINK, noise_cv=0.05)
CLIENTS = "pqr"
gaps = st.just(0.0) | st.floats(0.0, 0.004).map(lambda gap_s: round(gap_s, 7))
"""None, or 100 ns and more: what differs by less than the clock tells is one instant, and an instant has no order."""


@st.composite
def row_lists(draw):
    rows, due_s = [], 0.0
    for gap_s in draw(st.lists(gaps, max_size=40)):
        due_s += gap_s
        slo_s = draw(st.sampled_from([float("inf"), 0.002, 0.01]))
        client = draw(st.sampled_from([*CLIENTS, "free", None]))
        rows.append(
            (due_s, draw(st.sampled_from("ab")), draw(st.sampled_from(Priority)), due_s + slo_s, None, None, client)
        )
    return rows


runs = st.fixed_dictionaries(
    {
        "rows": row_lists(),
        "stop_s": st.sampled_from([0.02, float("inf")]),
        "policy": st.sampled_from([Native, Fifo, Edf, PriorityEdf]),
        "gpus": st.integers(1, 2),
        "loops": st.integers(0, 2),
        "drop": st.sampled_from(["never", "infeasible"]),
    }
)


def go(rows, stop_s, policy, gpus, loops, drop, clients=CLIENTS):
    workload = make_workload(
        rows,
        profile=PROFILE,
        closed_loop=[
            ClosedLoopClient(f"c{n}", "a", Priority.LOW, 1000, 0, think_s=1e-4, limit=5) for n in range(loops)
        ],
        one_at_a_time=[OneAtATimeClient(name, stop_s) for name in clients],
    )
    made = policy() if policy is Native else policy(max_batch=1, drop=drop)
    return simulate(workload, PROFILE, made, cluster=Cluster(gpus=gpus), rejection=Rejection(reject_s=0.0))


def of(result, client):
    """Return arrivals, answers and deadlines of a client's requests, in the order of sending."""
    table = result.requests
    mine = table.client == (result.clients.index(client) if client in result.clients else -2)
    return table.arrival_s[mine], np.fmax(table.finish_s[mine], table.dropped_s[mine]), table.deadline_s[mine]


def overtaken(result):
    counts = "".join([note.rpartition(": ")[2] for note in result.notes if "gave up" in note])
    return {name: int(number) for name, number in (part.split(" ") for part in counts.split(", ") if part)}


@given(run=runs)
def test_no_client_ever_has_two_requests_unanswered(run):
    result = go(**run)
    for client in CLIENTS:
        arrival_s, answered_s, _ = of(result, client)
        assert np.isfinite(answered_s).all()
        assert (arrival_s[1:] >= answered_s[:-1]).all()
        assert (arrival_s < run["stop_s"]).all()


@given(run=runs)
def test_every_request_is_sent_or_given_up(run):
    result = go(**run)
    for client in CLIENTS:
        due_s = [row[0] for row in run["rows"] if row[-1] == client]
        assert len(of(result, client)[0]) + overtaken(result).get(client, 0) == len(due_s)


def expected(due, replies, stop_s):
    """Return when a client sends, and the deadlines.

    `due` is its rows as (due, deadline), `replies` are (time, whether dropped).
    """
    sent, place, replies = [], 0, iter(replies)
    while place < len(due) and due[place][0] < stop_s:
        at_s, deadline_s = due[place]
        place += 1
        while True:
            sent.append((at_s, deadline_s))
            reply_s, dropped = next(replies)
            held = None
            # What falls due at the instant of a reply comes after it, but before a policy decides to drop.
            while place < len(due) and (due[place][0] < reply_s or (dropped and due[place][0] == reply_s)):
                held = due[place]
                place += 1
            if held is None or held[0] >= stop_s or reply_s >= stop_s:
                break
            at_s, deadline_s = reply_s, reply_s + (held[1] - held[0])
    return sent


@given(run=runs)
def test_the_newest_due_is_sent_when_due_or_with_the_reply_to_the_last(run):
    """Against the rule written out for one client, given when it was answered."""
    result = go(**run)
    for client in CLIENTS:
        due = [(row[0], row[3]) for row in run["rows"] if row[-1] == client]
        mine = result.requests.client == (result.clients.index(client) if client in result.clients else -2)
        dropped_s = result.requests.dropped_s[mine]
        arrival_s, answered_s, deadline_s = of(result, client)
        replies = zip(answered_s.tolist(), (~np.isnan(dropped_s)).tolist(), strict=True)
        found = list(zip(arrival_s.tolist(), deadline_s.tolist(), strict=True))
        assert found == expected(due, replies, run["stop_s"])


@given(run=runs)
def test_others_arrive_when_they_are_due(run):
    result = go(**run)
    free = [row[0] for row in run["rows"] if row[-1] == "free"]
    assert of(result, "free")[0].tolist() == free


@given(run=runs)
def test_a_run_equals_the_replay_of_its_own_requests(run):
    """Without drops: one made within an instant lets its client send within it, and a replay gets both at once."""
    run["drop"] = "never"
    first = go(**run)
    table = first.requests
    names = [*first.clients, None]
    rows = zip(
        table.arrival_s.tolist(),
        [first.models[code] for code in table.model],
        [Priority(value) for value in table.priority],
        table.deadline_s.tolist(),
        table.bytes_in.tolist(),
        table.bytes_out.tolist(),
        [names[code] for code in table.client],
        strict=True,
    )
    again = go(**run | {"rows": list(rows), "loops": 0}, clients=())
    for column in ("arrival_s", "model", "status", "batch", "dropped_s", "finish_s"):
        np.testing.assert_array_equal(getattr(again.requests, column), getattr(table, column), err_msg=column)
    for column in ("dispatch_s", "gpu", "copy_in_end_s", "execution_end_s", "solo_s"):
        np.testing.assert_array_equal(getattr(again.batches, column), getattr(first.batches, column), err_msg=column)


@given(run=runs)
def test_clients_that_always_keep_up_change_nothing(run):
    """Where every row is due long after the one before, sending one at a time is what happens anyway."""
    run["rows"] = [(0.1 * n, *row[1:3], 0.1 * n + row[3] - row[0], *row[4:]) for n, row in enumerate(run["rows"])]
    run |= {"stop_s": float("inf"), "loops": 0}
    one, other = go(**run), go(**run, clients=())
    assert overtaken(one) == {}
    assert other.notes == ()
    for column in ("arrival_s", "deadline_s", "status", "batch", "finish_s"):
        np.testing.assert_array_equal(getattr(one.requests, column), getattr(other.requests, column), err_msg=column)
