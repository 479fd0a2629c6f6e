"""Moves inputs, outputs and weights between the host and the GPUs, where the end of a copy is an event.

An event is scheduled only if something depends on it. On links that nobody shares the end of a copy is known when it is
submitted: there inputs come this way only if some requests have none, or wait for weights, and outputs only if somebody
waits for them. On links that copies share everything does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.device import Direction, Fabric
from stratsim.engine.clock import Alarm, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.device import PrivateLinks
    from stratsim.engine.clock import Clock, Fired
    from stratsim.engine.gpu import Gpu
    from stratsim.engine.weights import Loader
    from stratsim.policy.view import InFlight, Log

    Arrive = Callable[[Gpu, Any, float, float], bool]
    """Called with the GPU, what was copied, and the copy's start and end; returns whether policies are to be asked."""

__all__ = ["Copies", "Work"]

_H2D, _D2H = Direction
Work = tuple[int, float, Any, int]
"""A dispatched batch as the device knows it: id, solo time, what it brings to the execution model, priority."""


class Copies:
    """The copies of one run.

    Args:
        clock: The clock.
        links: What copies run over; None if they take no time.
        log: Takes the times of copies.
        finish: Called with a batch whose outputs are on the host, and the start and end of that copy.
        wakes_on_input: Whether the policy wants to know of inputs that are on the GPU.
        wakes_on_reply: Whether the policy wants to know of outputs that are on the host.
    """

    __slots__ = (
        "_alarm",
        "_clock",
        "_fabric",
        "_finish",
        "_gpus",
        "_log",
        "_rates",
        "_wakes_on_input",
        "_wakes_on_reply",
        "loaders",
    )

    def __init__(
        self,
        clock: Clock,
        links: PrivateLinks | Fabric[Any] | None,
        log: Log,
        finish: Callable[[InFlight, float, float], None],
        *,
        wakes_on_input: bool,
        wakes_on_reply: bool,
    ) -> None:
        self._clock = clock
        self._log = log
        self._finish = finish
        self._wakes_on_input = wakes_on_input
        self._wakes_on_reply = wakes_on_reply
        self._fabric = links if isinstance(links, Fabric) else None
        self._alarm = Alarm(clock, Order.DEVICE, self._on_fabric)
        self._gpus: Sequence[Gpu] = ()
        self._rates: list[float] | None = None
        self.loaders: Sequence[Loader] = ()
        """By GPU; empty if the weights of all models are always there."""

    def attach(self, gpus: Sequence[Gpu], loaders: Sequence[Loader], *, tell_rates: bool) -> None:
        """Say where copies go.

        Args:
            gpus: By id.
            loaders: By GPU; empty if the weights of all models are always there.
            tell_rates: Whether GPUs want to know how fast copies move bytes in their memory.
        """
        self._gpus = gpus
        self.loaders = loaders
        self._rates = [0.0] * len(gpus) if tell_rates else None

    def detach(self) -> None:
        """Forget everything that refers back to the run."""
        self.attach((), (), tell_rates=False)
        del self._alarm, self._finish

    # From and to batches

    def copy_in(self, gpu: Gpu, work: Work, model: str, size_bytes: int, now_s: float) -> None:
        """Copy a dispatched batch's inputs in, after its model's weights if they are not there."""
        if self.loaders:
            self.loaders[gpu.view.id].copy_in(work, model, size_bytes, now_s)
        else:
            self.send_input(gpu, work, model, size_bytes, now_s)

    def send_input(self, gpu: Gpu, work: Work, model: str, size_bytes: int, now_s: float) -> None:
        """Copy a batch's inputs in; what is behind `copy_in`."""
        there = self.send(gpu, _H2D, size_bytes, now_s, self._input_there, (work, model))
        if there and self._wakes_on_input:
            Alarm(self._clock, Order.DEVICE, lambda _: True).arm(now_s)

    def copy_out(self, gpu: Gpu, batch: InFlight, now_s: float) -> None:
        """Copy an executed batch's outputs out."""
        size_bytes = sum([request.bytes_out for request in batch.requests])
        self.send(gpu, _D2H, size_bytes, now_s, self._output_there, batch)

    def _input_there(self, gpu: Gpu, item: tuple[Work, str], start_s: float, now_s: float) -> bool:
        work, model = item
        self._log.copy_in_start_s[work[0]] = start_s
        self._log.copy_in_end_s[work[0]] = now_s
        if self.loaders:
            self.loaders[gpu.view.id].input_there(work, model, now_s)
        else:
            gpu.ready(now_s, *work)
        return self._wakes_on_input

    def _output_there(self, _gpu: Gpu, batch: InFlight, start_s: float, now_s: float) -> bool:
        self._finish(batch, start_s, now_s)
        return self._wakes_on_reply

    # Over the links

    def send(self, gpu: Gpu, direction: Direction, size_bytes: int, now_s: float, arrive: Arrive, item: Any) -> bool:
        """Copy, and call `arrive` at the end; return whether that was at once."""
        if self._fabric is not None and size_bytes:
            self._fabric.submit(now_s, gpu.view.id, direction, size_bytes, (arrive, item))
            self._follow(now_s)
            return False
        engine = gpu.copy_in if direction is _H2D else gpu.copy_out
        start_s, end_s = engine.submit(now_s, size_bytes)
        if direction is _H2D and end_s <= now_s:
            arrive(gpu, item, now_s, now_s)
            return True
        order = Order.DEVICE if direction is _H2D else Order.REPLY
        Alarm(self._clock, order, self._on_end, (arrive, gpu, item, start_s)).arm(end_s)
        return False

    def _on_end(self, event: Fired) -> bool:
        arrive, gpu, item, start_s = event.owner
        announce: bool = arrive(gpu, item, start_s, self._clock._now)
        return announce

    def _on_fabric(self, _event: Fired) -> bool:
        assert self._fabric is not None  # noqa: S101 (nobody else arms the alarm)
        now_s = self._clock._now
        announce = False
        for copy in self._fabric.complete(now_s):
            arrive, item = copy.key
            announce |= arrive(self._gpus[copy.gpu], item, copy.start_s, now_s)
        self._follow(now_s)
        return announce

    def _follow(self, now_s: float) -> None:
        """Something changed on the links: take note of what comes next, and tell the GPUs if they want to know."""
        assert self._fabric is not None  # noqa: S101 (called where there is one)
        self._alarm.arm(self._fabric.next_s)
        if self._rates is None:
            return
        for gpu, told in zip(self._gpus, self._rates, strict=True):
            rate = self._fabric.bytes_per_s(gpu.view.id)
            if rate != told:
                self._rates[gpu.view.id] = rate
                gpu.copying(now_s, rate)
