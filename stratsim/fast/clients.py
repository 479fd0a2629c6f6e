"""Clients that wait for replies, asked by kernels when they send: those of the reference engine.

Requests are not known before the run. They are entered here, in columns that grow no further than there is room.
"""

from __future__ import annotations

from array import array
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.arrivals import ClosedLoopState, OneAtATimeState, open_loop
from stratsim.engine.clients import client_notes
from stratsim.fast import codes
from stratsim.model.workload import Workload
from stratsim.policy.native import stream_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stratsim.engine.arrivals import NoiseFactors, Sender
    from stratsim.fast.attempts import Attempts
    from stratsim.fast.compiled import Ints, Reals
    from stratsim.model.rejection import Rejection
    from stratsim.model.request import Request

__all__ = ["Arrived", "Clients"]

_COLUMNS = {
    "arrival_s": "d",
    "model": "i",
    "priority": "b",
    "deadline_s": "d",
    "bytes_in": "i",
    "bytes_out": "i",
    "factor": "d",
    "client": "i",
}


class Arrived:
    """The requests of a run in which clients wait, as they arrive.

    Args:
        workload: Has the names of models, and what clients ask for.
        noise: Draws for each request as it arrives.
        rows: How many there is room for.
    """

    def __init__(self, workload: Workload, noise: NoiseFactors, rows: int) -> None:
        self._models = workload.models
        self._model = {name: code for code, name in enumerate(workload.models)}
        self._noise = noise
        self._client: dict[str, int] = {}
        self._columns: dict[str, Any] = {
            name: array(kind, bytes(array(kind).itemsize * rows)) for name, kind in _COLUMNS.items()
        }
        self.rows = rows

    def column(self, name: str) -> NDArray[Any]:
        """Return a column with all the room, read-only; it fills up."""
        column = self._columns[name]
        found = np.frombuffer(column, column.typecode)
        found.flags.writeable = False
        return found

    def enter(self, row: int, request: Request) -> None:
        """Enter a request."""
        self._noise.arrived(request)
        columns = self._columns
        columns["arrival_s"][row], columns["deadline_s"][row] = request.arrival_s, request.deadline_s
        columns["model"][row], columns["priority"][row] = self._model[request.model], request.priority
        columns["bytes_in"][row], columns["bytes_out"][row] = request.bytes_in, request.bytes_out
        columns["factor"][row] = self._noise.factors[-1]
        name = request.client
        columns["client"][row] = -1 if name is None else self._client.setdefault(name, len(self._client))

    def workload(self, rows: int) -> Workload:
        """Return the first rows."""
        made: dict[str, Any] = {name: self.column(name)[:rows] for name in _COLUMNS if name != "factor"}
        for name in ("bytes_in", "bytes_out"):
            made[name] = made[name].astype(np.int64)
        return Workload(models=self._models, client_names=tuple(self._client), **made)


class Clients:
    """The clients of a run, and what they are asked.

    Args:
        workload: Who they are, and the rows of the trace.
        rejection: How they take it that a request is dropped.
        arrived: Takes the requests that are sent.
        ints: Takes numbers for an answer.
        reals: Takes times for an answer.
        attempts: Which requests are sent again; None: none is.
    """

    def __init__(
        self,
        workload: Workload,
        rejection: Rejection,
        arrived: Arrived,
        ints: Ints,
        reals: Reals,
        attempts: Attempts | None = None,
    ) -> None:
        closed = [ClosedLoopState(spec) for spec in workload.closed_loop]
        self._held = [OneAtATimeState(spec) for spec in workload.one_at_a_time]
        self._senders: list[Sender] = [*closed, *self._held]
        self._number = {client.id: number for number, client in enumerate(self._held, len(closed))}
        """Of those that send one request at a time, whose requests the trace has."""
        self._rows = open_loop(workload)
        self._rejection, self._arrived, self._attempts = rejection, arrived, attempts
        self._ints, self._reals = ints, reals
        self._asked_by: dict[int, int] = {}
        """Who waits for the reply to a request."""
        self._rejections = 0
        self._streams: dict[str, int] = {}

    @property
    def answers(self) -> dict[int, Callable[[int], None]]:
        """What answers each question."""
        return ({} if self._attempts is None else self._attempts.answers) | {
            codes.OF_FIRST: self._first,
            codes.OF_DUE: self._due,
            codes.OF_CLIENT: self._send,
            codes.OF_REPLY: self._reply,
            codes.OF_DROP: self._drop,
        }

    @property
    def notes(self) -> list[str]:
        """What they did that the user should know."""
        return client_notes(self._rejections, self._rejection, self._held)

    def _first(self, number: int) -> None:
        client = self._senders[number]
        self._sends(client.first_s if isinstance(client, ClosedLoopState) else inf)

    def _due(self, rows: int) -> None:
        for _, request in islice(self._rows, rows):
            number = None if request.client is None else self._number.get(request.client)
            client = None if number is None else self._senders[number]
            if not isinstance(client, OneAtATimeState) or client.due(request):
                row = int(self._ints[codes.ARRIVED])
                self._enter(row, request._replace(id=row), number)

    def _send(self, number: int) -> None:
        self._ints[codes.TO_COME] -= 1
        row = int(self._ints[codes.ARRIVED])
        self._enter(row, self._senders[number].send(row, float(self._reals[codes.NOW_S])), number)

    def _enter(self, row: int, request: Request, number: int | None) -> None:
        if row == self._arrived.rows:
            self._ints[codes.STATUS] = codes.CROWDED
            return
        if number is not None:
            self._asked_by[row] = number
            self._ints[codes.TO_COME] += 1
        if self._attempts is not None:
            self._attempts.sent_s[row] = request.arrival_s
        self._arrived.enter(row, request)
        if self._ints[codes.NATIVE]:
            own = self._streams.setdefault(stream_of(request), len(self._streams))
            self._ints[self._ints[codes.OWN_AT] + row] = own
        self._ints[codes.ARRIVED] = row + 1

    def _reply(self, row: int) -> None:
        number = self._asked_by.pop(row, None)
        self._ints[codes.FOUND] = codes.NOBODY if number is None else number
        if number is not None:
            self._ints[codes.TO_COME] -= 1
            self._sends(self._senders[number].replied(float(self._reals[codes.NOW_S])))

    def _sends(self, at_s: float) -> None:
        """A client is to send at a time; infinity: never."""
        self._reals[codes.SENDS_S] = at_s
        self._ints[codes.TO_COME] += at_s < inf

    def _drop(self, row: int) -> None:
        number = self._asked_by.get(row)
        if number is not None:
            self._rejections += 1
            if self._attempts is None or not self._attempts.again(row, self._senders[number].stop_s):
                self._ints[codes.FOUND] = number
        elif self._attempts is not None:
            self._attempts.drop(row)
        else:
            self._ints[codes.FOUND] = codes.NOBODY
