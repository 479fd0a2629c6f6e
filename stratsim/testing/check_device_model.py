"""The conformance suite that every device model, ours and a user's, must pass.

    from stratsim.testing import check_device_model
    check_device_model(MyModel)

Each check is a function of its own, so that a test runner can parametrise over `DEVICE_MODEL_CHECKS`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from stratsim.device.execution.base import PreemptableModel
from stratsim.device.execution.checked import CheckedUnit
from stratsim.errors import SimulationError
from stratsim.model.profile import Sharing
from stratsim.testing.build import make_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.device import ExecutionModel
    from stratsim.model.profile import HardwareProfile, Profile

    Factory = Callable[[HardwareProfile, int], ExecutionModel]
    Job = tuple[float, float, Any]
    """When a batch starts, its solo time, and its work."""

__all__ = ["DEVICE_MODEL_CHECKS", "check_device_model"]

_RTOL = 1e-9
_ONE_KERNEL = 0.01
"""Share of a batch's time by which it may change with the time of day: where two kernels want the same place at the
same time, rounding decides which is first, and that moves a batch by a kernel."""
_SLOTS = 3


def _default_profile() -> Profile:
    return make_profile(
        {"small": {1: 0.002, 4: 0.004}, "large": {1: 0.010, 4: 0.030}},
        sharing={"small": Sharing(0.4, 1.0), "large": Sharing(0.9, 3.0)},
        kernels={"small": 20, "large": 50},
    )


def check_device_model(
    factory: Callable[[HardwareProfile, int], ExecutionModel], profile: Profile | None = None
) -> None:
    """Run all checks.

    Args:
        factory: The class of the model, or a function that returns a new model for a profile and a number of slots.
        profile: What it takes its parameters from; by default a small one with sharing and kernels.

    Raises:
        AssertionError: says which check failed, and what was expected.
        ProfileError: the profile lacks what the model needs.
    """
    hardware = (profile or _default_profile()).for_hardware()
    for check in DEVICE_MODEL_CHECKS:
        try:
            check(factory, hardware)
        except SimulationError as error:
            raise AssertionError(str(error)) from error


def check_protocol(factory: Factory, hardware: HardwareProfile) -> None:
    """The model says what it is, gives the same work on every call, and a new idle unit on every call."""
    model = factory(hardware, _SLOTS)
    _expect(bool(model.name), "`name` must be a text")
    most = model.max_concurrency
    _expect(most is None or (type(most) is int and most >= 1), f"`max_concurrency` must be None or >= 1, got {most!r}")
    _expect(type(model.heeds_copies) is bool, f"`heeds_copies` must be true or false, got {model.heeds_copies!r}")
    for name in hardware.models:
        _expect(model.work(name, 1) is model.work(name, 1), "`work` must return the same object on every call")
    unit = model.unit()
    _expect(model.unit() is not unit, "`unit` must return a new unit on every call")
    _expect(len(unit) == 0 and unit.next_s == inf, "a new unit must be idle: nothing executes, and next_s is inf")


def check_alone(factory: Factory, hardware: HardwareProfile) -> None:
    """Alone a batch takes its solo time, whatever its model, its size, its variation and its start."""
    for start_s in (0.0, 1.7, 1e5):
        for job in _jobs(factory(hardware, 1), hardware):
            solo_s = job[1]
            (end_s,) = _ends(factory(hardware, 1), [(start_s, solo_s, job[2])])
            close = abs(end_s - start_s - solo_s) <= _RTOL * (solo_s + start_s)
            _expect(close, f"alone a batch of {solo_s} s took {end_s - start_s} s")


def check_contention(factory: Factory, hardware: HardwareProfile) -> None:
    """Batches that execute at once all end, and none before its solo time: contention never makes one faster."""
    for jobs in _crowds(factory, hardware):
        for (start_s, solo_s, _), end_s in zip(jobs, _ends(factory(hardware, _SLOTS), jobs), strict=True):
            _expect(end_s - start_s >= solo_s * (1 - _RTOL), f"beside others {solo_s} s took {end_s - start_s} s")


def check_repeatable(factory: Factory, hardware: HardwareProfile) -> None:
    """Equal calls give equal ends, to the last bit: with one model, and with two."""
    model = factory(hardware, _SLOTS)
    for jobs in _crowds(factory, hardware):
        ends = [_ends(each, jobs) for each in (model, model, factory(hardware, _SLOTS))]
        _expect(ends[0] == ends[1] == ends[2], f"equal calls gave {ends}")


def check_later_is_the_same(factory: Factory, hardware: HardwareProfile) -> None:
    """The time of day does not matter: what begins 1000 s later ends 1000 s later, but for a kernel."""
    later_s = 1_000.0
    for jobs in _crowds(factory, hardware):
        now = _ends(factory(hardware, _SLOTS), jobs)
        later = _ends(factory(hardware, _SLOTS), [(start_s + later_s, *rest) for start_s, *rest in jobs])
        for (start_s, *_), end_s, later_end_s in zip(jobs, now, later, strict=True):
            took_s, moved_s = end_s - start_s, later_end_s - end_s
            same = abs(moved_s - later_s) <= _ONE_KERNEL * took_s
            _expect(same, f"what took {took_s} s ended {moved_s} s later when all began {later_s} s later")


def check_parts(factory: Factory, hardware: HardwareProfile) -> None:
    """If batches can be stopped: half of a batch takes half of its time, what is taken out ends no more."""
    model = factory(hardware, _SLOTS)
    if not isinstance(model, PreemptableModel):
        return
    for _, solo_s, work in _jobs(model, hardware):
        (end_s,) = _ends(model, [(0.0, solo_s, model.part(work, 0.5, 1.0))])
        _expect(abs(end_s - solo_s / 2) <= _RTOL * solo_s, f"half of {solo_s} s took {end_s} s")
        unit: Any = model.unit()
        unit.add(0.0, "batch", solo_s, work)
        left_s = unit.left_s(solo_s / 4, "batch")
        _expect(abs(left_s - 0.75 * solo_s) <= _RTOL * solo_s, f"after a quarter of {solo_s} s, {left_s} s are left")
        unit.hold(solo_s / 4, "batch")
        _expect(unit.next_s > 1e6 * solo_s, "a batch that is held must not end")
        unit.rework(solo_s / 2, "batch", None)
        _expect(len(unit) == 0 and unit.next_s == inf, "after `rework` with None nothing must execute")


DEVICE_MODEL_CHECKS: tuple[Callable[[Factory, HardwareProfile], None], ...] = (
    check_protocol,
    check_alone,
    check_contention,
    check_repeatable,
    check_later_is_the_same,
    check_parts,
)
"""All checks, each a function of a factory and a profile."""


def _jobs(model: ExecutionModel, hardware: HardwareProfile) -> list[Job]:
    """Return batches of every model, the smallest and the largest, with variation."""
    return [
        (0.0, factor * entry.latency_s[size], model.work(name, size))
        for name, entry in hardware.models.items()
        for size in sorted({1, len(entry.latency_s) - 1})
        for factor in (1.0, 1.03)
    ]


def _crowds(factory: Factory, hardware: HardwareProfile) -> list[list[Job]]:
    """Return sets of batches, as many as may execute at once, that start together or one after the other."""
    model = factory(hardware, _SLOTS)
    size = min(_SLOTS, model.max_concurrency or _SLOTS)
    jobs = _jobs(model, hardware)
    shortest_s = min(solo_s for _, solo_s, _ in jobs)
    crowds = [[jobs[(first + 3 * i) % len(jobs)] for i in range(size)] for first in range(len(jobs))]
    gaps_s = (0.0, 0.3 * shortest_s)
    return [[(i * gap_s, *job[1:]) for i, job in enumerate(crowd)] for crowd in crowds for gap_s in gaps_s]


def _ends(model: ExecutionModel, jobs: Sequence[Job]) -> list[float]:
    """Return when each batch ends."""
    unit = CheckedUnit(model.unit(), model.name)
    ends: dict[int, float] = {}
    for key, (start_s, solo_s, work) in enumerate(jobs):
        _advance(unit, start_s, ends)
        unit.add(start_s, key, solo_s, work)
    _advance(unit, inf, ends)
    _expect(len(ends) == len(jobs), f"{len(ends)} of {len(jobs)} batches ended")
    _expect(len(unit) == 0, f"all batches have ended, but {len(unit)} execute")
    return [ends[key] for key in range(len(jobs))]


def _advance(unit: CheckedUnit, until_s: float, ends: dict[int, float]) -> None:
    """Let the unit come to its ends before a time."""
    while unit.next_s < until_s:
        now_s = unit.next_s
        for execution in unit.complete(now_s):
            ends[execution.key] = now_s


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
