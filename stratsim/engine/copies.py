"""Moves inputs, outputs and weights between the host and the GPUs, where the end of a copy is an event.

An event is scheduled only if something depends on it. On links that nobody shares the end of a copy is known when it is
submitted: there inputs come this way only if some requests have none, or wait for weights, and outputs only if a client
or the policy waits for them. On links that copies share every copy does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stratsim.device import Direction, Fabric
from stratsim.engine.batch import Batch
from stratsim.engine.clock import Alarm, Order, announce
from stratsim.engine.gpu import Gpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.device import PrivateLinks
    from stratsim.engine.clock import Clock, Fired
    from stratsim.policy.state import InFlight, Log

    Arrive = Callable[[Gpu, Any, float, float], bool]
    """Called with the GPU, what was copied, and the copy's start and end; returns whether policies are to be asked."""

__all__ = ["Copies", "CopyIn"]

_H2D, _D2H = Direction

CopyIn = Callable[[Gpu, Batch, float], None]
"""Has the inputs of a dispatched batch copied to a GPU, from a time on."""


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
        "_ready",
        "_wakes_on_input",
        "_wakes_on_reply",
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
        self._ready: Callable[[Gpu, Batch, float], None] | None = None

    def attach(
        self,
        gpus: Sequence[Gpu],
        *,
        notify_rates: bool = False,
        ready: Callable[[Gpu, Batch, float], None] | None = None,
    ) -> None:
        """Say where copies go.

        Args:
            gpus: By id.
            notify_rates: Whether GPUs want to know how fast copies move bytes in their memory.
            ready: Called with a batch whose inputs are on the GPU; None: it is ready to execute.
        """
        self._gpus = gpus
        self._rates = [0.0] * len(gpus) if notify_rates else None
        self._ready = ready

    def detach(self) -> None:
        """Forget everything that refers back to the run."""
        self.attach(())
        del self._alarm, self._finish

    # From and to batches

    def copy_in(self, gpu: Gpu, batch: Batch, now_s: float) -> None:
        """Copy a dispatched batch's inputs in."""
        there = self.send(gpu, _H2D, batch.bytes_in, now_s, self._input_there, batch)
        if there and self._wakes_on_input:
            Alarm(self._clock, Order.DEVICE, announce).arm(now_s)

    def copy_out(self, gpu: Gpu, batch: InFlight, now_s: float) -> None:
        """Copy an executed batch's outputs out."""
        size_bytes = sum([request.bytes_out for request in batch.requests])
        self.send(gpu, _D2H, size_bytes, now_s, self._output_there, batch)

    def _input_there(self, gpu: Gpu, batch: Batch, start_s: float, now_s: float) -> bool:
        self._log.copy_in_start_s[batch.id] = start_s
        self._log.copy_in_end_s[batch.id] = now_s
        if self._ready is None:
            gpu.ready(now_s, batch)
        else:
            self._ready(gpu, batch, now_s)
        return self._wakes_on_input

    def _output_there(self, _gpu: Gpu, batch: InFlight, start_s: float, now_s: float) -> bool:
        self._finish(batch, start_s, now_s)
        return self._wakes_on_reply

    # Over the links

    def send(self, gpu: Gpu, direction: Direction, size_bytes: int, now_s: float, arrive: Arrive, item: Any) -> bool:
        """Copy, and call `arrive` at the end; return whether that was at once."""
        if self._fabric is not None and size_bytes:
            self._fabric.submit(now_s, gpu.state.id, direction, size_bytes, (arrive, item))
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
        asked: bool = arrive(gpu, item, start_s, self._clock._now)
        return asked

    def _on_fabric(self, _event: Fired) -> bool:
        assert self._fabric is not None  # noqa: S101 (nobody else arms the alarm)
        now_s = self._clock._now
        asked = False
        for copy in self._fabric.complete(now_s):
            arrive, item = copy.key
            asked |= arrive(self._gpus[copy.gpu], item, copy.start_s, now_s)
        self._follow(now_s)
        return asked

    def _follow(self, now_s: float) -> None:
        """Something changed on the links: take note of what comes next, and notify the GPUs if they want to know."""
        assert self._fabric is not None  # noqa: S101 (called where there is one)
        self._alarm.arm(self._fabric.next_s)
        if self._rates is None:
            return
        for gpu, known in zip(self._gpus, self._rates, strict=True):
            rate = self._fabric.bytes_per_s(gpu.state.id)
            if rate != known:
                self._rates[gpu.state.id] = rate
                gpu.copying(now_s, rate)
