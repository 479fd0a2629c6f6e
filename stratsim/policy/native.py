"""No scheduler at all: every client has a stream of its own, and its requests go to the GPU as they come."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from stratsim.policy.base import Decision, Policy, Setting, Start, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.request import Request
    from stratsim.policy.view import InFlight, View

__all__ = ["Native"]


class Native(Policy):
    """Unmanaged sharing: batch 1, dispatched at once; a request waits for nothing but its own client's last one.

    Every client has one stream, and keeps at most one request on it: the next is dispatched when the outputs of the
    last are back on the host. Deadlines and classes are ignored and nothing is dropped. Requests without a client
    share a stream per model. Streams are dealt out to the GPUs in turn, in the order in which they first appear.

    The run has a slot for every stream (`slot_per_client`), so its `max_concurrency` and `prefetch` have no effect.

    Source: DISB (SJTU-IPADS/disb), which measures each client's requests one at a time; the unmanaged baseline of
    most papers on GPU sharing ("native" in XSched, OSDI 2025).
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.COPY_OUT_END})
    slot_per_client: ClassVar[bool] = True

    def prepare(self, setting: Setting) -> None:
        """Forget everything."""
        self._gpus = setting.gpus
        self._queues: dict[str, deque[Request]] = {}
        self._gpu: dict[str, int] = {}
        self._ready: list[str] = []
        """Streams that are free and have a request."""

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request behind its client's last one."""
        stream = stream_of(request)
        queue = self._queues.get(stream)
        if queue is None:
            queue = self._queues[stream] = deque()
            self._gpu[stream] = len(self._gpu) % self._gpus
        queue.append(request)
        if len(queue) == 1:
            self._ready.append(stream)

    def on_done(self, batch: InFlight, view: View) -> None:  # noqa: ARG002
        """Free the client's stream for its next request."""
        stream = stream_of(batch.requests[0])
        queue = self._queues[stream]
        queue.popleft()
        if queue:
            self._ready.append(stream)

    def decide(self, view: View) -> Iterator[Decision]:  # noqa: ARG002
        """Dispatch what heads a free stream."""
        ready, self._ready = self._ready, []
        for stream in ready:
            yield Start((self._queues[stream][0],), self._gpu[stream])


def stream_of(request: Request) -> str:
    """Return the name of the stream that a request goes to: its client's, else its model's."""
    return f"client {request.client}" if request.client is not None else f"model {request.model}"
