"""Completing a trace for a profile: what is filled, with what, and what is left alone."""

import math

import numpy as np
import pytest

from stratsim.errors import SpecError, TraceError
from stratsim.model.request import Priority
from stratsim.trace import ClientSpec, Names, Trace, read_trace
from stratsim.trace.rule import complete, saturation_rate
from stratsim.trace.spec import ModelRule, ModelSloRule, PriorityRule, SloRule, WorkloadRule

# End-to-end solo latencies of the profile in conftest.py, seconds.
FAST, SLOW = 0.0115, 0.0325


@pytest.fixture
def fill(profile):
    def _fill(trace, rule=None, **options):
        return complete(trace, profile.for_scheduler(), rule, resolve=profile.resolve, **options)

    return _fill


def bare(n, **columns):
    return Trace(arrival_s=np.arange(n, dtype=np.float64), **columns)


def names(workload):
    return [workload.models[code] for code in workload.model.tolist()]


def test_the_default_rule_fills_everything(fill, profile):
    workload = fill(bare(4000))
    assert workload.models == ("fast", "slow")
    assert workload.arrival_s.tolist() == list(range(4000))
    # Binomial(4000, p): four standard deviations.
    assert abs((workload.model == 0).mean() - 0.5) < 0.032
    assert abs((workload.priority == Priority.HIGH).mean() - 0.3) < 0.029
    solo = np.asarray([FAST, SLOW])[workload.model]
    factor = np.where(workload.priority == Priority.HIGH, 5, 10)
    assert np.allclose(workload.deadline_s - workload.arrival_s, factor * solo)
    assert set(zip(workload.model.tolist(), workload.bytes_in.tolist(), strict=True)) == {
        (0, 1_000_000),
        (1, 2_000_000),
    }
    assert set(workload.bytes_out.tolist()) == {500_000}
    assert set(workload.client.tolist()) == {-1}
    assert workload.notes == (
        (
            "filled by the default rule: model (all 2 of the profile, equal shares); priority (30 % high); "
            "deadline (5 x solo high, 10 x solo low); bytes (of the profile)"
        ),
    )


def test_what_the_trace_says_is_left_alone(fill):
    trace = Trace(
        arrival_s=np.asarray([0.1, 0.7]),
        model=Names.encode(["slow", "fast-imagenet"]),
        priority=np.asarray([1, 0], dtype=np.int8),
        deadline_s=np.asarray([0.3, np.inf]),
        bytes_in=np.asarray([5, 6]),
        bytes_out=np.asarray([7, 8]),
        client=Names.encode([None, "me"]),
    )
    workload = fill(trace)
    assert names(workload) == ["slow", "fast"]
    assert workload.arrival_s.tolist() == [0.1, 0.7]
    assert workload.priority.tolist() == [1, 0]
    assert workload.deadline_s.tolist() == [0.3, np.inf]
    assert workload.bytes_in.tolist() == [5, 6]
    assert workload.client.tolist() == [-1, 0]
    assert workload.client_names == ("me",)
    assert workload.notes == ()


def test_relative_deadlines_become_absolute(fill):
    workload = fill(bare(2, slo_s=np.asarray([0.25, np.inf])))
    assert workload.deadline_s.tolist() == [0.25, np.inf]


def test_a_trace_without_deadlines_by_design_gets_none(fill):
    assert np.isinf(fill(bare(5, deadline_free=True)).deadline_s).all()


def test_an_explicit_slo_rule_gives_it_some(fill):
    workload = fill(bare(5, deadline_free=True), WorkloadRule(slo=SloRule(high_s=1.0, low_s=1.0)))
    assert np.allclose(workload.deadline_s - workload.arrival_s, 1.0)


def test_an_unknown_model_is_blamed_on_its_first_row(fill, write):
    trace = read_trace(write("arrival_s,model\n0,fast\n2,slwo\n1,slow\n3,slwo\n"))
    with pytest.raises(
        TraceError, match=r"row 3, column 'model': profile 'two' has no model 'slwo'; did you mean 'slow'"
    ):
        fill(trace)


def test_saturation(profile):
    scheduler = profile.for_scheduler()
    assert saturation_rate(scheduler, {"fast": 1.0, "slow": 1.0}) == pytest.approx(1 / 0.020)
    assert saturation_rate(scheduler, {"fast": 3.0, "slow": 1.0}, gpus=2) == pytest.approx(2 / 0.015)


def test_a_shape_gets_the_default_load(fill):
    workload = fill(Trace(arrival_s=np.asarray([0.0, 0.5, 3.0]), normalised=True))
    # 0.7 / 20 ms = 35 requests/s over two gaps; the shape is kept.
    assert np.allclose(workload.arrival_s, np.asarray([0, 1 / 6, 1]) * 2 / 35)
    assert "rate (load 0.7 of the batch-1 exclusive saturation: 35 requests/s)" in workload.notes[0]


def test_load_counts_gpus_and_the_rate_scale_comes_last(fill):
    shape = Trace(arrival_s=np.asarray([0.0, 1.0, 2.0]), normalised=True)
    workload = fill(shape, gpus=4, load=0.5, rate_scale=2.0)
    assert workload.arrival_s[-1] == pytest.approx(2 / (0.5 * 4 / 0.020 * 2))


def test_load_rescales_real_time_only_if_given(fill):
    assert fill(bare(11)).arrival_s[-1] == 10
    workload = fill(bare(11), load=0.5)
    assert workload.arrival_s[-1] == pytest.approx(10 / 25)
    assert workload.notes[0].startswith("time rescaled: rate (load 0.5 ")


def test_load_is_that_of_the_models_in_the_trace(fill):
    workload = fill(bare(11, model=Names.encode(["fast"] * 11)), load=0.5)
    assert workload.arrival_s[-1] == pytest.approx(10 / 50)


def test_load_is_that_of_the_part_that_is_kept(fill):
    trace = Trace(arrival_s=np.asarray([0.0, 1.0, 2.0, 100.0]))
    workload = fill(trace, load=0.5, limit=3)
    assert len(workload) == 3
    assert workload.arrival_s.tolist() == pytest.approx([0, 0.04, 0.08])


def test_rescaled_time_moves_deadlines_with_the_arrivals(fill):
    trace = bare(3, deadline_s=np.asarray([0.5, 1.5, np.inf]))
    workload = fill(trace, rate_scale=2.0)
    assert workload.arrival_s.tolist() == [0, 0.5, 1.0]
    assert workload.deadline_s.tolist() == [0.5, 1.0, np.inf]


def test_compression(fill):
    workload = fill(bare(3), WorkloadRule(compress=10.0), rate_scale=2.0)
    assert workload.arrival_s.tolist() == pytest.approx([0, 0.05, 0.1])
    assert fill(bare(3), WorkloadRule(compress=10.0), load=0.5).arrival_s[-1] == pytest.approx(2 / 25)


@pytest.mark.parametrize(
    ("rule", "options", "note"),
    [
        # 11 requests in 10 s: 1 per second. Half the saturation of 50 per second is 25.
        ({"compress": 10.0}, {}, "time rescaled: compress 10 of the workload rule: 10 requests/s"),
        ({}, {"rate_scale": 2.0}, "time rescaled: rate scale 2: 2 requests/s"),
        (
            {"compress": 10.0},
            {"rate_scale": 2.0},
            "time rescaled: compress 10 of the workload rule, rate scale 2: 20 requests/s",
        ),
        (
            {},
            {"load": 0.5, "rate_scale": 2.0},
            "time rescaled: rate (load 0.5 of the batch-1 exclusive saturation, times rate scale 2: 50 requests/s)",
        ),
    ],
)
def test_the_note_states_the_rate_that_is_replayed(fill, rule, options, note):
    workload = fill(bare(11), WorkloadRule(**rule), **options)
    assert workload.notes[0] == note
    assert f" {10 / workload.arrival_s[-1]:g} requests/s" in note


def test_the_rate_of_a_shape_is_that_after_the_rate_scale(fill):
    workload = fill(Trace(arrival_s=np.arange(11.0), normalised=True), rate_scale=2.0)
    assert 10 / workload.arrival_s[-1] == pytest.approx(70)
    assert "rate (load 0.7 of the batch-1 exclusive saturation, times rate scale 2: 70 requests/s)" in workload.notes[0]


def test_compression_without_effect_says_so(fill):
    rule = WorkloadRule(compress=10.0)
    note = "compress 10 of the workload rule has no effect: a load sets the rate"
    assert note in fill(bare(3), rule, load=0.5).notes
    assert note in fill(Trace(arrival_s=np.arange(3.0), normalised=True), rule).notes
    assert "closed-loop clients only" in " ".join(fill(closed(ClientSpec("a", limit=1)), rule).notes)
    assert not any("no effect" in note for note in fill(bare(3), rule).notes)


def test_requests_at_one_instant_are_rescaled_without_a_rate(fill):
    notes = fill(Trace(arrival_s=np.zeros(3)), rate_scale=2.0).notes
    assert notes[0] == "time rescaled: rate scale 2"


def test_the_load_is_that_of_the_expected_mix_whatever_is_drawn(fill):
    shape = Trace(arrival_s=np.arange(5.0), normalised=True)
    one, two = fill(shape), fill(shape, seed=1)
    assert one.model.tolist() != two.model.tolist()
    assert one.arrival_s.tolist() == two.arrival_s.tolist()


UNUSED = "columns that nothing uses: "


def test_columns_that_nothing_uses_are_listed(fill, write):
    trace = read_trace(write("arrival_s,tokens,kind\n0,5,x\n1,6,y\n"))
    assert UNUSED + "tokens, kind" in fill(trace).notes
    by_kind = PriorityRule(column="kind", high_values=["x"])
    assert UNUSED + "tokens" in fill(trace, WorkloadRule(priority=by_kind)).notes
    by_tokens = ModelRule(column="tokens", edges=[6], names=["fast", "slow"])
    both = WorkloadRule(models=by_tokens, priority=by_kind)
    assert not any(note.startswith(UNUSED) for note in fill(trace, both).notes)


@pytest.mark.parametrize(
    "text",
    [
        "TIMESTAMP,ContextTokens\n2023-11-16 00:00:01,1\n2023-11-16 00:00:02,2\n",
        "request_id,policy,arrival_s,status,finish_s\n0,fifo,0.5,met,0.7\n",
        "arrival_s,model\n0,fast\n",
    ],
)
def test_known_columns_are_not_listed(fill, write, text):
    assert not any(note.startswith(UNUSED) for note in fill(read_trace(write(text))).notes)


def test_requests_at_one_instant_have_no_rate(fill):
    at_once = Trace(arrival_s=np.zeros(3))
    assert len(fill(at_once)) == 3
    with pytest.raises(TraceError, match="all requests arrive at one instant"):
        fill(at_once, load=0.5)
    assert fill(Trace(arrival_s=np.zeros(1), normalised=True)).arrival_s.tolist() == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"load": 0.0}, "load must be > 0 and finite, got 0.0"),
        ({"load": math.nan}, "load must be > 0"),
        ({"rate_scale": -1.0}, "rate scale must be > 0 and finite, got -1.0"),
        ({"rate_scale": math.inf}, "rate scale must be > 0"),
        ({"limit": 0}, "limit must be at least 1 request, got 0"),
    ],
)
def test_bad_options(fill, options, message):
    with pytest.raises(SpecError, match=message):
        fill(bare(3), **options)


def test_the_seed_decides(fill):
    one, two, other = fill(bare(50)), fill(bare(50)), fill(bare(50), seed=1)
    assert one.model.tolist() == two.model.tolist()
    assert one.priority.tolist() == two.priority.tolist()
    assert one.model.tolist() != other.model.tolist()


def test_one_more_model_moves_no_others_draws(fill):
    before = fill(bare(40, model=Names.encode(["slow"] * 40)))
    mixed = Names.encode(["slow", "fast"] * 40)
    after = fill(bare(80, model=mixed))
    assert after.priority[::2].tolist() == before.priority.tolist()
    assert after.priority[1::2].tolist() != before.priority.tolist()


def test_a_longer_trace_begins_like_a_shorter_one(fill):
    short, long = fill(bare(20)), fill(bare(60))
    assert long.model[:20].tolist() == short.model.tolist()
    assert long.priority[:20].tolist() == short.priority.tolist()


def test_a_mix_of_models(fill):
    workload = fill(bare(4000), WorkloadRule(models=ModelRule(mix={"fast-imagenet": 3, "slow": 1})), load=0.5)
    assert abs((workload.model == 0).mean() - 0.75) < 0.028
    assert workload.arrival_s[-1] == pytest.approx(3999 / (0.5 / 0.015))
    assert "model (mix of 2)" in workload.notes[-1]
    assert "workload rule" in workload.notes[-1]


def test_a_share_of_zero_never_comes(fill):
    workload = fill(bare(500), WorkloadRule(models=ModelRule(mix={"slow": 1, "fast": 0})))
    assert set(names(workload)) == {"slow"}


def test_a_mix_that_the_profile_lacks(fill):
    with pytest.raises(SpecError, match=r"workload rule, models.mix: profile 'two' has no model 'slo'; did you mean"):
        fill(bare(3), WorkloadRule(models=ModelRule(mix={"slo": 1})))


def test_models_by_bins_of_a_column(fill):
    rule = WorkloadRule(models=ModelRule(column="tokens", edges=[10, 20], names=["fast", "slow", "fast"]))
    workload = fill(bare(4, extra={"tokens": np.asarray([9, 10, 19, 20])}), rule)
    assert names(workload) == ["fast", "slow", "slow", "fast"]


def test_models_dealt_out_by_frequency(fill):
    functions = Names.encode(["a", "b", "b", "c", "c", "c"])
    rule = WorkloadRule(models=ModelRule(column="function", round_robin=["fast", "slow"]))
    workload = fill(bare(6, extra={"function": functions}), rule)
    assert names(workload) == ["fast", "slow", "slow", "fast", "fast", "fast"]  # c, b, a


def test_models_by_value(fill):
    columns = {"extra": {"kind": Names.encode(["x", "y"])}}
    rule = WorkloadRule(models=ModelRule(column="kind", values={"x": "slow", "y": "fast"}))
    assert names(fill(bare(2, **columns), rule)) == ["slow", "fast"]
    rule = WorkloadRule(models=ModelRule(column="kind", values={"x": "slow"}))
    with pytest.raises(TraceError, match=r"row 2, column 'kind': the rule models.values maps no such value"):
        fill(bare(2, **columns), rule)


def test_values_of_a_numeric_column(fill):
    rule = WorkloadRule(models=ModelRule(column="kind", values={"1": "slow", "2": "fast"}))
    assert names(fill(bare(2, extra={"kind": np.asarray([2, 1])}), rule)) == ["fast", "slow"]


@pytest.mark.parametrize(
    ("rule", "high"),
    [
        (PriorityRule(column="tokens", high_below=10), [True, False, False]),
        (PriorityRule(column="tokens", high_from=10), [False, True, True]),
        (PriorityRule(column="kind", high_values=["y"]), [False, True, False]),
        (PriorityRule(high_share=1.0), [True, True, True]),
        (PriorityRule(high_share=0.0), [False, False, False]),
    ],
)
def test_priorities_by_rule(fill, rule, high):
    extra = {"tokens": np.asarray([9, 10, 11]), "kind": Names.encode(["x", "y", "x"])}
    workload = fill(bare(3, extra=extra), WorkloadRule(priority=rule))
    assert (workload.priority == Priority.HIGH).tolist() == high


def test_a_rule_that_needs_a_column_which_is_not_there(fill):
    rule = WorkloadRule(priority=PriorityRule(column="tokns", high_below=1))
    with pytest.raises(TraceError, match=r"column 'tokns': the workload rule needs this column; did you mean 'tokens'"):
        fill(bare(1, extra={"tokens": np.asarray([1])}), rule)


def test_a_rule_that_needs_another_kind_of_column(fill):
    rule = WorkloadRule(priority=PriorityRule(column="kind", high_below=1))
    with pytest.raises(TraceError, match="row 1, column 'kind': the workload rule needs a number"):
        fill(bare(1, extra={"kind": Names.encode(["x"])}), rule)


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (np.asarray([1, np.nan]), PriorityRule(column="c", high_below=1)),
        (Names.encode(["a", None]), PriorityRule(column="c", high_values=["a"])),
    ],
)
def test_a_rule_that_meets_an_empty_cell(fill, column, rule):
    with pytest.raises(TraceError, match="row 2, column 'c': is empty"):
        fill(bare(2, extra={"c": column}), WorkloadRule(priority=rule))


def slos(fill, slo, model="fast"):
    """Return the deadlines of a high- and a low-priority request."""
    trace = bare(2, model=Names.encode([model] * 2), priority=np.asarray([0, 1], dtype=np.int8))
    workload = fill(trace, WorkloadRule(slo=slo))
    return (workload.deadline_s - workload.arrival_s).tolist()


@pytest.mark.parametrize(
    ("slo", "expected"),
    [
        (SloRule(high_s=0.5, low_s=2.0), [0.5, 2.0]),
        (SloRule(high_ms=50, low_ms=75), [0.05, 0.075]),
        (SloRule(high_x_solo=2, low_x_solo=3), [2 * FAST, 3 * FAST]),
        (SloRule(high_s=0.5), [0.5, 10 * FAST]),
        (SloRule(high_s=0.5, models={"fast": ModelSloRule(high_ms=7)}), [0.007, 10 * FAST]),
        (SloRule(high_s=0.5, models={"slow": ModelSloRule(high_ms=7)}), [0.5, 10 * FAST]),
        (SloRule(low_s=0.5, models={"fast-imagenet": ModelSloRule(high_ms=7)}), [0.007, 0.5]),
        (SloRule(none=True), [np.inf, np.inf]),
        (SloRule(bounds="mlperf"), [0.015, 0.015]),
        (SloRule(bounds="mlperf", models={"fast": ModelSloRule(low_s=1)}), [0.015, 1.0]),
    ],
)
def test_deadlines_by_rule(fill, slo, expected):
    assert slos(fill, slo) == pytest.approx(expected)


def test_mlperf_has_no_bound_for_every_model(fill):
    with pytest.raises(SpecError, match=r"no server bound for model 'slow'; it has resnet50, ssd-resnet34, bert, dlrm"):
        slos(fill, SloRule(bounds="mlperf"), "slow")


def closed(*specs, **columns):
    return Trace(arrival_s=np.empty(0), closed_loop=specs, **columns)


def test_closed_loop_clients_are_filled(fill):
    full = ClientSpec("a", "slow", Priority.HIGH, 0.5, 0.1, 1.0, 9.0, 7, 11, 12)
    workload = fill(closed(full, ClientSpec("b", limit=5), ClientSpec("c", "fast-imagenet", Priority.LOW, limit=1)))
    a, b, c = workload.closed_loop
    assert (a.model, a.priority, a.slo_s, a.think_s, a.start_s, a.stop_s, a.limit) == ("slow", 0, 0.5, 0.1, 1.0, 9.0, 7)
    assert (a.bytes_in, a.bytes_out) == (11, 12)
    assert b.model in workload.models
    assert b.slo_s == pytest.approx({0: 5, 1: 10}[b.priority] * {"fast": FAST, "slow": SLOW}[b.model])
    assert (c.model, c.slo_s, c.think_s, c.bytes_in) == ("fast", pytest.approx(10 * FAST), 0.0, 1_000_000)
    assert len(workload) == 0
    assert "deadline" in workload.notes[0]


def test_closed_loop_clients_draw_from_streams_of_their_own(fill):
    alone = fill(closed(*(ClientSpec(f"c{n}", limit=1) for n in range(10)))).closed_loop
    among = fill(closed(*(ClientSpec(f"c{n}", limit=1) for n in range(-5, 10)))).closed_loop
    assert among[5:] == alone
    assert len({(client.model, client.priority) for client in among}) > 2


def test_clients_without_deadlines_by_design(fill):
    (client,) = fill(closed(ClientSpec("a", limit=1), deadline_free=True)).closed_loop
    assert client.slo_s == math.inf


def test_think_time_by_rule(fill, tmp_path):
    from stratsim.trace.spec import ClosedLoopRule

    rule = WorkloadRule(closed_loop=ClosedLoopRule(think_ms=0.1))
    first, second = fill(closed(ClientSpec("a", limit=1), ClientSpec("b", think_s=0.0, limit=1)), rule).closed_loop
    assert (first.think_s, second.think_s) == (1e-4, 0.0)


def test_a_limit_holds_for_each_closed_loop_client(fill):
    clients = fill(closed(ClientSpec("a", stop_s=9.0), ClientSpec("b", limit=2)), limit=5).closed_loop
    assert [client.limit for client in clients] == [5, 2]


def test_load_needs_arrivals(fill):
    with pytest.raises(SpecError, match="closed-loop clients only"):
        fill(closed(ClientSpec("a", limit=1)), load=0.5)


def test_a_client_whose_model_the_profile_lacks(fill):
    with pytest.raises(TraceError, match="client 'a': profile 'two' has no model 'x'"):
        fill(closed(ClientSpec("a", "x", limit=1)))
