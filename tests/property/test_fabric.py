"""What holds for every mix of copies: no byte is lost, no link exceeded, no engine idle while a copy waits."""

from collections import Counter
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.device import Direction, Fabric, PrivateLinks, network
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link, Pcie
from stratsim.model.topology import Branch, Branches, Topology, Trunk
from stratsim.model.truth import Transfers

GPUS = 3
capacities = st.one_of(st.none(), st.floats(1e8, 4e9))
trunks = st.builds(Trunk, capacities, both_bytes_per_s=capacities)


@st.composite
def trees(draw):
    """Three GPUs, two switches that may hang one under the other."""
    switches = {
        "A": Branch(draw(capacities), both_bytes_per_s=draw(capacities)),
        "B": Branch(draw(capacities), under=draw(st.sampled_from([None, "A"]))),
    }
    places = [draw(st.sampled_from([None, "A", "B"])) for _ in range(GPUS)]
    gpus = tuple(Branches(draw(st.floats(1e8, 4e9)), under=place) for place in places)
    return Topology(root=draw(trunks), switches=switches, gpus=gpus, h2d_share=draw(st.sampled_from([None, 0.0, 0.3])))


engines = st.builds(
    Transfers,
    engines=st.sampled_from([0, 1, 2]),
    chunk_bytes=st.sampled_from([None, 10**6, 10**8]),
    duplex=st.sampled_from([1.0, 0.7]),
)
fifo = st.builds(Transfers, duplex=st.sampled_from([1.0, 0.7]))
copies = st.lists(
    st.tuples(st.floats(0.0, 5.0), st.integers(0, GPUS - 1), st.sampled_from(Direction), st.integers(1, 10**9)),
    min_size=1,
    max_size=10,
).map(sorted)


def machine(tree, transfers, alpha=0.0, factor=1.0):
    """A fabric; `factor` multiplies all its times."""
    link = Link(alpha * factor, 1e9 / factor)
    return Fabric(
        network(Cluster(gpus=GPUS, topology=scaled(tree, 1 / factor)), Pcie(link, link), transfers), transfers
    )


def scaled(tree, factor):
    """The same tree with all capacities multiplied."""

    def times(trunk):
        names = ("bytes_per_s", "h2d_bytes_per_s", "d2h_bytes_per_s", "both_bytes_per_s")
        return {name: value and value * factor for name in names for value in [getattr(trunk, name)]}

    return Topology(
        root=Trunk(**times(tree.root)),
        switches={name: Branch(**times(switch), under=switch.under) for name, switch in tree.switches.items()},
        gpus=tuple(Branches(**times(gpu), under=gpu.under) for gpu in tree.gpus),
        h2d_share=tree.h2d_share,
    )


def drive(fabric, todo, watch=lambda fabric, elapsed_s, unfinished: None):
    """Return (start, end) by number; call `watch` for every stretch between two changes."""
    todo = list(enumerate(todo))
    times, unfinished, now_s = {}, set(), 0.0
    while todo or fabric.next_s < inf:
        at_s = min(todo[0][1][0] if todo else inf, fabric.next_s)
        watch(fabric, at_s - now_s, unfinished)
        now_s = at_s
        if at_s == fabric.next_s:
            for copy in fabric.complete(at_s):
                times[copy.key] = (copy.start_s, at_s)
                unfinished.remove(copy.key)
        else:
            key, (_, gpu, direction, size) = todo.pop(0)
            fabric.submit(at_s, gpu, direction, size, key)
            unfinished.add(key)
    return times


@given(tree=trees(), transfers=engines, alpha=st.sampled_from([0.0, 0.01]), todo=copies)
def test_every_byte_is_moved_once(tree, transfers, alpha, todo):
    """The integral of a copy's rate is its size; it starts after it was submitted, and takes alpha at least."""
    moved = dict.fromkeys(range(len(todo)), 0.0)

    def watch(fabric, elapsed_s, unfinished):
        for copy, rate in fabric.rates():
            moved[copy.key] += rate * elapsed_s

    times = drive(machine(tree, transfers, alpha), todo, watch)
    assert sorted(times) == list(range(len(todo)))
    for key, (at_s, _, _, size) in enumerate(todo):
        start_s, end_s = times[key]
        assert at_s <= start_s
        assert end_s >= (start_s + alpha) * (1 - 1e-12)
        assert moved[key] == pytest.approx(size, rel=1e-9, abs=1e-3)


@given(tree=trees(), transfers=engines, todo=copies)
def test_no_link_is_exceeded_and_every_copy_has_a_full_one(tree, transfers, todo):
    """Work conserving: an engine that is busy could not be faster, whatever the others do."""
    made = network(Cluster(gpus=GPUS, topology=tree), Pcie(Link(0.0, 1e9), Link(0.0, 1e9)), transfers)

    def watch(fabric, elapsed_s, unfinished):
        load = [0.0] * len(made.capacity)
        for copy, rate in fabric.rates():
            for link in made.paths[copy.gpu][copy.direction]:
                load[link] += rate
        assert all(used <= limit * (1 + 1e-9) for used, limit in zip(load, made.capacity, strict=True))
        for copy, _ in fabric.rates():
            way = made.paths[copy.gpu][copy.direction]
            assert any(load[link] >= made.capacity[link] * (1 - 1e-9) for link in way)

    drive(machine(tree, transfers), todo, watch)


@given(tree=trees(), transfers=engines, todo=copies)
def test_no_engine_is_idle_while_a_copy_waits_for_it(tree, transfers, todo):
    def lane(gpu, direction):
        return gpu, direction if transfers.engines else 0

    def watch(fabric, elapsed_s, unfinished):
        if elapsed_s:
            busy = Counter(lane(copy.gpu, copy.direction) for copy, _ in fabric.rates())
            there = Counter(lane(todo[key][1], todo[key][2]) for key in unfinished)
            assert busy == {where: min(count, max(transfers.engines, 1)) for where, count in there.items()}

    drive(machine(tree, transfers), todo, watch)


@given(tree=trees(), transfers=fifo, alpha=st.sampled_from([0.0, 0.01]), todo=copies)
def test_first_in_first_out_per_engine(tree, transfers, alpha, todo):
    times = drive(machine(tree, transfers, alpha), todo)
    lanes = {}
    for key, (_, gpu, direction, _) in enumerate(todo):
        start_s, end_s = times[key]
        assert start_s >= lanes.get((gpu, direction), 0.0)
        lanes[gpu, direction] = end_s


@given(tree=trees(), transfers=engines, alpha=st.sampled_from([0.0, 0.25]), todo=copies, exponent=st.integers(-20, 20))
def test_scaling_time_by_a_power_of_two_scales_every_end(tree, transfers, alpha, todo, exponent):
    factor = 2.0**exponent
    one = drive(machine(tree, transfers, alpha), todo)
    later = [(at_s * factor, *rest) for at_s, *rest in todo]
    other = drive(machine(tree, transfers, alpha, factor), later)
    assert other == {key: (start_s * factor, end_s * factor) for key, (start_s, end_s) in one.items()}


@given(tree=trees(), transfers=fifo, todo=copies)
def test_doubling_bytes_and_rates_changes_nothing(tree, transfers, todo):
    double = [(at_s, gpu, direction, 2 * size) for at_s, gpu, direction, size in todo]
    link = Link(0.0, 2e9)
    wide = Fabric(network(Cluster(gpus=GPUS, topology=scaled(tree, 2.0)), Pcie(link, link), transfers), transfers)
    assert drive(wide, double) == drive(machine(tree, transfers), todo)


@given(tree=trees(), transfers=fifo, sizes=st.lists(st.integers(1, 10**9), min_size=6, max_size=6), data=st.data())
def test_the_order_of_submission_at_one_instant_matters_to_engines_only(tree, transfers, sizes, data):
    """One copy per engine, all at 0: whoever is submitted first gains nothing."""
    todo = [(0.0, lane // 2, Direction(lane % 2), size) for lane, size in enumerate(sizes)]
    order = data.draw(st.permutations(range(6)))
    straight = drive(machine(tree, transfers), todo)
    shuffled = drive(machine(tree, transfers), [todo[lane] for lane in order])
    for place, lane in enumerate(order):
        assert shuffled[place] == pytest.approx(straight[lane], rel=1e-9)


@given(todo=copies, alpha=st.sampled_from([0.0, 0.01]), uplink=st.floats(1e8, 2.9e9))
def test_behind_one_uplink_an_earlier_end_of_all_needs_more_capacity(todo, alpha, uplink):
    """All GPUs alike behind one link: with a wider one the last copy of a direction ends no later."""
    link = Pcie(Link(alpha, 1e9), Link(alpha, 1e9))

    def ends(capacity):
        cluster = Cluster(gpus=GPUS, uplink_bytes_per_s=capacity)
        return drive(Fabric(network(cluster, link, Transfers())), todo)

    narrow, wide = ends(uplink), ends(2 * uplink)
    for direction in Direction:
        rows = [key for key, copy in enumerate(todo) if copy[2] is direction]
        moved = sum(todo[key][3] for key in rows)
        if rows:
            last = max(narrow[key][1] for key in rows)
            assert max(wide[key][1] for key in rows) <= last * (1 + 1e-9)
            assert last >= (min(todo[key][0] for key in rows) + moved / uplink) * (1 - 1e-12)


@given(todo=copies, alpha=st.sampled_from([0.0, 0.01]))
def test_links_that_nobody_shares_are_private_links(todo, alpha):
    pair = (Link(alpha, 1e9), Link(alpha, 1e9))
    cluster = Cluster(gpus=GPUS)
    times = drive(Fabric(network(cluster, Pcie(*pair), Transfers())), todo)
    private = PrivateLinks([pair] * GPUS)
    for key, (at_s, gpu, direction, size) in enumerate(todo):
        assert times[key] == pytest.approx(private.submit(at_s, gpu, direction, size), rel=1e-9)
