"""Where a machine can be cut into groups of GPUs: links that groups would share are refused."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.model.topology import Branch, Branches, Topology, Trunk, load_topology
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_workload
from tests.unit.engine.in_groups import MS, PLAIN, PROFILE, assert_same, in_groups, on_one_clock, rows

TWO_SWITCHES = Topology(
    switches={"A": Branch(bytes_per_s=1.2e9), "B": Branch(bytes_per_s=1.2e9)},
    gpus=(Branches(under="A", count=2), Branches(under="B", count=2)),
    name="two switches",
)


def test_a_switch_within_a_group_is_shared_there_and_only_there():
    """Each half, alone on a machine of its own, does the same; without its switch it would be faster."""
    quiet = replace(PROFILE, truth=replace(PROFILE.truth, noise_cv=0.0))
    table = rows(800, 900)
    one_by_one = partial(Fifo, max_batch=1, drop="never")
    cut = in_groups(make_workload(table, profile=quiet), one_by_one, profile=quiet, topology=TWO_SWITCHES)
    half = Topology(switches={"A": Branch(bytes_per_s=1.2e9)}, gpus=(Branches(under="A", count=2),))
    for group in range(2):
        part = make_workload(table[group::2], profile=quiet)
        alone = on_one_clock(part, one_by_one(), profile=quiet, gpus=2, topology=half)
        assert_same(cut.batches, alone.batches, of=cut.batches.gpu // 2 == group, but=["gpu"])
    free = in_groups(make_workload(table, profile=quiet), one_by_one, profile=quiet)
    assert free.batches.copy_in_end_s.sum() < cut.batches.copy_in_end_s.sum()


def test_gpus_keep_their_own_links():
    """The last GPU's link is ten times slower than the others'."""
    tree = Topology(gpus=(Branches(1e9, count=3), Branches(1e8)), name="uneven")
    table = [(float(at), "b") for at in range(4)]
    result = in_groups(make_workload(table, profile=PROFILE), groups=4, topology=tree)
    copied_s = result.batches.copy_in_end_s - result.batches.copy_in_start_s
    assert result.batches.gpu.tolist() == [0, 1, 2, 3]
    assert copied_s == pytest.approx([20e-6 + 0.9 * MS] * 3 + [20e-6 + 9 * MS], rel=1e-9)


def test_a_root_that_nobody_fills_does_not_matter():
    """Four links of 1 GB/s are all that could ever use it."""
    workload = make_workload(rows(50, 300), profile=PROFILE)
    tree = Topology(root=Trunk(4e9), name="wide")
    assert_same(in_groups(workload, topology=tree).batches, in_groups(workload).batches)


REFUSED = {
    "not divisible": (
        {"gpus": 6, "groups": 4},
        "6 GPUs cannot be cut into 4 equal groups",
    ),
    "more groups than GPUs": ({"gpus": 2, "groups": 4}, "2 GPUs cannot be cut into 4 equal groups"),
    "shared switch": (
        {"gpus": 8, "topology": load_topology("8x-h800")},
        "topology '8x-h800' has a link that GPUs of groups 0 and 1 share: what one copies slows the other",
    ),
    "cut through a switch": (
        {"groups": 4, "topology": TWO_SWITCHES},
        "topology 'two switches' has a link that GPUs of groups 0 and 1 share",
    ),
    "shared uplink": (
        {"uplink_bytes_per_s": 3.9e9},
        "topology 'uplink_bytes_per_s' has a link that GPUs of groups 0 and 1 share",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_groups_share_is_refused(name):
    options, message = REFUSED[name]
    with pytest.raises(SpecError) as error:
        in_groups(make_workload([(0.0, "a")], profile=PROFILE), **options)
    assert str(error.value).startswith(message)


def test_links_do_not_matter_where_nothing_is_copied():
    workload = make_workload(rows(50, 300), profile=PROFILE)
    result = in_groups(workload, uplink_bytes_per_s=1e6, transfers=False)
    assert (result.batches.copy_in_end_s == result.batches.dispatch_s).all()


@pytest.mark.parametrize("deal", ["round-robin", "model"])
@pytest.mark.parametrize(
    "clients",
    [
        {"closed_loop": [ClosedLoopClient("p", "a", Priority.LOW, 0, 0, limit=1)]},
        {"one_at_a_time": [OneAtATimeClient("p")]},
    ],
    ids=lambda clients: next(iter(clients)),
)
def test_a_client_that_waits_is_one_groups_business(clients, deal):
    workload = make_workload([(0.0, "a", "low", None, None, None, "p")], profile=PLAIN, **clients)
    with pytest.raises(SpecError, match=f"deal = '{deal}' would send .* use deal = 'client'"):
        in_groups(workload, deal=deal, profile=PLAIN)
    assert len(in_groups(workload, deal=deal, groups=1, profile=PLAIN).requests) > 0


def test_factors_are_one_per_request():
    workload = make_workload([(0.0, "a"), (1.0, "a")], profile=PLAIN)
    result = simulate(workload, PLAIN, Fifo(), factors=np.array([1.0, 2.0]))
    assert result.batches.solo_s.tolist() == [3.0, 6.0]
    with pytest.raises(SpecError, match="factors must be one per request"):
        simulate(workload, PLAIN, Fifo(), factors=np.array([1.0]))
