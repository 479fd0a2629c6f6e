"""What holds for every sharing problem."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim.solve import capped_weighted, max_min, max_min_demands

users = st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 100.0)), max_size=8)
capacities = st.floats(0.1, 1000.0)


@st.composite
def networks(draw):
    """Links, and flows over up to three of them each."""
    capacity = draw(st.lists(capacities, min_size=1, max_size=5))
    link = st.integers(0, len(capacity) - 1)
    paths = draw(st.lists(st.lists(link, min_size=1, max_size=3, unique=True), max_size=7))
    return paths, capacity


def capped(pairs):
    return capped_weighted([demand for demand, _ in pairs], [weight for _, weight in pairs])


@given(pairs=users)
def test_capped_fills_the_resource_and_no_more(pairs):
    rates = capped(pairs)
    used = sum(demand * rate for (demand, _), rate in zip(pairs, rates, strict=True))
    assert all(0 < rate <= 1 for rate in rates)
    wanted = sum(demand for demand, _ in pairs)
    if wanted <= 1:
        assert rates == [1.0] * len(pairs)
    else:
        assert used == pytest.approx(1.0, rel=1e-12)


@given(pairs=users)
def test_capped_rates_are_weights_times_one_level(pairs):
    """Below full speed all have one ratio of rate to weight; at full speed a ratio no larger."""
    rates = capped(pairs)
    levels = [rate / weight for (_, weight), rate in zip(pairs, rates, strict=True) if rate < 1]
    for level in levels:
        assert level == pytest.approx(levels[0], rel=1e-12)
        for (_, weight), rate in zip(pairs, rates, strict=True):
            assert rate < 1 or level * weight >= 1 - 1e-12


@given(pairs=users, data=st.data())
def test_capped_is_blind_to_the_order_of_users(pairs, data):
    order = data.draw(st.permutations(range(len(pairs))))
    rates = capped(pairs)
    assert capped([pairs[i] for i in order]) == [rates[i] for i in order]  # to the last bit


@given(pairs=users, one_more=st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 100.0)))
def test_capped_company_never_helps(pairs, one_more):
    for alone, together in zip(capped(pairs), capped([*pairs, one_more])[:-1], strict=True):
        assert together <= alone * (1 + 1e-12)


@given(pairs=users, exponent=st.integers(-20, 20))
def test_capped_knows_only_ratios_of_weights(pairs, exponent):
    scaled = [(demand, weight * 2.0**exponent) for demand, weight in pairs]
    assert capped(scaled) == capped(pairs)


@given(network=networks())
def test_max_min_exceeds_no_link_and_every_flow_has_a_bottleneck(network):
    """The definition: each flow crosses a full link on which nobody gets more than it does."""
    paths, capacity = network
    rates = max_min(paths, capacity)
    load = [sum(rate for path, rate in zip(paths, rates, strict=True) if link in path) for link in range(len(capacity))]
    assert all(used <= limit * (1 + 1e-9) for used, limit in zip(load, capacity, strict=True))
    for path, rate in zip(paths, rates, strict=True):
        assert rate > 0
        assert any(
            load[link] >= capacity[link] * (1 - 1e-9)
            and all(other <= rate * (1 + 1e-9) for way, other in zip(paths, rates, strict=True) if link in way)
            for link in path
        )


@given(network=networks(), data=st.data())
def test_max_min_is_blind_to_the_order_of_flows(network, data):
    paths, capacity = network
    order = data.draw(st.permutations(range(len(paths))))
    rates = max_min(paths, capacity)
    shuffled = max_min([paths[i] for i in order], capacity)
    assert shuffled == pytest.approx([rates[i] for i in order], rel=1e-9)


@given(network=networks(), data=st.data())
def test_max_min_wider_links_help_the_poorest_first(network, data):
    """With a wider link the sorted rates do not become lexicographically smaller; single rates may."""
    paths, capacity = network
    link = data.draw(st.integers(0, len(capacity) - 1))
    wider = [limit * (1.5 if i == link else 1.0) for i, limit in enumerate(capacity)]
    before, after = sorted(max_min(paths, capacity)), sorted(max_min(paths, wider))
    for poor, richer in zip(before, after, strict=True):
        if richer != pytest.approx(poor, rel=1e-9):
            assert richer > poor
            break


@given(network=networks(), exponent=st.integers(-20, 20))
def test_max_min_scales_with_the_links(network, exponent):
    paths, capacity = network
    factor = 2.0**exponent
    assert max_min(paths, [limit * factor for limit in capacity]) == [
        rate * factor for rate in max_min(paths, capacity)
    ]


@given(pairs=users, wider=st.floats(1.0, 4.0))
def test_capped_gains_from_capacity(pairs, wider):
    """A resource that is wider by a factor is one of capacity 1 with all demands divided by it."""
    relieved = [(demand / wider, weight) for demand, weight in pairs]
    for before, after in zip(capped(pairs), capped(relieved), strict=True):
        assert after >= before * (1 - 1e-12)


RESOURCES = 4
share = st.one_of(st.just(0.0), st.floats(1e-3, 1.0))
row = st.tuples(*[share] * RESOURCES)
rows = st.lists(row, max_size=8)
widths = st.tuples(*[st.floats(0.05, 1.0)] * RESOURCES)


def used(demands, rates):
    return [sum(row[j] * rate for row, rate in zip(demands, rates, strict=True)) for j in range(RESOURCES)]


@settings(max_examples=300)
@given(demands=rows, capacity=widths)
def test_demands_exceed_no_capacity_and_everyone_slowed_has_a_bottleneck(demands, capacity):
    """Max-min fairness by its definition: who is not at full speed needs a full resource where nobody is faster."""
    rates = max_min_demands(demands, capacity)
    load = used(demands, rates)
    assert all(0 < rate <= 1 for rate in rates)
    assert all(total <= limit * (1 + 1e-12) for total, limit in zip(load, capacity, strict=True))
    for own, rate in zip(demands, rates, strict=True):
        assert rate == 1 or any(
            own[j]
            and load[j] >= capacity[j] * (1 - 1e-9)
            and all(other <= rate * (1 + 1e-9) for row, other in zip(demands, rates, strict=True) if row[j])
            for j in range(RESOURCES)
        )


@given(demands=rows, capacity=widths, data=st.data())
def test_demands_are_blind_to_the_order_of_users_and_resources(demands, capacity, data):
    rates = max_min_demands(demands, capacity)
    order = data.draw(st.permutations(range(len(demands))))
    assert max_min_demands([demands[i] for i in order], capacity) == [rates[i] for i in order]  # to the last bit
    turn = data.draw(st.permutations(range(RESOURCES)))
    turned = [tuple(row[j] for j in turn) for row in demands]
    assert max_min_demands(turned, [capacity[j] for j in turn]) == pytest.approx(rates, rel=1e-9)


@given(demands=rows, capacity=widths, resource=st.integers(0, RESOURCES - 1), wider=st.floats(1.01, 4.0))
def test_demands_more_capacity_helps_the_slowest_first(demands, capacity, resource, wider):
    """The sorted rates do not become lexicographically smaller; single rates may."""
    more = [limit * (wider if j == resource else 1.0) for j, limit in enumerate(capacity)]
    before, after = sorted(max_min_demands(demands, capacity)), sorted(max_min_demands(demands, more))
    for slow, faster in zip(before, after, strict=True):
        if faster != pytest.approx(slow, rel=1e-9):
            assert faster > slow
            break


@given(demands=rows, capacity=widths, wider=st.floats(1.0, 4.0))
def test_demands_more_of_everything_slows_nobody(demands, capacity, wider):
    before = max_min_demands(demands, capacity)
    after = max_min_demands(demands, [limit * wider for limit in capacity])
    for own, rate in zip(before, after, strict=True):
        assert rate >= own * (1 - 1e-9)


@given(demands=rows, capacity=widths)
def test_demands_of_one_resource_agree_with_flows_over_one_link(demands, capacity):
    """With equal demands of 1 the two max-min solvers answer the same question, but for full speed."""
    wanted = [tuple(float(bool(part)) for part in row) for row in demands if any(row)]
    paths = [tuple(j for j in range(RESOURCES) if row[j]) for row in wanted]
    limits = [limit / 8 for limit in capacity]  # nobody gets to full speed, even alone
    assert max_min_demands(wanted, limits) == pytest.approx(max_min(paths, limits), rel=1e-9)


@given(count=st.integers(1, 40), limit=capacities)
def test_both_solvers_agree_on_equals(count, limit):
    assert max_min([(0,)] * count, [limit]) == [pytest.approx(limit / count)] * count
    assert capped([(1.0, 2.0)] * count) == [pytest.approx(1 / count)] * count


@given(weights=st.lists(st.floats(0.01, 100.0), min_size=2, max_size=6, unique=True))
def test_a_heavier_user_is_never_slower(weights):
    ordered = sorted(weights)
    rates = capped([(0.7, weight) for weight in ordered])
    assert all(light <= heavy for light, heavy in pairwise(rates))


@given(network=networks(), data=st.data())
def test_weighted_max_min_gives_every_flow_a_bottleneck_by_weight(network, data):
    """Each flow crosses a full link on which nobody gets more, per weight, than it does."""
    paths, capacity = network
    weights = data.draw(st.lists(st.floats(0.1, 10.0), min_size=len(paths), max_size=len(paths)))
    rates = max_min(paths, capacity, weights)
    levels = [rate / weight for rate, weight in zip(rates, weights, strict=True)]
    load = [sum(rate for path, rate in zip(paths, rates, strict=True) if link in path) for link in range(len(capacity))]
    assert all(used <= limit * (1 + 1e-9) for used, limit in zip(load, capacity, strict=True))
    for path, level in zip(paths, levels, strict=True):
        assert any(
            load[link] >= capacity[link] * (1 - 1e-9)
            and all(other <= level * (1 + 1e-9) for way, other in zip(paths, levels, strict=True) if link in way)
            for link in path
        )


@given(network=networks(), data=st.data())
def test_weight_0_takes_nothing_from_the_others(network, data):
    paths, capacity = network
    last = data.draw(st.lists(st.booleans(), min_size=len(paths), max_size=len(paths)))
    rates = max_min(paths, capacity, [0.0 if late else 1.0 for late in last])
    first = [path for path, late in zip(paths, last, strict=True) if not late]
    assert [rate for rate, late in zip(rates, last, strict=True) if not late] == max_min(first, capacity)


@given(network=networks())
def test_equal_weights_are_none(network):
    paths, capacity = network
    assert max_min(paths, capacity, [0.5] * len(paths)) == max_min(paths, capacity)
