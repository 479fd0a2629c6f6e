"""The host's software where it takes time: used only if the profile says so (`truth.host`).

    Start -> [dispatch_s, one after the other] -> copy-in -> slot -> [launch_s] -> execution
    execution -> [notice_s] -> the policy knows, the slot is free
    execution -> [collect_s] -> copy-out -> [notice_s] -> the policy knows

Here every step is an event, so such runs are slower; without overheads none of this is used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from itertools import accumulate, cycle, repeat
from math import exp, inf
from typing import TYPE_CHECKING, Any

from stratsim.engine.clock import Alarm, Order, announce
from stratsim.engine.copies import Copies
from stratsim.engine.gpu import Gpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.device import Execution
    from stratsim.engine.batch import Batch
    from stratsim.engine.clock import Clock, Fired
    from stratsim.engine.copies import CopyIn
    from stratsim.model.truth import Decide, Host, Speeds
    from stratsim.policy.view import InFlight
    from stratsim.rng import Streams

__all__ = ["Dispatcher", "HostedCopies", "HostedGpu", "pace", "stays", "thinking", "thoughts"]


Pace = Callable[[float], float]
"""The factor on what the host takes, at a time."""


def pace(host: Host, streams: Streams) -> Pace:
    """Return how the host's speed changes over time: 1 always, or a Markov process of two states.

    It begins in the state that it would be found in, and may be asked for times in any order.

    Args:
        host: What it takes.
        streams: Where it is drawn from.
    """
    if host.speeds is None:
        return lambda _: 1.0
    factors, ends = stays(host.speeds, streams)
    ends_s = [next(ends)]

    def at(now_s: float) -> float:
        while ends_s[-1] <= now_s:
            ends_s.append(next(ends))
        return factors[bisect_right(ends_s, now_s) % 2]

    return at


def stays(speeds: Speeds, streams: Streams) -> tuple[tuple[float, float], Iterator[float]]:
    """Return the factors of a host's first speed and of the other, and when its stays in each end, in turn.

    Args:
        speeds: The two speeds.
        streams: Where it is drawn from.
    """
    draws = streams.get("host", "speeds")
    slow = bool(draws.random() < speeds.slow_s / (speeds.fast_s + speeds.slow_s))
    factors = (speeds.slow, speeds.fast) if slow else (speeds.fast, speeds.slow)
    means_s = (speeds.slow_s, speeds.fast_s) if slow else (speeds.fast_s, speeds.slow_s)
    return factors, accumulate(float(draws.exponential(mean_s)) for mean_s in cycle(means_s))


def thinking(decide: Decide | None, streams: Streams) -> Callable[[], float]:
    """Return what draws how long a policy thinks before a dispatch, seconds."""
    return (lambda: 0.0) if decide is None else partial(next, thoughts(decide, streams))


def thoughts(decide: Decide, streams: Streams) -> Iterator[float]:
    """Return how long a policy thinks before one dispatch after the other, seconds, without end."""
    draws = streams.get("host", "decide")
    return (decide.median_s * exp(decide.sigma * float(draws.standard_normal())) for _ in repeat(None))


class Dispatcher:
    """The host's thread: takes dispatched batches one at a time, and passes them on to have their inputs copied.

    What a policy starts at one instant it has thought of at once.

    Args:
        host: What it takes.
        clock: The clock.
        copy_in: Where batches go on to.
        speed: From `pace`.
        thinks_s: From `thinking`.
    """

    __slots__ = ("_clock", "_copy_in", "_dispatch_s", "_free_s", "_speed", "_thinks_s", "_thought_s")

    def __init__(self, host: Host, clock: Clock, copy_in: CopyIn, speed: Pace, thinks_s: Callable[[], float]) -> None:
        self._dispatch_s = host.dispatch_s
        self._clock = clock
        self._copy_in = copy_in
        self._speed = speed
        self._thinks_s = thinks_s
        self._free_s = 0.0
        self._thought_s = -inf

    def copy_in(self, gpu: Gpu, batch: Batch, now_s: float) -> None:
        """Take a dispatched batch, as `Copies.copy_in` does."""
        takes_s = self._dispatch_s
        if now_s != self._thought_s:
            self._thought_s = now_s
            takes_s += self._thinks_s()
        if not takes_s:
            self._copy_in(gpu, batch, now_s)
            return
        free_s = max(self._free_s, now_s)
        self._free_s = free_s + takes_s * self._speed(free_s)
        Alarm(self._clock, Order.DEVICE, self._on_dispatched, (gpu, batch)).arm(self._free_s)

    def _on_dispatched(self, event: Fired) -> bool:
        gpu, batch = event.owner
        self._copy_in(gpu, batch, self._clock._now)
        return False


class HostedCopies(Copies):
    """The copies of a run in which the host is notified of their ends only after a while.

    Args:
        host: What it takes.
        speed: From `pace`.
        clock: The clock.
        wakes_on_input: Whether the policy wants to know of inputs that are on the GPU.
        wakes_on_reply: Whether the policy wants to know of outputs that are on the host.
        others: As for `Copies`.
    """

    __slots__ = ("_collect_s", "_notice_s", "_notifies_of_input", "_notifies_of_reply", "_speed")

    def __init__(
        self,
        host: Host,
        speed: Pace,
        clock: Clock,
        *others: Any,
        wakes_on_input: bool = False,
        wakes_on_reply: bool = False,
    ) -> None:
        super().__init__(clock, *others, wakes_on_input=False, wakes_on_reply=False)
        self._collect_s = host.collect_s
        self._speed = speed
        self._notice_s = host.notice_s
        self._notifies_of_input = wakes_on_input
        self._notifies_of_reply = wakes_on_reply

    def copy_out(self, gpu: Gpu, batch: InFlight, now_s: float) -> None:
        """Copy an executed batch's outputs out, once the host has come to it."""
        if self._collect_s:
            collected_s = now_s + self._collect_s * self._speed(now_s)
            Alarm(self._clock, Order.DEVICE, self._on_collected, (gpu, batch)).arm(collected_s)
        else:
            super().copy_out(gpu, batch, now_s)

    def _on_collected(self, event: Fired) -> bool:
        gpu, batch = event.owner
        super().copy_out(gpu, batch, self._clock._now)
        return False

    def _input_there(self, gpu: Gpu, batch: Batch, start_s: float, now_s: float) -> bool:
        super()._input_there(gpu, batch, start_s, now_s)
        if self._notifies_of_input:
            Alarm(self._clock, Order.DEVICE, announce).arm(now_s + self._notice_s)
        return False

    def _output_there(self, _gpu: Gpu, batch: InFlight, start_s: float, now_s: float) -> bool:
        Alarm(self._clock, Order.REPLY, self._on_reply, (batch, start_s, now_s)).arm(now_s + self._notice_s)
        return False

    def _on_reply(self, event: Fired) -> bool:
        self._finish(*event.owner)
        return self._notifies_of_reply


class HostedGpu(Gpu):
    """A GPU whose executions are launched by a host, and whose slots are free when that host is notified.

    Args:
        parts: As for `Gpu`.
        host: What it takes.
        speed: From `pace`.
        clock: The clock.
        notify: Called with this GPU and the batches whose end the host is notified of, each with its time; returns
            whether policies are asked.
    """

    __slots__ = ("_clock", "_launch_s", "_notice_s", "_notify", "_speed")

    def __init__(
        self,
        *parts: Any,
        host: Host,
        speed: Pace,
        clock: Clock,
        notify: Callable[[HostedGpu, Sequence[tuple[int, float]]], bool],
    ) -> None:
        super().__init__(*parts)
        self._speed = speed
        self._launch_s = host.launch_s
        self._notice_s = host.notice_s
        self._clock = clock
        self._notify = notify

    def ready(self, at_s: float, batch: Batch) -> None:
        """Take a batch whose input is there now: launch it if a slot is free."""
        self.queue.append((at_s, batch))
        self._fill(at_s)

    def launch(self, at_s: float, batch: Batch) -> None:
        """Launch a batch, which has a slot: it executes a while later."""
        if self._launch_s:
            Alarm(self._clock, Order.DEVICE, self._on_launched, batch).arm(at_s + self._launch_s * self._speed(at_s))
        else:
            self._execute(at_s, batch)

    def complete(self, now_s: float) -> Sequence[Execution[int]]:
        """Return the executions that end now; their slots are free once the host is notified."""
        ended = self.unit.complete(now_s)
        self.alarm.arm(self.unit.next_s)
        if ended:
            batches = [(execution.key, now_s) for execution in ended]
            Alarm(self._clock, Order.DEVICE, self._on_notified, batches).arm(now_s + self._notice_s)
        return ended

    def detach(self) -> None:
        """Forget everything that refers back to the run."""
        super().detach()
        del self._notify

    def _on_launched(self, event: Fired) -> bool:
        self._execute(self._clock._now, event.owner)
        return False

    def _execute(self, now_s: float, batch: Batch) -> None:
        super().launch(now_s, batch)
        self.alarm.arm(self.unit.next_s)

    def _on_notified(self, event: Fired) -> bool:
        batches: Sequence[tuple[int, float]] = event.owner
        self.free_slots += len(batches)
        self._fill(self._clock._now)
        return self._notify(self, batches)
