"""Our own JSON format for clients that wait for replies, with or without other requests beside them.

    {"format": "stratsim-clients", "version": 1,
     "clients": [{"id": "batch-0", "model": "bert", "priority": "low", "think_s": 0.01, "limit": 1000}],
     "one_at_a_time": [{"id": "camera", "stop_s": 60}],
     "requests": {"arrival_s": [0.0, 0.5], "model": ["vgg19", "vgg19"], "client": ["camera", "camera"]}}

Of a closed-loop client `id` and an end (`stop_s` or `limit`) are required; the workload rule fills the rest. Without
`slo_s` the rule gives the deadline; `"deadline": false` says that this client has none, `"deadlines": false` at the top
that nobody has one and that the default rule invents none.

`one_at_a_time` names those clients of `requests` that have one request outstanding at most
(`stratsim.model.workload.OneAtATimeClient`); `after` lists models of clients that start before them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from stratsim.errors import TraceError
from stratsim.model.request import Priority
from stratsim.trace.flat import flat
from stratsim.trace.registry import reader
from stratsim.trace.schema import ClientSpec, OneAtATimeSpec, Trace
from stratsim.trace.tables.json import ColumnsTable

if TYPE_CHECKING:
    from stratsim.trace.source import Source

__all__ = ["FORMAT", "VERSION", "ClientsFile", "client_entry", "one_at_a_time_entry", "read"]

FORMAT = "stratsim-clients"
"""What the key `format` says."""
VERSION = 1
"""The version that this stratsim reads and writes."""

_NonNegative = Annotated[float, msgspec.Meta(ge=0)]
_Bytes = Annotated[int, msgspec.Meta(ge=0)]


class _Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    id: str
    model: str | None = None
    priority: str | None = None
    slo_s: _NonNegative | None = None
    deadline: bool = True
    think_s: _NonNegative | None = None
    start_s: _NonNegative = 0.0
    stop_s: _NonNegative | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    bytes_in: _Bytes | None = None
    bytes_out: _Bytes | None = None

    def __post_init__(self) -> None:
        if self.priority is not None and self.priority.strip().lower() not in {"high", "low"}:
            raise ValueError(f"unknown priority {self.priority!r}, must be high or low")
        if self.slo_s is not None and not self.deadline:
            raise ValueError(f"client {self.id!r} has slo_s and deadline = false: they exclude each other")
        if self.stop_s is None and self.limit is None:
            raise ValueError(f"client {self.id!r} never ends: give stop_s or limit")
        if self.stop_s is not None and self.stop_s <= self.start_s:
            raise ValueError(f"client {self.id!r} stops at {self.stop_s} s, before it starts at {self.start_s} s")


class _OneAtATime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    id: str
    stop_s: _NonNegative | None = None
    after: list[str] = []


class ClientsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file as a whole; columns of `requests` are those of our other formats."""

    format: str
    version: int
    clients: list[_Client] = []
    one_at_a_time: list[_OneAtATime] = []
    deadlines: bool = True
    requests: dict[str, list[Any]] = {}

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format must be {FORMAT!r}, got {self.format!r}")
        ids = [*(client.id for client in self.clients), *(client.id for client in self.one_at_a_time)]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"client id {name!r} occurs twice")
        if len({len(column) for column in self.requests.values()}) > 1:
            raise ValueError("columns of requests differ in length")
        if not self.clients and not self.requests:
            raise ValueError("has neither clients nor requests")
        senders = list(self.requests.get("client", ()))
        for client in self.one_at_a_time:
            if client.id not in senders:
                raise ValueError(f"one_at_a_time: no request is of client {client.id!r}")


def _is_ours(source: Source) -> bool:
    document = source.document or {}
    return bytes(document.get("format", b"")) == msgspec.json.encode(FORMAT) or "clients" in document


@reader("stratsim's clients that wait for replies, JSON", own=True, keys=("format", "version"), unit="seconds",
        recognised=f"`format` is `{FORMAT}`", check=_is_ours)  # fmt: skip
def read(source: Source) -> Trace:
    """Read a stratsim-clients file; the row of a request is its position in the columns, from 1."""
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    try:
        version = msgspec.json.decode(data, type=dict[str, Any]).get("version")
        if version != VERSION:
            raise source.error(f"is written in version {version!r} of {FORMAT}, this stratsim reads version {VERSION}")
        content = msgspec.json.decode(data, type=ClientsFile)
    except msgspec.DecodeError as error:
        raise source.error(f"is not a {FORMAT} file: {error}") from None
    trace = _requests(source, content) if content.requests else Trace(np.empty(0), source=source.file)
    if (content.clients or content.one_at_a_time) and trace.normalised:
        message = "clients that wait for replies need arrivals in seconds"
        raise TraceError(message, file=source.file, column="arrival_norm")
    return replace(
        trace,
        closed_loop=tuple(_spec(client) for client in content.clients),
        one_at_a_time=tuple(_one_at_a_time(client) for client in content.one_at_a_time),
        deadline_free=not content.deadlines or trace.deadline_free,
        notes=(*trace.notes, *waiting_notes(bool(content.clients), bool(content.one_at_a_time))),
    )


def waiting_notes(closed_loop: bool, one_at_a_time: bool) -> tuple[str, ...]:
    """Return a note that says which clients wait for replies."""
    kinds = {"closed-loop clients": closed_loop, "clients that send one request at a time": one_at_a_time}
    found = [kind for kind, there in kinds.items() if there]
    return (f"{' and '.join(found)}: how many requests arrive depends on the policy",) if found else ()


def _requests(source: Source, content: ClientsFile) -> Trace:
    return flat(source, ColumnsTable.of_values(source, content.requests))


def _spec(client: _Client) -> ClientSpec:
    return ClientSpec(
        id=client.id,
        model=client.model,
        priority=None if client.priority is None else Priority[client.priority.strip().upper()],
        slo_s=client.slo_s if client.deadline else math.inf,
        think_s=client.think_s,
        start_s=client.start_s,
        stop_s=math.inf if client.stop_s is None else client.stop_s,
        limit=client.limit,
        bytes_in=client.bytes_in,
        bytes_out=client.bytes_out,
    )


def _one_at_a_time(client: _OneAtATime) -> OneAtATimeSpec:
    return OneAtATimeSpec(client.id, math.inf if client.stop_s is None else client.stop_s, tuple(client.after))


def one_at_a_time_entry(spec: OneAtATimeSpec) -> _OneAtATime:
    """Return a client that sends one request at a time as the file holds it."""
    return _OneAtATime(spec.id, spec.stop_s if math.isfinite(spec.stop_s) else None, list(spec.after))


def client_entry(spec: ClientSpec) -> _Client:
    """Return a client as the file holds it."""
    finite = spec.slo_s is not None and math.isfinite(spec.slo_s)
    return _Client(
        id=spec.id,
        model=spec.model,
        priority=None if spec.priority is None else Priority(spec.priority).label,
        slo_s=spec.slo_s if finite else None,
        deadline=spec.slo_s is None or finite,
        think_s=spec.think_s,
        start_s=spec.start_s,
        stop_s=spec.stop_s if math.isfinite(spec.stop_s) else None,
        limit=spec.limit,
        bytes_in=spec.bytes_in,
        bytes_out=spec.bytes_out,
    )
