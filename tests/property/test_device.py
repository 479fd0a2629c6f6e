"""What holds for every mix of executions: work is conserved, capacity is not exceeded."""

from dataclasses import replace
from math import ceil, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim.device import FluidUnit, Phase, execution_model
from stratsim.device.execution.block_priority import BlockUnit, Kernel
from stratsim.device.execution.streams import StreamsLoad
from stratsim.model.contention import GpuletFit, Igniter, ResourcePhase, Sharing
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.parts import Device, Features
from stratsim.model.profile import Pair
from stratsim.model.truth import Truth
from stratsim.solve import capped_weighted
from stratsim.testing import make_profile

loads = st.builds(StreamsLoad, st.floats(0.05, 1.0), st.floats(0.1, 10.0))


def capped(active):
    """The rule of `streams`."""
    return capped_weighted([load.demand for load in active], [load.weight for load in active])


@st.composite
def jobs(draw):
    """(start, solo time, phases), sorted by start."""
    count = draw(st.integers(1, 8))
    found = []
    for _ in range(count):
        shares = draw(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=3))
        phases = tuple(Phase(share / sum(shares), draw(loads)) for share in shares)
        found.append((draw(st.floats(0.0, 10.0)), draw(st.floats(0.01, 5.0)), phases))
    return sorted(found, key=lambda job: job[0])


def drive(unit, todo, watch):
    """Run jobs to their ends; call `watch(unit, elapsed)` for every stretch between two changes."""
    todo = list(enumerate(todo))
    ends, now_s = {}, 0.0
    while todo or len(unit):
        at_s = min(todo[0][1][0] if todo else inf, unit.next_s)
        watch(unit, at_s - now_s)
        now_s = at_s
        if at_s == unit.next_s:
            ends |= {batch.key: at_s for batch in unit.complete(at_s)}
        else:
            key, (_, solo_s, *work) = todo.pop(0)
            unit.add(at_s, key, solo_s, *work)
    return ends


@given(given_jobs=jobs())
def test_work_is_conserved_and_capacity_respected(given_jobs):
    """For each batch the integral of its rate is its solo time; at every moment sum(demand * rate) <= 1.

    Saturated (the demands exceed 1) the sum is exactly 1: no capacity is lost.
    """
    done = dict.fromkeys(range(len(given_jobs)), 0.0)

    def watch(unit, elapsed_s):
        used = sum(batch.load.demand * batch.rate for batch in unit.running)
        wanted = sum(batch.load.demand for batch in unit.running)
        assert used <= 1 + 1e-9
        if wanted > 1:
            assert used == pytest.approx(1.0)
        else:
            assert all(batch.rate == 1 for batch in unit.running)
        for batch in unit.running:
            done[batch.key] += elapsed_s * batch.rate

    ends = drive(FluidUnit(capped), given_jobs, watch)
    for key, (start_s, solo_s, _) in enumerate(given_jobs):
        assert done[key] == pytest.approx(solo_s, rel=1e-9)
        assert ends[key] >= start_s + solo_s * (1 - 1e-12)


@given(given_jobs=jobs(), exponent=st.integers(-60, 60))
def test_scaling_time_by_a_power_of_two_scales_every_end(given_jobs, exponent):
    factor = 2.0**exponent
    scaled = [(start * factor, solo * factor, phases) for start, solo, phases in given_jobs]
    one = drive(FluidUnit(capped), given_jobs, lambda *_: None)
    other = drive(FluidUnit(capped), scaled, lambda *_: None)
    assert other == {key: end * factor for key, end in one.items()}


@st.composite
def any_profiles(draw):
    """A profile of three models with the parameters of every fluid model."""
    names, share = "abc", st.floats(0.0, 1.0)
    profile = make_profile({name: {1: 0.01, 8: 0.03} for name in names})
    features = {name: {1: draw(st.builds(Features, share, share, share))} for name in names}
    models = {name: replace(model, features=features[name]) for name, model in profile.observable.models.items()}
    phase = st.builds(ResourcePhase, st.just(0.5), share, share, share, share, st.floats(1e3, 1e8), st.floats(0.0, 1.0))
    coefficient = st.floats(-1.0, 2.0)
    slope = st.floats(0.0, 1.0)
    igniter = st.builds(
        IgniterModel,
        st.tuples(slope, st.floats(1.0, 200.0), slope, slope, st.floats(0.1, 3.0)),
        st.integers(0, 100),
        slope,
        st.floats(0.0, 0.01),
        slope,
        st.floats(0.0, 3.0),
        slope,
        st.floats(0.0, 40.0),
    )
    gpu = IgniterGpu(1530.0, draw(st.floats(100.0, 400.0)), 50.0, draw(st.floats(-2.0, 0.0)), 0.005, -0.009)
    return replace(
        profile,
        device=Device("GPU", memory_bandwidth_bytes_per_s=300e9, l2_bytes=4 << 20),
        observable=replace(profile.observable, models=models),
        pairs=tuple(Pair(one, 1, other, 1, draw(st.floats(0.9, 5.0))) for one in names for other in names),
        truth=Truth(
            sharing={name: {1: Sharing(draw(st.floats(0.05, 1.0)), draw(st.floats(0.1, 10.0)))} for name in names},
            roofline={name: {1: (draw(phase), draw(phase))} for name in names},
            gpulet=GpuletFit(*[draw(coefficient) for _ in range(5)]),
            igniter=Igniter(gpu, {name: draw(igniter) for name in names}),
        ),
    )


FLUID = ("streams", "roofline", "pairwise", "pairwise(combine=max)", "gpulet", "igniter", "processor-sharing")


def active_loads(model, batches):
    phases = [(model.work(name, size), which) for name, size, which in batches]
    return [work[which % len(work)].load for work, which in phases]


batch_lists = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([1, 4, 8]), st.integers(0, 1)), min_size=1, max_size=6
)


@pytest.mark.parametrize("text", FLUID)
@settings(max_examples=settings.default.max_examples // 5)
@given(profile=any_profiles(), batches=batch_lists, data=st.data())
def test_rates_of_every_fluid_model(text, profile, batches, data):
    """Within (0, 1], 1 alone, and to the last bit whatever the order of batches."""
    model = execution_model(text, profile.for_hardware(), 4)
    active = active_loads(model, batches)
    rates = list(model.rates(active))
    assert all(0 < rate <= 1 for rate in rates)
    assert list(model.rates(active[:1])) == [1.0]
    order = data.draw(st.permutations(range(len(active))))
    assert list(model.rates([active[i] for i in order])) == [rates[i] for i in order]


@pytest.mark.parametrize("text", [name for name in FLUID if name != "roofline"])
@settings(max_examples=settings.default.max_examples // 5)
@given(profile=any_profiles(), batches=batch_lists)
def test_company_helps_nobody(text, profile, batches):
    """Except under `roofline`, where a newcomer that stops one rival at one resource relieves another of it."""
    model = execution_model(text, profile.for_hardware(), 4)
    active = active_loads(model, batches)
    for few, more in zip(model.rates(active[:-1] or active), model.rates(active), strict=False):
        assert more <= few * (1 + 1e-9)


SLOTS = 8


@st.composite
def block_jobs(draw):
    """(start, solo time, kernels, level), sorted by start; times and shares are exact in binary."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        blocks = draw(st.lists(st.integers(1, 30), min_size=1, max_size=4))
        kernels = tuple(Kernel(count, 0.25 / ceil(count / SLOTS)) for count in blocks)
        start_s = draw(st.integers(0, 64)) / 16
        found.append((start_s, draw(st.sampled_from([0.5, 1.0, 4.0])), kernels, draw(st.integers(0, 1))))
    return sorted(found, key=lambda job: job[0])


@given(given_jobs=block_jobs())
def test_slots_are_never_exceeded_and_never_idle_while_blocks_wait(given_jobs):
    """Slot time is conserved too: every block occupies one slot for its duration."""
    busy_s = 0.0

    def watch(unit, elapsed_s):
        nonlocal busy_s
        at_work = sum(batch.at_work for batch in unit.running)
        assert at_work <= SLOTS
        if elapsed_s > 0 and any(batch.waiting for batch in unit.running):
            assert at_work == SLOTS
        busy_s += at_work * (elapsed_s if at_work else 0.0)

    ends = drive(BlockUnit(SLOTS), given_jobs, watch)
    wanted_s = sum(kernel.blocks * kernel.block_share * solo_s for _, solo_s, work, _ in given_jobs for kernel in work)
    assert busy_s == pytest.approx(wanted_s)
    for key, (start_s, solo_s, kernels, _) in enumerate(given_jobs):
        alone_s = solo_s * sum(kernel.block_share * ceil(kernel.blocks / SLOTS) for kernel in kernels)
        assert ends[key] >= (start_s + alone_s) * (1 - 1e-12)


@given(given_jobs=block_jobs())
def test_the_most_urgent_waits_for_blocks_that_run_only(given_jobs):
    """One high-priority batch ends as if all others were gone after the longest block that any of them has."""
    jobs = [(start_s, solo_s, kernels, 1) for start_s, solo_s, kernels, _ in given_jobs]
    start_s, solo_s, kernels, _ = jobs[-1]
    jobs[-1] = (start_s, solo_s, kernels, 0)
    longest_s = max((solo * kernel.block_share for _, solo, work, _ in jobs[:-1] for kernel in work), default=0.0)
    end_s = drive(BlockUnit(SLOTS), jobs, lambda *_: None)[len(jobs) - 1]
    alone_s = solo_s * sum(kernel.block_share * ceil(kernel.blocks / SLOTS) for kernel in kernels)
    # Each of its kernels may leave slots that others fill with a block that it must wait for.
    assert end_s <= start_s + alone_s + longest_s * len(kernels) + 1e-9
