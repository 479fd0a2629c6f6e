"""What holds for every run: random workloads, profiles, machines and policies.

Binary fractions are used nowhere on purpose: rounding is part of what is tested.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.device import EXECUTION_MODELS
from stratsim.model.cluster import Cluster
from stratsim.model.contention import Blocks, GpuletFit, Igniter, KernelBlocks, ResourcePhase, TimeSlices
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.kernel_queue import KernelQueue
from stratsim.model.parts import Device, Features, Link
from stratsim.model.profile import Pair, Sharing
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority, Status
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import DropMode
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.results.checks import invariants
from stratsim.stats.occupancy import peak_concurrency
from stratsim.testing import make_profile, make_workload

POLICIES = [Fifo, PriorityFifo, Edf, PriorityEdf]
MODELS = ("a", "b", "c")

milliseconds = st.floats(0.1, 20.0).map(lambda value: value * 1e-3)


@st.composite
def profile_arguments(draw):
    """Arguments of `make_profile`; times in seconds."""
    latency = {}
    for name in MODELS:
        solo = draw(milliseconds)
        most = draw(st.sampled_from([1, 2, 4, 8]))
        latency[name] = {1: solo} if most == 1 else {1: solo, most: solo * draw(st.floats(1.0, most))}
    sharing = {name: Sharing(draw(st.floats(0.05, 1.0)), draw(st.floats(0.1, 10.0))) for name in MODELS[:2]}
    links = [Link(draw(st.sampled_from([0.0, 2e-5])), draw(st.floats(1e8, 5e10))) for _ in range(2)]
    return {
        "latency_s": latency,
        "sharing": sharing,
        "h2d": links[0],
        "d2h": links[1],
        "bytes_in": draw(st.sampled_from([0, 602_112, 5_000_000])),
        "bytes_out": draw(st.sampled_from([0, 4_000, 1_000_000])),
        "noise_cv": draw(st.sampled_from([0.0, 0.1])),
    }


@st.composite
def row_lists(draw):
    """Requests in bursts: gaps of nothing up to 20 ms, deadlines of nothing up to 100 ms, or none."""
    count = draw(st.integers(0, 40))
    gaps = draw(st.lists(st.just(0.0) | milliseconds, min_size=count, max_size=count))
    rows, at_s = [], 0.0
    for gap_s in gaps:
        at_s += gap_s
        slo_s = draw(st.sampled_from([float("inf"), 0.001, 0.010, 0.025, 0.1]))
        rows.append((at_s, draw(st.sampled_from(MODELS)), draw(st.sampled_from(Priority)), at_s + slo_s))
    return rows


clusters = st.builds(
    Cluster,
    gpus=st.integers(1, 3),
    device_model=st.sampled_from(sorted(EXECUTION_MODELS)),
    max_concurrency=st.integers(1, 3),
    prefetch=st.integers(0, 2),
    transfers=st.booleans(),
    uplink_bytes_per_s=st.sampled_from([None, 1e9]),
)


def client_lists(names=MODELS):
    return st.lists(
        st.builds(
            ClosedLoopClient,
            st.uuids().map(str),
            st.sampled_from(names),
            st.sampled_from(Priority),
            st.sampled_from([0, 600_000]),
            st.sampled_from([0, 4_000]),
            slo_s=st.sampled_from([float("inf"), 0.005, 0.05]),
            think_s=st.sampled_from([0.001, 0.01]),
            start_s=milliseconds,
            stop_s=st.just(float("inf")),
            limit=st.integers(0, 10),
        ),
        max_size=4,
        unique_by=lambda client: client.id,
    )


runs = st.fixed_dictionaries(
    {
        "profile": profile_arguments(),
        "rows": row_lists(),
        "cluster": clusters,
        "policy": st.sampled_from(POLICIES),
        "drop": st.sampled_from(DropMode),
        "max_batch": st.integers(1, 9),
        "seed": st.integers(0, 3),
    }
)


PHASES = (ResourcePhase(0.25, 0.9, 0.3, 0.2, 0.7, 3e6, 0.4), ResourcePhase(0.75, 0.2, 0.8))
KERNELS = (KernelBlocks(0.5, 3), KernelBlocks(0.125, 8), KernelBlocks(0.375, 21))
LENGTHS_S = (1e-4, 3e-4, 2e-5)
OF_A_MODEL = IgniterModel((0.004, 8.7, 23.7, 0.06, 0.35), 20, 0.03, 0.002, 0.003, 2.0, 0.5, 40.0)


def with_all_parameters(profile, factor):
    """Give a profile what every device model needs; all times are multiplied by `factor`."""
    models = {
        name: replace(model, features={1: Features(0.6, 0.5, 0.4)}) for name, model in profile.observable.models.items()
    }
    truth = replace(
        profile.truth,
        roofline={"a": {1: PHASES}},
        blocks=Blocks(8, {name: {1: KERNELS} for name in MODELS}),
        gpulet=GpuletFit(0.1, 0.7, 0.35, 0.9, 0.9),
        igniter=Igniter(IgniterGpu(1530.0, 300.0, 53.5, -1.0, 0.005, -0.009), dict.fromkeys(MODELS, OF_A_MODEL)),
        kernel_queue=KernelQueue(
            0.5, {name: {1: length * factor} for name, length in zip(MODELS, LENGTHS_S, strict=True)}
        ),
    )
    truth = replace(
        truth, time_slicing=TimeSlices({name: {1: 0.6} for name in MODELS}, {name: {1: 1.5} for name in MODELS})
    )
    return replace(
        profile,
        device=Device("GPU", memory_bandwidth_bytes_per_s=20e9 / factor, l2_bytes=4 << 20),
        observable=replace(profile.observable, models=models),
        pairs=tuple(Pair(one, 1, other, 1, 1.7) for one in MODELS for other in MODELS),
        truth=truth,
    )


def go(run, clients=()):
    profile = with_all_parameters(make_profile(**run["profile"]), run.get("factor", 1.0))
    workload = make_workload(run["rows"], profile=profile, closed_loop=clients)
    options = {name: run[name] for name in ("cluster", "drop", "max_batch", "seed")}
    options["rejection"] = Rejection(reject_s=0.001 * run.get("factor", 1.0))
    return simulate(workload, profile, run["policy"](), **options)


def columns(result):
    """Every column of both tables, by name."""
    tables = {"requests": result.requests, "batches": result.batches}
    return {
        (name, column): getattr(table, column)
        for name, table in tables.items()
        for column in type(table).__dataclass_fields__
    }


def assert_same(one, other):
    for (key, mine), theirs in zip(columns(one).items(), columns(other).values(), strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=str(key))
    assert (one.events, one.end_s, one.reasons, one.notes) == (other.events, other.end_s, other.reasons, other.notes)


@given(run=runs, clients=client_lists())
def test_every_run_is_sound(run, clients):
    """Conservation, order of stages, causality, drawn solo times, slots and places; everything is answered.

    Clients hear of drops after 1 ms, and a note says so; nothing else is to be said.
    """
    result = go(run, clients)
    cluster, batches, status = run["cluster"], result.batches, result.requests.status
    slots = 1 if cluster.device_model == "exclusive" else cluster.max_concurrency
    assert invariants(result, slots) == []
    assert not (status == Status.UNFINISHED).any()
    assert all("(reject_s)" in note for note in result.notes)
    assert sum((status == kind).sum() for kind in Status) == len(result.requests)
    if run["drop"] is DropMode.NEVER:
        assert not (status == Status.DROPPED).any()
    for gpu in range(cluster.gpus):
        rows = batches.gpu == gpu
        in_flight = peak_concurrency(batches.dispatch_s[rows], batches.execution_end_s[rows])
        assert in_flight <= slots + cluster.prefetch
    took = batches.execution_end_s - batches.execution_start_s
    assert (took >= batches.solo_s - 1e-12 * batches.execution_end_s).all()
    if slots == 1 and cluster.device_model != "roofline":  # there copies slow even one alone
        assert took == pytest.approx(batches.solo_s, rel=1e-9)


@given(run=runs, clients=client_lists())
def test_equal_arguments_give_equal_bits(run, clients):
    assert_same(go(run, clients), go(run, clients))


@pytest.mark.slow
@given(run=runs)
def test_equal_classes_make_priority_policies_plain(run):
    """Metamorphic: a priority policy that ignores priorities would pass every other test of order."""
    for level in Priority:
        run["rows"] = [(at, model, level, end) for at, model, _, end in run["rows"]]
        for plain, prioritised in ((Fifo, PriorityFifo), (Edf, PriorityEdf)):
            assert_same(go(run | {"policy": plain}), go(run | {"policy": prioritised}))


@given(run=runs)
def test_equal_relative_deadlines_make_edf_first_in_first_out(run):
    """With one deadline for all the earliest deadline is the earliest arrival."""
    run["rows"] = [(at, model, level, at + 0.05) for at, model, level, _ in run["rows"]]
    for fifo, edf in ((Fifo, Edf), (PriorityFifo, PriorityEdf)):
        assert_same(go(run | {"policy": fifo}), go(run | {"policy": edf}))


def doubled(run, factor=2.0):
    """Multiply every time by `factor`; rates of links are divided by it."""
    profile = dict(run["profile"])
    profile["latency_s"] = {
        name: {batch: value * factor for batch, value in table.items()} for name, table in profile["latency_s"].items()
    }
    for way in ("h2d", "d2h"):
        profile[way] = Link(profile[way].alpha_s * factor, profile[way].bytes_per_s / factor)
    rows = [(at * factor, model, level, end * factor) for at, model, level, end in run["rows"]]
    uplink = run["cluster"].uplink_bytes_per_s
    cluster = replace(run["cluster"], uplink_bytes_per_s=None if uplink is None else uplink / factor)
    return run | {"profile": profile, "rows": rows, "cluster": cluster, "factor": factor}


def doubled_client(client, factor=2.0):
    times = {name: getattr(client, name) * factor for name in ("slo_s", "think_s", "start_s", "stop_s")}
    return replace(client, **times)


@given(run=runs, clients=client_lists())
def test_doubling_all_times_doubles_all_results(run, clients):
    """To the last bit: a factor of two only moves exponents. Any absolute tolerance or constant would show."""
    one, other = go(run, clients), go(doubled(run), [doubled_client(client) for client in clients])
    for (key, mine), theirs in zip(columns(one).items(), columns(other).values(), strict=True):
        expected = mine * 2.0 if key[1].endswith("_s") else mine
        np.testing.assert_array_equal(theirs, expected, err_msg=str(key))
    assert (other.events, other.end_s) == (one.events, one.end_s * 2.0)


@given(run=runs, extra=st.lists(milliseconds, min_size=1, max_size=10))
def test_another_model_moves_no_models_noise(run, extra):
    """The n-th request of a model keeps its factor, whatever else arrives."""
    run["rows"] = [(at, "a" if model == "c" else model, level, end) for at, model, level, end in run["rows"]]
    run = run | {"max_batch": 1, "drop": DropMode.NEVER}
    run["profile"]["noise_cv"] = 0.1
    more = sorted([*run["rows"], *((at, "c", Priority.HIGH, float("inf")) for at in extra)], key=lambda row: row[0])
    alone, beside = go(run), go(run | {"rows": more})
    for code in (0, 1):
        drawn = [
            result.batches.solo_s[result.requests.batch[result.requests.model == code]] for result in (alone, beside)
        ]
        np.testing.assert_array_equal(*drawn)


@given(run=runs)
def test_work_is_conserved_under_processor_sharing(run):
    """While anything executes on a GPU it works at full speed: busy time is the sum of the solo times."""
    cluster = replace(run["cluster"], gpus=1, device_model="processor-sharing")
    batches = go(run | {"cluster": cluster}).batches
    order = np.argsort(batches.execution_start_s, kind="stable")
    busy_s = until_s = 0.0
    for start_s, end_s in zip(batches.execution_start_s[order], batches.execution_end_s[order], strict=True):
        busy_s += max(end_s - max(start_s, until_s), 0.0)
        until_s = max(until_s, end_s)
    assert busy_s == pytest.approx(batches.solo_s.sum(), rel=1e-9)


@given(run=runs)
def test_fifo_dispatches_each_model_in_the_order_of_arrival(run):
    result = go(run | {"policy": Fifo})
    requests = result.requests
    for code in range(len(MODELS)):
        batch = requests.batch[(requests.model == code) & (requests.batch >= 0)]
        assert (np.diff(batch) >= 0).all()


@given(run=runs)
def test_a_policy_without_drops_answers_everything_it_was_asked(run):
    result = go(run | {"drop": DropMode.NEVER})
    assert np.isfinite(result.requests.finish_s).all()
    assert result.batches.size.sum() == len(result.requests)
    assert (result.batches.size <= run["max_batch"]).all()
