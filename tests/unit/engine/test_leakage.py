"""A policy cannot reach the truth: everything that can be reached from what it is given is walked."""

import gc
import types
from dataclasses import is_dataclass
from enum import Enum

import numpy as np
import pytest

from stratsim import simulate
from stratsim.device import LogNormal
from stratsim.model.cluster import Cluster
from stratsim.model.frozen import FrozenDict
from stratsim.model.parts import Link
from stratsim.model.profile import HardwareModel, HardwareProfile, Profile, Sharing, Truth
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, Workload
from stratsim.policy import Wake
from stratsim.policy.preempt import PreemptGated
from stratsim.policy.queueing import Edf
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile(
    {"a": {1: 0.010, 4: 0.02}, "b": 0.02},
    sharing={"a": Sharing(0.8, 3.0)},
    bytes_in=1_000_000,
    bytes_out=1_000_000,
    h2d=Link(1e-5, 1e9),
    d2h=Link(1e-5, 1e9),
    noise_cv=0.1,
)
SECRET = (HardwareProfile, HardwareModel, Truth, Sharing, Profile, Workload)
# What every object refers to through its class or its code says nothing of the run.
OPAQUE = (type, types.ModuleType, types.BuiltinFunctionType, types.CodeType)


def reachable(*roots):
    """Yield every object that can be reached; of a function its closure and defaults, but not its globals."""
    seen, todo = {}, list(roots)
    while todo:
        value = todo.pop()
        if id(value) in seen or isinstance(value, OPAQUE):
            continue
        seen[id(value)] = value
        yield value
        if isinstance(value, types.FunctionType):
            todo += [value.__closure__, value.__defaults__, value.__kwdefaults__]
        else:
            todo += gc.get_referents(value)


def hidden(value):
    module = type(value).__module__
    return module.startswith(("stratsim.device", "stratsim.engine", "simpy")) or isinstance(value, SECRET)


class Spy(Edf):
    """Walks all that it is given, at every call."""

    wakes = frozenset({*Wake})

    def __init__(self):
        super().__init__(max_batch=4)
        self.kinds = set()
        self.hidden = []

    def look(self, *given):
        for value in reachable(*given):
            self.kinds.add(type(value).__name__)
            if hidden(value):
                self.hidden.append(value)

    def prepare(self, setting):
        super().prepare(setting)
        self.look(setting)

    def on_arrival(self, request, view):
        super().on_arrival(request, view)
        self.look(request, view)

    def on_done(self, batch, view):
        self.look(batch, view)

    def decide(self, view):
        self.look(view)
        for decision in super().decide(view):
            yield decision
            self.look(view)


@pytest.mark.parametrize("uplink", [None, 1e9])
def test_nothing_given_to_a_policy_leads_to_the_device_or_the_engine(uplink):
    client = ClosedLoopClient("x", "b", Priority.HIGH, 10, 10, limit=3)
    rows = [(0.002 * i, "ab"[i % 2], "low", 1.0) for i in range(30)]
    policy = Spy()
    workload = make_workload(rows, profile=PROFILE, closed_loop=[client])
    simulate(workload, PROFILE, policy, cluster=Cluster(gpus=2, uplink_bytes_per_s=uplink))
    assert policy.hidden == []
    assert {"View", "GpuView", "InFlight", "Request", "Setting", "SchedulerProfile"} <= policy.kinds


def test_nothing_does_either_where_batches_are_stopped():
    class PreemptingSpy(Spy, PreemptGated):
        def __init__(self):
            PreemptGated.__init__(self, k=2, max_batch=1)
            self.kinds, self.hidden = set(), []

        def on_done(self, batch, view):
            PreemptGated.on_done(self, batch, view)
            self.look(batch, view)

    profile = make_profile({"a": 0.010, "b": 0.02}, kernels=10)
    rows = [(0.004 * i, "ab"[i % 2], ("low", "high")[i % 3 == 2], 1.0) for i in range(30)]
    policy = PreemptingSpy()
    result = simulate(make_workload(rows, profile=profile), profile, policy)
    assert len(result.pauses)
    assert policy.hidden == []


def test_the_walk_finds_what_is_hidden():
    """The walk itself works: through slots, closures, bound methods and containers."""
    truth = PROFILE.for_hardware()

    class Holder:
        __slots__ = ("inside",)

        def method(self):
            return None

    holder = Holder()
    holder.inside = [{"deep": (lambda: truth)}]
    for root in (holder, holder.method, {1: holder}):
        assert any(value is truth for value in reachable(root))


def test_the_view_is_read_only():
    class Writer(Edf):
        def decide(self, view):
            for target, name in ((view, "now_s"), (view, "waiting"), (view.gpus[0], "free_places")):
                with pytest.raises(AttributeError):
                    setattr(target, name, 0)
            with pytest.raises(AttributeError):
                view.note = "mine"
            with pytest.raises(TypeError):
                view.gpus[0] = None
            yield from super().decide(view)

    result = simulate(make_workload([(0.0, "a")], profile=PROFILE), PROFILE, Writer())
    assert len(result.batches) == 1


def test_a_policy_cannot_draw_the_devices_noise():
    class Peeking(Edf):
        def prepare(self, setting):
            super().prepare(setting)
            self.drawn = LogNormal(0.1).factors(setting.streams.get("noise", "a"), 5)

    policy = Peeking(max_batch=1)
    workload = make_workload([(float(i), "a") for i in range(5)], profile=PROFILE)
    result = simulate(workload, PROFILE, policy)
    assert not np.allclose(result.batches.solo_s, 0.010 * policy.drawn)


def test_without_transfers_a_policy_believes_in_free_copies():
    class Looking(Edf):
        def prepare(self, setting):
            super().prepare(setting)
            self.seen = setting.profile.end_to_end_s("a"), setting.profile.latency_s("a")

    seen = []
    for transfers in (True, False):
        policy = Looking()
        workload = make_workload([(0.0, "a")], profile=PROFILE)
        simulate(workload, PROFILE, policy, cluster=Cluster(transfers=transfers))
        seen.append(policy.seen)
    assert seen[0][0] == pytest.approx(0.01202)
    assert seen[1] == (0.010, 0.010)


def changeable(value):
    """Whether somebody could change the object in place; a frozen dict and a frozen dataclass refuse."""
    frozen = isinstance(value, FrozenDict) or (
        is_dataclass(value) and value.__dataclass_params__.frozen and not hasattr(value, "__dict__")
    )
    harmless = isinstance(value, int | float | str | bytes | tuple | frozenset | Enum | types.NoneType)
    return not frozen and not harmless


def test_belief_and_truth_share_no_object_that_can_be_changed():
    """Both are kept between runs: whoever could change a shared object would speak to the other side."""
    profile = make_profile({"a": {1: 0.010, 4: 0.02}}, sharing={"a": Sharing(0.8, 3.0)}, kernels=10)
    belief = {id(value) for value in reachable(profile.for_scheduler())}
    shared = [value for value in reachable(profile.for_hardware()) if id(value) in belief]
    assert shared  # kernel statistics, for one
    assert not [value for value in shared if changeable(value)]
