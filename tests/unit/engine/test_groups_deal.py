"""How requests and clients are dealt to groups of GPUs: the rules are tables."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.model.groups import Groups
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy.queueing import Edf, Fifo
from stratsim.testing import make_workload
from tests.unit.engine.in_groups import PLAIN, PROFILE, group_of, in_groups, on_one_clock, rows


def dealt(table, deal, count=2):
    workload = make_workload(table, profile=PLAIN)
    result = in_groups(workload, partial(Fifo, drop="never", max_batch=1), count, deal, profile=PLAIN, gpus=2 * count)
    return group_of(result)


def test_round_robin_goes_by_the_place_in_the_trace():
    assert dealt([(float(at), "a") for at in range(7)], "round-robin", 3) == [0, 1, 2, 0, 1, 2, 0]


def test_models_are_balanced_by_work():
    """b 4 x 1 s to group 0; a 1 x 3 s to group 1; c, 2 s, to group 1 (3 < 4); d, 2 s, to group 0 (4 < 5)."""
    models = "abcbdbb"
    table = [(float(at), model) for at, model in enumerate(models)]
    assert dealt(table, "model") == [{"b": 0, "a": 1, "c": 1, "d": 0}[model] for model in models]


def test_fewer_models_than_groups_leave_a_group_idle():
    table = [(1.0, "a"), (2.0, "a"), (3.0, "b")]
    assert dealt(table, "model", 3) == [0, 0, 1]
    result = in_groups(make_workload(table, profile=PLAIN), groups=4, deal="model", profile=PLAIN)
    assert (result.start_s, result.gpus, result.max_concurrency) == (1.0, 4, 2)


def test_an_empty_trace():
    result = in_groups(make_workload([], profile=PLAIN), profile=PLAIN)
    assert (len(result.requests), len(result.batches), result.start_s, result.end_s) == (0, 0, 0.0, 0.0)


def test_clients_take_turns_and_so_do_requests_without_one():
    """p, q, r are the first, second and third client: groups 0, 1, 0. The nameless alternate among themselves."""
    names = ["p", None, "q", "q", None, None, "r", "p", None]
    table = [(float(at), "a", "low", None, None, None, name) for at, name in enumerate(names)]
    assert dealt(table, "client") == [0, 0, 1, 1, 1, 0, 0, 0, 1]


def test_without_names_client_is_round_robin():
    assert dealt([(float(at), "a") for at in range(5)], "client") == [0, 1, 0, 1, 0]


def of_client(result, name):
    chosen = result.requests.client == result.clients.index(name)
    return result.requests.arrival_s[chosen].tolist()


def test_closed_loop_clients_are_dealt_in_turn():
    """Of three clients the first and third share a GPU, one slot: each has its reply after 6 s; the second after 3."""
    loop = [ClosedLoopClient(name, "a", Priority.LOW, 0, 0, stop_s=10.0) for name in "pqr"]
    workload = make_workload([], profile=PLAIN, closed_loop=loop)
    one_by_one = partial(Fifo, max_batch=1, drop="never")
    result = in_groups(
        workload, one_by_one, deal="client", profile=PLAIN, gpus=2, max_concurrency=1, device_model="exclusive"
    )
    assert of_client(result, "p") == [0.0, 3.0, 9.0]
    assert of_client(result, "q") == [0.0, 3.0, 6.0, 9.0]
    assert of_client(result, "r") == [0.0, 6.0]
    assert (np.diff(result.requests.arrival_s) >= 0).all()


def test_clients_of_the_rows_come_before_closed_loop_ones():
    """p, q and r are the first three, so the loop l goes to group 1, m to group 0."""
    loop = [ClosedLoopClient(name, "b", Priority.LOW, 0, 0, limit=1) for name in "lm"]
    table = [(0.0, "b", "low", None, None, None, name) for name in "pqr"]
    workload = make_workload(table, profile=PLAIN, closed_loop=loop)
    result = in_groups(workload, partial(Fifo, drop="never"), deal="client", profile=PLAIN, gpus=2)
    gpu = {result.clients[code]: result.batches.gpu[batch] for code, batch in
           zip(result.requests.client.tolist(), result.requests.batch.tolist(), strict=True)}  # fmt: skip
    assert gpu == {"p": 0, "q": 1, "r": 0, "l": 1, "m": 0}


def test_one_at_a_time_requests_are_merged_in_the_order_of_arrival():
    """p's second, due at 1, is sent at 3, after q's, which is due at 2: as many are sent as the trace has rows, but
    they have other places."""
    table = [(0.0, "a", "low", None, None, None, "p"), (1.0, "a", "low", None, None, None, "p"),
             (2.0, "b", "low", None, None, None, "q")]  # fmt: skip
    workload = make_workload(table, profile=PLAIN, one_at_a_time=[OneAtATimeClient("p"), OneAtATimeClient("q")])
    result = in_groups(workload, partial(Fifo, drop="never"), deal="client", profile=PLAIN, gpus=2)
    assert result.requests.arrival_s.tolist() == [0.0, 2.0, 3.0]
    assert [result.clients[code] for code in result.requests.client] == ["p", "q", "p"]
    assert result.requests.finish_s.tolist() == [3.0, 3.0, 6.0]


def test_each_group_of_one_at_a_time_clients_is_its_own_run():
    table = rows(400, 900, clients=5, slo_s=0.2)
    named = [row for row in table if row[-1]]
    clients = list(dict.fromkeys(row[-1] for row in named))
    noiseless = replace(PROFILE, truth=replace(PROFILE.truth, noise_cv=0.0))

    def workload(chosen):
        waiting = [OneAtATimeClient(name) for name in clients if any(row[-1] == name for row in chosen)]
        return make_workload(chosen, profile=PROFILE, one_at_a_time=waiting)

    result = in_groups(workload(named), Edf, deal="client", profile=noiseless)
    for group in range(2):
        own = [row for row in named if clients.index(row[-1]) % 2 == group]
        alone = on_one_clock(workload(own), Edf(), profile=noiseless, gpus=2)
        for name in alone.clients:
            assert of_client(result, name) == of_client(alone, name)
    assert len(result.requests) < len(named)


def test_rules_and_counts_are_checked():
    with pytest.raises(SpecError, match=r"unknown way to deal requests 'modle'; did you mean 'model'"):
        Groups(2, "modle")
    with pytest.raises(SpecError, match="groups must be at least 1, got 0"):
        Groups(0)
