"""Requests as they arrive: from the columns of a workload, and from clients that wait for replies."""

from __future__ import annotations

from array import array
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from stratsim.device.noise import of_model
from stratsim.errors import SpecError, StratsimError
from stratsim.model.request import Priority, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from stratsim.device import Noise
    from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient, Workload
    from stratsim.rng import Streams

__all__ = ["ClosedLoopState", "NoiseFactors", "OneAtATimeState", "Sender", "check_factors", "open_loop"]

_CHUNK = 512


def open_loop(
    workload: Workload, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[float, Request]]:
    """Return the workload's own requests in the order of arrival, ids from 0, each with its time of arrival.

    They are made a chunk at a time.

    Args:
        workload: The columns.
        progress: Called before each chunk with (requests given out, requests in all; 0 when that depends on replies).
    """
    return chain.from_iterable(_chunks(workload, progress))


def _chunks(
    workload: Workload, progress: Callable[[int, int], None] | None
) -> Iterator[Iterable[tuple[float, Request]]]:
    make = partial(tuple.__new__, Request)  # what Request._make does, without a Python frame per request
    # Arrays of objects, to look names up a chunk at a time; a client's index -1 is None.
    names, clients, classes = (_objects(of) for of in (workload.models, (*workload.client_names, None), Priority))
    for first in range(0, len(workload), _CHUNK):
        part = slice(first, first + _CHUNK)
        if progress is not None:
            progress(first, 0 if workload.waits_for_replies else len(workload))
        arrival_s = workload.arrival_s[part].tolist()
        rows = zip(
            range(first, min(first + _CHUNK, len(workload))),
            names[workload.model[part]].tolist(),
            classes[workload.priority[part]].tolist(),
            arrival_s,
            workload.deadline_s[part].tolist(),
            workload.bytes_in[part].tolist(),
            workload.bytes_out[part].tolist(),
            clients[workload.client[part]].tolist(),
            strict=True,
        )
        yield zip(arrival_s, map(make, rows), strict=True)


def _objects(items: Iterable[object]) -> NDArray[np.object_]:
    objects = list(items)
    array_of = np.empty(len(objects), dtype=object)
    array_of[:] = objects
    return array_of


class ClosedLoopState:
    """A closed-loop client at run time."""

    __slots__ = ("_sent", "_spec", "id", "stop_s")

    def __init__(self, spec: ClosedLoopClient) -> None:
        self.id = spec.id
        self.stop_s = spec.stop_s
        """When it ends: it sends nothing from then on."""
        self._spec = spec
        self._sent = 0

    @property
    def first_s(self) -> float:
        """When it sends its first request; `inf` for never."""
        return self._next_s(self._spec.start_s)

    def replied(self, now_s: float) -> float:
        """Return when it sends its next request, with the reply to the last in; `inf` for never."""
        return self._next_s(now_s + self._spec.think_s)

    def _next_s(self, at_s: float) -> float:
        spec = self._spec
        return at_s if at_s < spec.stop_s and (spec.limit is None or self._sent < spec.limit) else inf

    def send(self, request_id: int, now_s: float) -> Request:
        """Make its next request."""
        spec = self._spec
        self._sent += 1
        return Request(
            request_id, spec.model, spec.priority, now_s, now_s + spec.slo_s, spec.bytes_in, spec.bytes_out, spec.id
        )


class OneAtATimeState:
    """A client that sends one request at a time, at run time."""

    __slots__ = ("_held", "_overtaken", "_waits", "id", "stop_s")

    def __init__(self, spec: OneAtATimeClient) -> None:
        self.id = spec.id
        self.stop_s = spec.stop_s
        self._waits = False
        """Whether a request of its has no reply yet, or one held back is about to be sent."""
        self._held: Request | None = None
        self._overtaken = 0

    @property
    def given_up(self) -> int:
        """Requests that were not sent: overtaken, due or held back until it was too late, or still held back."""
        return self._overtaken + (self._held is not None)

    def due(self, request: Request) -> bool:
        """Return whether it sends a request that falls due now; if not, hold that back, or give it up."""
        if request.arrival_s >= self.stop_s:
            self._overtaken += 1
            return False
        if self._waits:
            self._overtaken += self._held is not None
            self._held = request
            return False
        self._waits = True
        return True

    def replied(self, now_s: float) -> float:
        """Return when it sends what is held back, with the reply to its last request in: now, or never (`inf`)."""
        if self._held is not None and now_s < self.stop_s:
            return now_s
        self._waits = False
        self._overtaken += self._held is not None
        self._held = None
        return inf

    def send(self, request_id: int, now_s: float) -> Request:
        """Return what was held back, as a request that arrives now."""
        held, self._held = self._held, None
        assert held is not None  # noqa: S101 (`replied` said so)
        deadline_s = now_s + (held.deadline_s - held.arrival_s)
        return held._replace(id=request_id, arrival_s=now_s, deadline_s=deadline_s)


Sender = ClosedLoopState | OneAtATimeState
"""A client that waits for replies."""


class NoiseFactors:
    """The factor by which each request's batch deviates from its solo time, should it lead the batch.

    Counter-based: the n-th request of a model gets the n-th draw of that model's stream, so the factor depends neither
    on the policy nor on the other models. A batch takes the factor of its earliest member.

    Args:
        workload: The requests.
        noise: How factors are distributed.
        streams: Where they are drawn from.
        drawn: By request, where they have been drawn already.
    """

    __slots__ = ("_noise", "_pending", "_streams", "factors")

    def __init__(
        self, workload: Workload, noise: Noise, streams: Streams, drawn: NDArray[np.float64] | None = None
    ) -> None:
        self._noise = noise
        self._streams = streams
        self._pending: dict[str, tuple[np.random.Generator, list[float]]] = {}
        self.factors = array("d")
        """By request id."""
        if drawn is not None:
            check_factors(drawn, "factors")
            self.factors.frombytes(drawn.tobytes())
        elif not workload.waits_for_replies:
            self.factors.frombytes(self._columns(workload).tobytes())

    def arrived(self, request: Request) -> None:
        """Draw for a request of a run whose order of arrival depends on replies."""
        generator, drawn = self._pending.get(request.model) or self._open(request.model)
        if not drawn:
            drawn.extend(reversed(self._draw(generator, 256, request.model).tolist()))
        self.factors.append(drawn.pop())

    def _open(self, model: str) -> tuple[np.random.Generator, list[float]]:
        entry: tuple[np.random.Generator, list[float]] = (self._streams.get("noise", model), [])
        self._pending[model] = entry
        return entry

    def _columns(self, workload: Workload) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        factors = np.ones(len(workload))
        for code, name in enumerate(workload.models):
            rows = np.flatnonzero(workload.model == code)
            factors[rows] = self._draw(self._streams.get("noise", name), len(rows), name)
        return factors

    def _draw(self, generator: np.random.Generator, count: int, model: str) -> NDArray[np.float64]:
        """Return factors, checked: they enter here, and a batch of NaN seconds would be lost without a word."""
        what = f"noise {type(self._noise).__name__}, model {model!r}"
        try:
            factors = np.asarray(of_model(self._noise, model).factors(generator, count), dtype=np.float64)
        except StratsimError:
            raise
        except Exception as error:
            raise SpecError(f"{what}: {type(error).__name__}: {error}") from error
        if factors.shape != (count,):
            raise SpecError(f"{what}: {count} factors are needed, in an array of that shape, got shape {factors.shape}")
        check_factors(factors, what)
        return factors


def check_factors(factors: NDArray[np.float64], what: str) -> None:
    """Raise SpecError, which says what they are, unless all factors are > 0 and finite."""
    wrong = ~((factors > 0) & np.isfinite(factors))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise SpecError(f"{what}: factors must be > 0 and finite, got {factors[first]} as number {first}")
