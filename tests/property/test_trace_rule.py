"""What completing a trace promises, whatever the trace and the rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.model.profile import SCHEMA_VERSION, Device, Link, Observable, ObservableModel, Pcie, Profile, Provenance
from stratsim.model.request import Priority
from stratsim.trace import Names, Trace
from stratsim.trace.rule import complete, saturation_rate
from stratsim.trace.spec import ModelRule, PriorityRule, SloRule, WorkloadRule
from stratsim.trace.workload import to_trace

MODELS = ("a", "b", "c")


def make_profile():
    link = Link(1e-5, 1e9)
    models = {
        name: ObservableModel({1: 0.01 * (n + 1)}, 1000 * (n + 1), 10, aliases=(f"{name}-alias",))
        for n, name in enumerate(MODELS)
    }
    origin = {"observable": Provenance("synthetic", "this test"), "truth": Provenance("synthetic", "this test")}
    return Profile(SCHEMA_VERSION, "three", Device("none"), origin, Observable(Pcie(link, link), models))


PROFILE = make_profile()
SCHEDULER = PROFILE.for_scheduler()


def fill(trace, rule=None, **options):
    return complete(trace, SCHEDULER, rule, resolve=PROFILE.resolve, **options)


@st.composite
def traces(draw, named=True):
    n = draw(st.integers(2, 30))
    gaps = draw(st.lists(st.floats(0.001, 10), min_size=n, max_size=n))
    model = draw(st.lists(st.sampled_from([*MODELS, "a-alias"]), min_size=n, max_size=n))
    given_models = named and draw(st.booleans())
    slo = draw(st.none() | st.lists(st.floats(0.001, 5) | st.just(np.inf), min_size=n, max_size=n))
    return Trace(
        arrival_s=np.cumsum(gaps),
        normalised=draw(st.booleans()),
        model=Names.encode(model) if given_models else None,
        slo_s=None if slo is None else np.asarray(slo),
        extra={"kind": Names.encode(model), "tokens": np.asarray(gaps)},
    )


rules = st.builds(
    WorkloadRule,
    models=st.sampled_from(
        [
            ModelRule(),
            ModelRule(mix={"a": 1, "c": 3}),
            ModelRule(column="kind", round_robin=["b", "c"]),
            ModelRule(column="tokens", edges=[1, 5], names=["a", "b", "c"]),
        ]
    ),
    priority=st.sampled_from(
        [PriorityRule(), PriorityRule(high_share=0.5), PriorityRule(column="tokens", high_from=2)]
    ),
    slo=st.sampled_from([None, SloRule(none=True), SloRule(high_ms=5), SloRule(low_x_solo=2)]),
    compress=st.sampled_from([1.0, 4.0]),
)


@given(trace=traces(), rule=rules, seed=st.integers(0, 2**31))
def test_nothing_is_left_open(trace, rule, seed):
    workload = fill(trace, rule, seed=seed)
    n = len(trace)
    for name in ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client"):
        assert len(getattr(workload, name)) == n
    assert (np.diff(workload.arrival_s) >= 0).all()
    assert (workload.deadline_s >= workload.arrival_s).all()
    assert not np.isnan(workload.deadline_s).any()
    assert set(workload.model.tolist()) <= {0, 1, 2}
    assert set(workload.priority.tolist()) <= set(map(int, Priority))
    assert (workload.bytes_in == 1000 * (workload.model + 1)).all()


@given(trace=traces(), rule=rules, seed=st.integers(0, 2**31))
def test_equal_input_gives_equal_workloads(trace, rule, seed):
    one, two = fill(trace, rule, seed=seed), fill(trace, rule, seed=seed)
    for name in ("arrival_s", "model", "priority", "deadline_s"):
        assert getattr(one, name).tolist() == getattr(two, name).tolist()
    assert one.notes == two.notes


@given(trace=traces(), rule=rules, load=st.floats(0.05, 2), gpus=st.integers(1, 8))
def test_the_load_is_the_one_that_was_asked_for(trace, rule, load, gpus):
    workload = fill(trace, rule, load=load, gpus=gpus)
    rate = (len(workload) - 1) / (workload.arrival_s[-1] - workload.arrival_s[0])
    if trace.model is not None or rule.models.column is not None:
        counts = np.bincount(workload.model, minlength=3)
        shares = {name: float(count) for name, count in zip(MODELS, counts, strict=True) if count}
    else:
        shares = rule.models.mix or dict.fromkeys(MODELS, 1.0)
    assert rate / saturation_rate(SCHEDULER, shares, gpus) == pytest.approx(load)


@given(trace=traces(), scale=st.floats(0.1, 10))
def test_the_rate_scale_changes_times_only(trace, scale):
    plain, scaled = fill(trace), fill(trace, rate_scale=scale)
    assert scaled.arrival_s == pytest.approx(plain.arrival_s / scale)
    assert scaled.model.tolist() == plain.model.tolist()
    assert scaled.priority.tolist() == plain.priority.tolist()
    finite = np.isfinite(plain.deadline_s)
    slack = (plain.deadline_s - plain.arrival_s)[finite]
    assert (scaled.deadline_s - scaled.arrival_s)[finite] == pytest.approx(slack, abs=1e-9)


@given(trace=traces(), rule=rules, seed=st.integers(0, 2**31))
def test_a_completed_trace_completes_to_itself(trace, rule, seed):
    first = fill(trace, rule, seed=seed)
    again = fill(to_trace(first), seed=seed + 1)
    for name in ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client"):
        assert getattr(again, name).tolist() == getattr(first, name).tolist()
    assert not any("filled" in note for note in again.notes[len(first.notes) :])


@given(trace=traces(named=False), count=st.integers(1, 29), seed=st.integers(0, 2**31))
def test_a_limit_keeps_the_draws(trace, count, seed):
    whole, part = fill(trace, seed=seed), fill(trace, seed=seed, limit=count)
    kept = min(count, len(trace))
    assert part.model.tolist() == whole.model[:kept].tolist()
    assert part.priority.tolist() == whole.priority[:kept].tolist()


@given(
    models=st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=20), others=st.lists(st.booleans(), max_size=30)
)
def test_requests_of_another_model_move_no_draw(models, others):
    """Requests for `c`, put in anywhere, leave the classes of all the others as they were."""
    mixed, kept = [], []
    queue = list(models)
    for other in [*others, *[False] * len(models)]:
        if other:
            mixed.append("c")
        elif queue:
            kept.append(len(mixed))
            mixed.append(queue.pop(0))

    def classes(names):
        return fill(Trace(arrival_s=np.arange(len(names), dtype=float), model=Names.encode(names))).priority

    assert classes(mixed)[kept].tolist() == classes(models).tolist()
