"""From a workload, a profile and a policy to the arrays that kernels work on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import inf, nan
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from stratsim.device import Fabric, FluidUnit
from stratsim.device.noise import profile_noise
from stratsim.engine.arrivals import NoiseFactors
from stratsim.engine.host import stays, thoughts
from stratsim.engine.layout import client_streams, lay_out
from stratsim.engine.loop import setting_of
from stratsim.fast import aware_edf, codes
from stratsim.fast.attempts import Attempts
from stratsim.fast.clients import Arrived, Clients
from stratsim.fast.coverage import ORDERS
from stratsim.fast.preempt.codes import PAUSE_ROW
from stratsim.fast.preempt.setup import add_preemption, answer_stops, room_for_pauses, shape_of
from stratsim.fast.state import Builder, Shape
from stratsim.fast.strait import mail
from stratsim.fast.strait.inside import Inside
from stratsim.fast.triton.codes import State as QueueState
from stratsim.fast.triton.setup import Queues, add_queues, largest_of
from stratsim.policy.arguments import batch_limits
from stratsim.policy.aware_edf import AwareEdf
from stratsim.policy.base import DropMode
from stratsim.policy.native import Native
from stratsim.policy.preempt import KEdf
from stratsim.policy.preempt.base import PreemptiveEdf
from stratsim.policy.strait import Strait
from stratsim.policy.triton import Triton
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from stratsim.device.execution.fluid import FluidModel
    from stratsim.engine.layout import Layout
    from stratsim.engine.options import Options
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Setting
    from stratsim.policy.queueing import QueuePolicy

    Column = NDArray[Any]

__all__ = ["Record", "Run", "set_up"]

_FIRST, _LAST = ("model", "priority", "deadline_s"), ("bytes_in", "bytes_out", "factor")
"""Columns by request, as the kernel takes them: behind when those of the trace arrive; between them is their order."""
_TYPES = {
    "arrival_s": np.float64,
    "model": np.int32,
    "priority": np.int8,
    "deadline_s": np.float64,
    "bytes_in": np.int32,
    "bytes_out": np.int32,
    "factor": np.float64,
}
"""By request; of them who is asked is told all but the last, in this order."""
_TIMERS = 64
"""That a policy sets at once, at most."""
_STAYS = 32
"""Stays of a host in one of its speeds that are known at once, at least."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a run fills in, in the order in which the kernel takes it: as long as the requests, or empty."""

    batch_of: Column
    gpu_of: Column
    dropped: Column
    dropped_s: Column
    reason: Column
    times_s: Column
    output: Column


@dataclass(frozen=True, slots=True)
class Run:
    """Everything of one run."""

    layout: Layout
    ints: NDArray[np.int64]
    reals: NDArray[np.float64]
    columns: tuple[Column, ...]
    record: Record
    unit: FluidUnit[Any]
    loads: tuple[Any, ...]
    """What batches ask of the GPU, by number."""
    stays: Iterator[float] | None = None
    """When further stays of the host in each of its speeds end, if it has two."""
    thoughts: Iterator[float] | None = None
    """How long the policy thinks, if it does."""
    arrived: Arrived | None = None
    """Requests as they arrive, if clients wait for replies."""
    clients: Clients | None = None
    """Those clients."""
    attempts: Attempts | None = None
    """Which requests are sent again after a drop, if any are."""
    inside: Inside | Queues | None = None
    """Who decides, if that is another."""
    stops: Callable[[int], None] | None = None
    """Answers with the draw that belongs to a stop of a batch, where batches are stopped."""


def set_up(
    workload: Workload,
    profile: Profile,
    policy: QueuePolicy | Native | Strait | Triton,
    options: Options,
    room: int,
    rows: int,
) -> Run:
    """Return the arrays of a run that is covered.

    Args:
        workload: As for `stratsim.engine.simulate_with`; so are the others.
        profile: Has the workload's models.
        policy: Its `prepare` is called; of `strait`, its beliefs are fitted.
        options: All else.
        room: How many events may be scheduled at once, per batch that may be in flight.
        rows: How many requests there is room for: all of the workload, or more where clients wait for replies.
    """
    layout = lay_out(workload, profile, policy, options.cluster, options.name)
    streams = Streams(options.seed)
    setting = setting_of(profile, options, layout, streams)
    rule = _rule_of(policy, setting)
    inside: Inside | Queues | None = None
    variation = options.noise or profile_noise(layout.hardware.noise_cv, layout.hardware.truth.noise_cvs)
    noise = NoiseFactors(workload, variation, streams, options.factors)
    gpus, places = setting.gpus, layout.places
    builder = Builder()
    builder.set(codes.REQUESTS, len(workload))
    builder.set(codes.ROWS, rows)
    _add_rule(builder, rule, setting, layout)
    if options.rejection.retries or workload.waits_for_replies:  # requests are not numbered as they arrive
        builder.set(codes.BY_TIME, 1)
        builder.set(codes.RETRIES, options.rejection.retries)
    loads, begins = _add_batches(builder, workload, rule, setting, layout)
    preempts = isinstance(policy, PreemptiveEdf | KEdf)
    shape = Shape(places, layout.slots)
    if isinstance(policy, PreemptiveEdf | KEdf):
        shape = shape_of(policy, places, room)
    builder.gpus(gpus, layout.slots, layout.private_links, shape)
    builder.weights(layout, workload.models, rows)
    copies = 0
    if isinstance(layout.links, Fabric):
        copies = builder.links(layout.links, rows)
    builder.memory(len(loads), shape, copies)
    ends, drawn = _add_host(builder, layout, streams, room)
    clients = len(workload.closed_loop) + len(workload.one_at_a_time)
    builder.events(room * (gpus * shape.batches + 1 + clients) + 64)
    if clients or rule.native:
        _add_replies(builder, workload, options, rows)
    if rule.native:
        _add_streams(builder, workload, rows)
    if isinstance(policy, Strait) or (isinstance(policy, AwareEdf) and policy.estimates):
        kernels = mail if isinstance(policy, Strait) else aware_edf
        inside = Inside(policy, setting, kernels.entry, kernels.decide_inside)
        builder.set(codes.LACKS_ROOM, 1)
        builder.set(codes.KNOWN_AT, builder.ints([inside.number[name] for name in workload.models]))
        _add_decisions(builder, gpus * shape.batches, rows, tells=not rule.estimates)
    elif isinstance(policy, Triton):
        _add_decisions(builder, gpus * shape.batches, rows, tells=False)
        add_queues(builder, workload, policy, gpus, rows)
    pauses = room_for_pauses(rows, room) if preempts else 0
    if isinstance(policy, PreemptiveEdf | KEdf):
        add_preemption(builder, workload, policy, layout, shape, begins, gpus, rows, pauses)
    _add_models(builder, workload, rule, rows)
    arrived = Arrived(workload, noise, rows) if clients else None
    waiting = rows if arrived is None or not rule.estimates else rows * len(workload.models)
    ints, reals = builder.made(waiting, pauses * PAUSE_ROW)
    known = _by_request(workload, np.frombuffer(noise.factors, np.float64), arrived)
    attempts = None
    if options.rejection.retries:
        sent_s = np.array(workload.arrival_s, np.float64) if arrived is None else np.zeros(rows)
        attempts = Attempts(options.rejection, known["deadline_s"], sent_s, ints, reals)
        known["arrival_s"] = _given(sent_s, np.float64)
    asked = None if arrived is None else Clients(workload, options.rejection, arrived, ints, reals, attempts)
    order_s = known["deadline_s" if rule.by_deadline else "arrival_s"]
    trace_s = _given(workload.arrival_s, np.float64)
    columns = trace_s, *map(known.__getitem__, _FIRST), order_s, *map(known.__getitem__, _LAST)
    record = _record(rows, several_gpus=gpus > 1, copies_out=layout.copies_out)
    if isinstance(policy, Triton):
        inside = Queues(QueueState(ints, reals, known["arrival_s"], *map(known.__getitem__, _FIRST)))
    if isinstance(inside, Inside):
        record.times_s[[codes.COPY_IN_END, codes.START, codes.END]] = nan  # it looks at what has not come yet
        inside.tie((ints, reals, *list(known.values())[:-1], record.times_s.reshape(-1)))
    unit = cast("FluidUnit[Any]", layout.model.unit())
    stops = answer_stops(streams, ints, reals) if preempts else None
    return Run(layout, ints, reals, columns, record, unit, loads, ends, drawn, arrived, asked, attempts, inside, stops)


class _Rule(NamedTuple):
    """What the policy does."""

    by_priority: bool
    by_deadline: bool
    estimates: bool
    drop: DropMode
    largest: Mapping[str, int]
    native: bool = False


def _rule_of(policy: QueuePolicy | Native | Strait | Triton, setting: Setting) -> _Rule:
    if isinstance(policy, Strait):
        policy.belief.fit(setting.profile)
        policy._transfers.fit(setting.profile)
        return _Rule(False, False, False, DropMode.NEVER, batch_limits(setting, policy._max_batch))
    policy.prepare(setting)
    if isinstance(policy, Native):
        return _Rule(False, False, False, DropMode.NEVER, dict.fromkeys(setting.profile.models, 1), native=True)
    if isinstance(policy, Triton):
        return _Rule(False, False, False, DropMode.NEVER, largest_of(policy, setting.profile.models))
    order = (policy._by_class, True) if isinstance(policy, AwareEdf) else ORDERS[type(policy)]
    return _Rule(*order, policy.estimates, policy.drop, policy.largest)


def _add_rule(builder: Builder, rule: _Rule, setting: Setting, layout: Layout) -> None:
    for place, value in {
        codes.BY_PRIORITY: rule.by_priority,
        codes.BY_TIME: rule.by_deadline,
        codes.ESTIMATES: rule.estimates,
        codes.DROPS_EXPIRED: rule.drop is not DropMode.NEVER,
        codes.DROPS_INFEASIBLE: rule.drop is DropMode.INFEASIBLE,
        codes.NATIVE: rule.native,
        codes.GPUS: setting.gpus,
        codes.SLOTS: layout.slots,
        codes.PLACES: layout.places,
        codes.IN_ORDER: layout.in_order,
        codes.COPIES_OUT: layout.copies_out,
        codes.HOSTED: layout.host is not None,
    }.items():
        builder.set(place, int(value))
    h2d, d2h = setting.profile.h2d, setting.profile.d2h
    builder.set_reals({codes.IN_ALPHA_S: h2d.alpha_s, codes.IN_RATE: h2d.bytes_per_s})
    builder.set_reals({codes.OUT_ALPHA_S: d2h.alpha_s, codes.OUT_RATE: d2h.bytes_per_s})
    builder.set_reals({codes.START_COST_S: cast("FluidModel[Any]", layout.model).start_cost_s})


def _add_replies(builder: Builder, workload: Workload, options: Options, rows: int) -> None:
    """Add what is kept of requests that somebody waits for replies to."""
    builder.set(codes.CLOSED, len(workload.closed_loop))
    builder.set(codes.CLIENTS, len(workload.closed_loop) + len(workload.one_at_a_time))
    builder.set(codes.LEAD_AT, builder.ints(rows))
    builder.set(codes.NEXT_AT, builder.ints(rows))
    builder.set_reals({codes.REJECT_S: options.rejection.reject_s})


def _add_decisions(builder: Builder, batches: int, rows: int, *, tells: bool) -> None:
    """Add what passes between the loop and who decides: as many decisions as requests, and some timers.

    Args:
        builder: Has all else.
        batches: How many may leave before a policy decides.
        rows: How many requests there may be.
        tells: Whether the policy has room of its own for requests that it is told of.
    """
    most = rows + _TIMERS
    builder.set(codes.ASKS, 1)
    builder.set(codes.BLOCKS, 0 if tells else rows)
    builder.set(codes.LEFT_AT, builder.ints(batches))
    builder.set(codes.DECIDED_AT, builder.ints(most * codes.DECISION))
    builder.set(codes.DECIDED_S_AT, builder.reals(most))
    builder.set(codes.LISTED_AT, builder.ints(most))


def _add_streams(builder: Builder, workload: Workload, rows: int) -> None:
    """Add the streams of `native`, numbered as they first appear: they go to the GPUs in turn."""
    own: int | Column = rows
    if not workload.waits_for_replies:
        names = np.where(workload.client < 0, workload.model + len(workload.client_names), workload.client)
        _, first, code = np.unique(names, return_index=True, return_inverse=True)
        own = np.argsort(np.argsort(first))[code]
    most = client_streams(workload)
    builder.set(codes.OWN_AT, builder.ints(own))
    builder.set(codes.BEHIND_AT, builder.ints(rows))
    builder.set(codes.READY_AT, builder.ints(most))
    builder.set(codes.STREAM_AT, builder.ints(np.full(most * codes.STREAM_INTS, -1)))


def _add_host(
    builder: Builder, layout: Layout, streams: Streams, room: int
) -> tuple[Iterator[float] | None, Iterator[float] | None]:
    """Add what the host takes; return where its stays and the policy's thinking times are drawn from."""
    host, decide = layout.host, layout.decide
    if host is None:
        return None, None
    builder.set_reals({codes.DISPATCH_S: host.dispatch_s, codes.LAUNCH_S: host.launch_s})
    builder.set_reals({codes.NOTICE_S: host.notice_s, codes.COLLECT_S: host.collect_s})
    ends = None
    if host.speeds is not None:
        (speed, other), ends = stays(host.speeds, streams)
        builder.set_reals({codes.SPEED: speed, codes.OTHER_SPEED: other})
        most = _STAYS * room
        builder.set(codes.STAY_AT, builder.reals(list(islice(ends, most))))
        builder.set(codes.STAYS, most)
        builder.set(codes.MOST_STAYS, most)
    if decide is None:
        return ends, None
    builder.set(codes.THOUGHT_AT, builder.reals(codes.MOST_THOUGHTS))
    builder.set(codes.THOUGHT, codes.MOST_THOUGHTS)
    builder.set_reals({codes.THOUGHT_S: -inf})
    return ends, thoughts(decide, streams)


def _add_batches(
    builder: Builder, workload: Workload, rule: _Rule, setting: Setting, layout: Layout
) -> tuple[tuple[Any, ...], list[float]]:
    """Add what is known of batches by model and size; return the kinds of loads of phases, and where those begin."""
    sizes = max(rule.largest.values()) + 1
    shape = (max(len(workload.models), 1), sizes)
    first, last = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    expected_s, solo_s = np.zeros(shape), np.zeros(shape)
    share: list[float] = []
    begins: list[float] = []
    load: list[int] = []
    numbers: dict[Any, int] = {}
    for code, name in enumerate(workload.models):
        if name not in layout.hardware.models:
            continue
        formed = slice(1, rule.largest[name] + 1)
        expected_s[code, formed] = setting.profile.models[name].latency_s[formed]
        solo_s[code, formed] = layout.hardware.models[name].latency_s[formed]
        for size in range(1, rule.largest[name] + 1):
            first[code, size] = len(share)
            begin = 0.0
            for phase in layout.model.work(name, size):
                begins.append(begin)
                begin += phase.share
                share.append(phase.share)
                load.append(numbers.setdefault(phase.load, len(numbers)))
            last[code, size] = len(share) - 1
    builder.set(codes.SIZES, sizes)
    builder.set(codes.FIRST_AT, builder.ints(first))
    builder.set(codes.LAST_AT, builder.ints(last))
    builder.set(codes.LOAD_AT, builder.ints(load))
    builder.set(codes.SHARE_AT, builder.reals(share))
    builder.set(codes.EXPECTED_AT, builder.reals(expected_s))
    builder.set(codes.SOLO_AT, builder.reals(solo_s))
    builder.set(codes.MEMBER_AT, builder.ints(sizes))
    return tuple(numbers), begins


def _add_models(builder: Builder, workload: Workload, rule: _Rule, rows: int) -> None:
    """Add the models and their queues, which are in the room at the end; one queue for all if nothing is estimated."""
    count = max(len(workload.models), 1)
    waiting = np.zeros(count, np.int64)
    if rule.estimates:
        waiting += rows if workload.waits_for_replies else np.bincount(workload.model, minlength=count)
    blocks = np.zeros((count, codes.MODEL_INTS), np.int64)
    blocks[:, codes.LIMIT] = [rule.largest[name] for name in workload.models] or 1
    blocks[:, codes.PLACE] = -1
    builder.set(codes.HEAD_AT, builder.ints(count))
    blocks[:, codes.BEGIN] = builder.end + blocks.size + np.cumsum(waiting) - waiting
    builder.set(codes.MODEL_AT, builder.ints(blocks))
    builder.set(codes.MODELS, count)


def _by_request(workload: Workload, factor: NDArray[np.float64], arrived: Arrived | None) -> dict[str, Column]:
    """Return what is known of requests, by their numbers; where clients wait it fills up."""
    if arrived is not None:
        return {name: arrived.column(name) for name in _TYPES}
    columns = {name: factor if name == "factor" else getattr(workload, name) for name in _TYPES}
    return {name: _given(columns[name], dtype) for name, dtype in _TYPES.items()}


def _given(column: Column, dtype: Any) -> Column:
    """Return a column as kernels know it, whoever made it: in one piece and read-only. They are compiled for it."""
    found = np.ascontiguousarray(column, dtype).view()
    found.flags.writeable = False
    return found


def _record(requests: int, *, several_gpus: bool, copies_out: bool) -> Record:
    """Return room for everything: pages that are never written to take no memory."""
    return Record(
        batch_of=np.full(requests, -1, np.int32),
        gpu_of=np.empty(requests if several_gpus else 0, np.int32),
        dropped=np.empty(requests, np.int32),
        dropped_s=np.empty(requests),
        reason=np.empty(requests, np.int16),
        times_s=np.empty((codes.TIMES, requests)),
        output=np.empty(requests if copies_out else 0, np.int64),
    )
