"""How running work is stopped: what a mechanism costs, as a pure function of how far the work has got.

The mechanism is software of the host, so it belongs to a policy (its attribute `preemption`), not to a profile. Work is
measured in seconds of solo execution. The kernels of a batch are taken as equally long: the profile gives their number,
and their mean is the batch's solo time over that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import floor, inf
from typing import NamedTuple

from stratsim.errors import SpecError
from stratsim.model.tolerance import TIME_RTOL

__all__ = ["AtBoundary", "ContextSwitch", "Gated", "Preemption", "Reset", "Stop", "Throttled"]


class Stop(NamedTuple):
    """What it takes to stop a batch. All times in seconds.

    Args:
        drain_s: Solo work that it still does: it slows others and is slowed by them. May exceed what it has left.
        latency_s: Until the GPU is free of it after that. It slows others until then, but what it does does not count.
        lost_s: Of the work done, what it will have to do again.
    """

    drain_s: float
    latency_s: float
    lost_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption(ABC):
    """A mechanism.

    Args:
        overhead: Share by which whatever can be preempted takes longer, disturbed or not (synchronisation, flags in the
            code). Source: XSched (OSDI 2025) reports < 3.4 % for launch gating, < 1 % with k > 10.
    """

    overhead: float = 0.0

    def __post_init__(self) -> None:
        _not_negative("overhead", self.overhead)

    @property
    def needs_kernels(self) -> bool:
        """Whether the profile must say how many kernels a batch has."""
        return True

    @property
    def holds_slot(self) -> bool:
        """Whether a batch keeps its execution slot until it has stopped."""
        return True

    def step_s(self, kernel_s: float) -> float:  # noqa: ARG002 (for mechanisms that count kernels)
        """Return the solo work between two points that `stop` counts from; 0 if it does not count work done.

        The work done is told to `stop` as a whole number of steps wherever the clock cannot tell it from one.

        Args:
            kernel_s: Solo time of one kernel of the batch.
        """
        return 0.0

    @property
    def halts(self) -> bool:
        """Whether a batch makes no progress from the moment on at which it is to stop, instead of draining first."""
        return False

    @abstractmethod
    def stop(self, done_s: float, solo_s: float, kernel_s: float, draw: float) -> Stop:
        """Return what it takes to stop a batch.

        Args:
            done_s: Solo work done so far.
            solo_s: All of its solo work.
            kernel_s: Solo time of one of its kernels.
            draw: Uniform in [0, 1), for what is random.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated(Preemption):
    """Launch gating: no more kernels are launched, the at most `k` that have been keep running.

    A gate that lets `k` kernels through and waits for the middle one of them has between k/2 and k in flight in steady
    state, so what is left to run is uniform between k/2 and k kernels.

    Source: XSched (OSDI 2025), level 1; XpuOS/xsched, preempt/src/xqueue/launch_worker.cpp: k = 16, a synchronisation
    every 8 commands, no waiting for what is in flight (`sync` off).

    Args:
        k: Kernels in flight at most, >= 1.
        sync: Whether others wait until those have ended; else they start at once, co-located with them.
    """

    k: int = 16
    sync: bool = False

    def __post_init__(self) -> None:
        Preemption.__post_init__(self)
        if type(self.k) is not int or self.k < 1:
            raise SpecError(f"k must be a whole number, at least 1, got {self.k!r}")
        if type(self.sync) is not bool:
            raise SpecError(f"sync must be true or false, got {self.sync!r}")

    @property
    def holds_slot(self) -> bool:
        """Whether others wait for the kernels in flight."""
        return self.sync

    def stop(self, done_s: float, solo_s: float, kernel_s: float, draw: float) -> Stop:  # noqa: ARG002
        """Return a drain of k/2 to k kernels."""
        return Stop((1.0 + draw) / 2 * self.k * kernel_s, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled(Preemption):
    """Launching by duration: kernels are launched until their durations exceed a limit, then all of them must end.

    What is in flight is uniform between nothing and all that is launched at once; others do not wait for it.

    Source: Orion (EuroSys 2024), eth-easl/orion, src/scheduler/scheduler_eval.cpp.

    Args:
        most_s: The limit, solo time; the kernel that exceeds it is still launched.
    """

    most_s: float = 160e-6

    def __post_init__(self) -> None:
        Preemption.__post_init__(self)
        _not_negative("most_s", self.most_s)

    @property
    def holds_slot(self) -> bool:
        """Others do not wait."""
        return False

    def launched(self, kernel_s: float) -> int:
        """Return how many kernels of that length are launched at once."""
        return floor(self.most_s / kernel_s * (1.0 + TIME_RTOL)) + 1

    def stop(self, done_s: float, solo_s: float, kernel_s: float, draw: float) -> Stop:  # noqa: ARG002
        """Return a drain of none to all of the kernels launched at once."""
        return Stop(draw * self.launched(kernel_s) * kernel_s, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtBoundary(Preemption):
    """The running kernel ends, or the running blocks of it: nothing is lost.

    Source: XSched (OSDI 2025), level 2; FLEP (ASPLOS 2017) and EffiSha (PPoPP 2017) for blocks. REEF's baseline that
    waits does the kernel that it leaves again.

    Args:
        share: Share of a kernel between two points at which it can be left, within (0, 1]; 1: it cannot be left.
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        Preemption.__post_init__(self)
        if not 0 < self.share <= 1:
            raise SpecError(f"share must lie in (0, 1], got {self.share!r}")

    def step_s(self, kernel_s: float) -> float:
        """Return the length of a block."""
        return kernel_s * self.share

    def stop(self, done_s: float, solo_s: float, kernel_s: float, draw: float) -> Stop:  # noqa: ARG002
        """Return a drain up to the next boundary; none if one is just there."""
        step_s = self.step_s(kernel_s)
        begun_s = _into(done_s, step_s, solo_s)
        return Stop(step_s - begun_s if begun_s else 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Preemption):
    """The running kernel is killed after a constant time, and starts anew later (kernels must be idempotent).

    Source: REEF (OSDI 2022), reset-based preemption; XSched (OSDI 2025), level 3: 32 us on a GV100.

    Args:
        latency_s: Until the GPU is free.
        cap: Further kernels, already done, that have to be redone, >= 0; None: all, the batch starts from nothing.
    """

    latency_s: float = 32e-6
    cap: int | None = 0

    def __post_init__(self) -> None:
        Preemption.__post_init__(self)
        _not_negative("latency_s", self.latency_s)
        if self.cap is not None and (type(self.cap) is not int or self.cap < 0):
            raise SpecError(f"cap must be a whole number, at least 0, got {self.cap!r}")

    @property
    def halts(self) -> bool:
        """The GPU stops it as it stands."""
        return True

    @property
    def needs_kernels(self) -> bool:
        """Not if everything is lost."""
        return self.cap is not None

    def step_s(self, kernel_s: float) -> float:
        """Return the length of a kernel, unless everything is lost."""
        return kernel_s if self.needs_kernels else 0.0

    def stop(self, done_s: float, solo_s: float, kernel_s: float, draw: float) -> Stop:  # noqa: ARG002
        """Return the latency, and the work that is lost."""
        if self.cap is None:
            return Stop(0.0, self.latency_s, done_s)
        return Stop(0.0, self.latency_s, min(done_s, _into(done_s, kernel_s, solo_s) + self.cap * kernel_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSwitch(Preemption):
    """The GPU saves the state after a constant time: nothing is lost. With latency 0 the ideal.

    Source: GPreempt (ATC 2025): at most 40 us, from its abstract.

    Args:
        latency_s: Until the GPU is free.
    """

    latency_s: float = 40e-6

    def __post_init__(self) -> None:
        Preemption.__post_init__(self)
        _not_negative("latency_s", self.latency_s)

    @property
    def halts(self) -> bool:
        """The GPU stops it as it stands."""
        return True

    @property
    def needs_kernels(self) -> bool:
        """It needs none."""
        return False

    def stop(self, done_s: float, solo_s: float, kernel_s: float, draw: float) -> Stop:  # noqa: ARG002
        """Return the latency."""
        return Stop(0.0, self.latency_s, 0.0)


def _into(done_s: float, step_s: float, solo_s: float) -> float:
    """Return how far the work has got into the present step; 0 at a boundary, within rounding."""
    into_s = done_s - floor(done_s / step_s) * step_s
    close_s = TIME_RTOL * solo_s
    return 0.0 if into_s <= close_s or into_s >= step_s - close_s else into_s


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < inf:
        raise SpecError(f"{name} must be >= 0 and finite, got {value!r}")
