"""What holds for every run with links, engines and memory of any kind: the invariants, and scaling of time."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Device, Features, Link
from stratsim.model.request import Status
from stratsim.model.topology import Branch, Branches, Topology, Trunk
from stratsim.model.truth import Transfers
from stratsim.policy.queueing import Edf, Fifo
from stratsim.results import invariants
from stratsim.testing import make_profile, make_workload

MODELS = "abc"
GPUS = 3
capacities = st.one_of(st.none(), st.sampled_from([0.5e9, 1e9, 2e9]))
inputs = st.dictionaries(st.sampled_from(MODELS), st.sampled_from([0, 10**6, 7 * 10**6]))
machines = st.fixed_dictionaries(
    {
        "root": st.tuples(capacities, capacities),
        "switch": st.tuples(capacities, capacities),
        "own": st.lists(st.sampled_from([0.5e9, 1e9, 2e9]), min_size=GPUS, max_size=GPUS),
        "transfers": st.one_of(
            st.none(),
            st.builds(
                Transfers,
                engines=st.sampled_from([0, 1, 2]),
                chunk_bytes=st.sampled_from([None, 2 * 10**6]),
                duplex=st.sampled_from([1.0, 0.75]),
                h2d_share=st.sampled_from([0.5, 0.0, 0.25]),
            ),
        ),
        "memory": st.sampled_from([None, 5e6, 8e6, 12e6]),
        "device_model": st.sampled_from(["processor-sharing", "roofline"]),
        "max_concurrency": st.integers(1, 3),
        "prefetch": st.integers(0, 2),
        "bytes_in": inputs,
        "bytes_out": inputs,
    }
)
rows = st.lists(
    st.tuples(
        st.integers(0, 200).map(lambda tick: tick / 1024),
        st.sampled_from(MODELS),
        st.sampled_from(["high", "low"]),
        st.just(1e6),
    ),
    min_size=1,
    max_size=40,
)


def go(machine, given_rows, policy=Fifo, factor=1.0):
    """Replay; `factor`, a power of two, multiplies every time."""
    link = Link(2**-13 * factor, 1e9 / factor)
    profile = make_profile(
        {name: {1: 2**-7 * factor, 4: 2**-6 * factor} for name in MODELS},
        bytes_in=machine["bytes_in"],
        bytes_out=machine["bytes_out"],
        h2d=link,
        d2h=link,
    )
    models = {
        name: dataclasses.replace(
            profile.observable.models[name], weights_bytes=size, features={1: Features(compute=0.5, memory=0.75)}
        )
        for name, size in zip(MODELS, (4 * 10**6, 3 * 10**6, 5 * 10**6), strict=True)
    }
    profile = dataclasses.replace(
        profile,
        observable=dataclasses.replace(profile.observable, models=models),
        truth=dataclasses.replace(profile.truth, transfers=machine["transfers"]),
        device=Device("GPU", memory_bandwidth_bytes_per_s=8e9 / factor),
    )
    workload = make_workload(
        [(at * factor, model, level, end) for at, model, level, end in given_rows], profile=profile
    )
    cluster = Cluster(
        gpus=GPUS,
        topology=tree(machine, factor),
        **{name: machine[name] for name in ("memory", "device_model", "max_concurrency", "prefetch")},
    )
    return simulate(workload, profile, policy(max_batch=3, drop="never"), cluster=cluster)


def tree(machine, factor):
    def rates(pair):
        each, both = (None if rate is None else rate / factor for rate in pair)
        return {"bytes_per_s": each, "both_bytes_per_s": both}

    own = [rate / factor for rate in machine["own"]]
    return Topology(
        root=Trunk(**rates(machine["root"])),
        switches={"A": Branch(**rates(machine["switch"]))},
        gpus=(Branches(own[0], under="A"), Branches(own[1], under="A"), Branches(own[2])),
    )


@given(machine=machines, given_rows=rows, policy=st.sampled_from([Fifo, Edf]))
def test_every_run_is_sound(machine, given_rows, policy):
    """Conservation, order of stages, engines, memory, slots; everything is answered."""
    result = go(machine, given_rows, policy)
    assert invariants(result, machine["max_concurrency"]) == []
    assert not (result.requests.status == Status.UNFINISHED).any()
    assert result.notes == ()
    assert (result.loads is None) == (machine["memory"] is None)


@given(machine=machines, given_rows=rows)
def test_equal_arguments_give_equal_bits(machine, given_rows):
    assert_same(go(machine, given_rows), go(machine, given_rows))


@given(machine=machines, given_rows=rows, exponent=st.sampled_from([-3, 1, 10]))
def test_doubling_all_times_doubles_all_results(machine, given_rows, exponent):
    factor = 2.0**exponent
    assert_same(go(machine, given_rows), go(machine, given_rows, factor=factor), factor)


def assert_same(one, other, factor=1.0):
    for column in type(one.batches).__dataclass_fields__:
        mine, theirs = getattr(one.batches, column), getattr(other.batches, column)
        np.testing.assert_array_equal(mine * factor if column.endswith("_s") else mine, theirs, err_msg=column)
    assert one.events == other.events
    if one.loads is not None:
        for column in ("batch", "start_s", "end_s", "evicted_s"):
            mine, theirs = getattr(one.loads, column), getattr(other.loads, column)
            np.testing.assert_array_equal(mine * factor if column.endswith("_s") else mine, theirs, err_msg=column)


@given(machine=machines, given_rows=rows)
def test_memory_for_all_is_weights_always_there_once_each_was_loaded(machine, given_rows):
    """Each model is loaded at most once per GPU, and nothing is ever evicted."""
    result = go(machine | {"memory": 12e6}, given_rows)
    pairs = list(zip(result.batches.gpu[result.loads.batch], result.batches.model[result.loads.batch], strict=True))
    assert len(set(pairs)) == len(pairs)
    assert np.isnan(result.loads.evicted_s).all()
