"""From a workload, a profile and a policy to the arrays that kernels work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stratsim.device import Fabric, FluidUnit
from stratsim.device.noise import profile_noise
from stratsim.engine.arrivals import NoiseFactors
from stratsim.engine.layout import lay_out
from stratsim.engine.loop import setting_of
from stratsim.fast import codes
from stratsim.fast.coverage import ORDERS
from stratsim.fast.state import Builder
from stratsim.policy.base import DropMode
from stratsim.rng import Streams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.engine.layout import Layout
    from stratsim.engine.options import Options
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Setting
    from stratsim.policy.queueing import QueuePolicy

    Column = NDArray[Any]

__all__ = ["Record", "Run", "set_up"]


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


def set_up(workload: Workload, profile: Profile, policy: QueuePolicy, options: Options, room: int) -> Run:
    """Return the arrays of a run that is covered.

    Args:
        workload: As for `stratsim.engine.simulate_with`; so are the others.
        profile: Has the workload's models.
        policy: Its `prepare` is called.
        options: All else.
        room: How many events may be scheduled at once, per batch that may be in flight.
    """
    layout = lay_out(workload, profile, policy, options.cluster, options.name)
    streams = Streams(options.seed)
    setting = setting_of(profile, options, layout, streams)
    policy.prepare(setting)
    variation = options.noise or profile_noise(layout.hardware.noise_cv, layout.hardware.truth.noise_cvs)
    factor = np.frombuffer(NoiseFactors(workload, variation, streams, options.factors).factors, np.float64)
    gpus, places = setting.gpus, layout.places
    builder = Builder()
    _add_rule(builder, policy, setting, layout)
    loads = _add_batches(builder, workload, policy, layout)
    builder.gpus(gpus, layout.slots, places, layout.private_links)
    copies = 0
    if isinstance(layout.links, Fabric):
        copies = builder.links(layout.links, len(workload))
    builder.memory(len(loads), layout.slots, places, copies)
    builder.events(room * (gpus * places + 1) + 64)
    _add_models(builder, workload, policy)
    ints, reals = builder.made(len(workload))
    record = _record(len(workload), several_gpus=gpus > 1, copies_out=layout.copies_out)
    unit = cast("FluidUnit[Any]", layout.model.unit())
    return Run(layout, ints, reals, _columns(workload, factor), record, unit, loads)


def _add_rule(builder: Builder, policy: QueuePolicy, setting: Setting, layout: Layout) -> None:
    by_priority, by_deadline = ORDERS[type(policy)]
    for place, value in {
        codes.BY_PRIORITY: by_priority,
        codes.BY_DEADLINE: by_deadline,
        codes.ESTIMATES: policy.estimates,
        codes.DROPS_EXPIRED: policy.drop is not DropMode.NEVER,
        codes.DROPS_INFEASIBLE: policy.drop is DropMode.INFEASIBLE,
        codes.GPUS: setting.gpus,
        codes.SLOTS: layout.slots,
        codes.PLACES: layout.places,
        codes.IN_ORDER: layout.in_order,
        codes.COPIES_OUT: layout.copies_out,
        codes.HOSTED: layout.host is not None,
    }.items():
        builder.set(place, int(value))
    h2d, d2h, host = setting.profile.h2d, setting.profile.d2h, layout.host
    builder.set_reals({codes.IN_ALPHA_S: h2d.alpha_s, codes.IN_RATE: h2d.bytes_per_s})
    builder.set_reals({codes.OUT_ALPHA_S: d2h.alpha_s, codes.OUT_RATE: d2h.bytes_per_s})
    if host is not None:
        builder.set_reals({codes.DISPATCH_S: host.dispatch_s, codes.LAUNCH_S: host.launch_s})
        builder.set_reals({codes.NOTICE_S: host.notice_s, codes.COLLECT_S: host.collect_s})


def _add_batches(builder: Builder, workload: Workload, policy: QueuePolicy, layout: Layout) -> tuple[Any, ...]:
    """Add what is known of batches by model and size; return the kinds of loads of their phases."""
    sizes = max(policy.largest.values()) + 1
    shape = (max(len(workload.models), 1), sizes)
    first, last = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    expected_s, solo_s = np.zeros(shape), np.zeros(shape)
    share: list[float] = []
    load: list[int] = []
    numbers: dict[Any, int] = {}
    for code, name in enumerate(workload.models):
        if name not in layout.hardware.models:
            continue
        formed = slice(1, policy.largest[name] + 1)
        expected_s[code, formed] = policy.setting.profile.models[name].latency_s[formed]
        solo_s[code, formed] = layout.hardware.models[name].latency_s[formed]
        for size in range(1, policy.largest[name] + 1):
            first[code, size] = len(share)
            for phase in layout.model.work(name, size):
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
    return tuple(numbers)


def _add_models(builder: Builder, workload: Workload, policy: QueuePolicy) -> None:
    """Add the models and their queues, which are in the room at the end; one queue for all if nothing is estimated."""
    count = max(len(workload.models), 1)
    waiting = np.bincount(workload.model, minlength=count) if policy.estimates else np.zeros(count, np.int64)
    blocks = np.zeros((count, codes.MODEL_INTS), np.int64)
    blocks[:, codes.LIMIT] = [policy.largest[name] for name in workload.models] or 1
    blocks[:, codes.PLACE] = -1
    builder.set(codes.HEAD_AT, builder.ints(count))
    blocks[:, codes.BEGIN] = builder.end + blocks.size + np.cumsum(waiting) - waiting
    builder.set(codes.MODEL_AT, builder.ints(blocks))
    builder.set(codes.MODELS, count)


def _columns(workload: Workload, factor: NDArray[np.float64]) -> tuple[Column, ...]:
    """Return the columns of a workload in the order in which the kernel takes them."""
    return (
        _given(workload.arrival_s, np.float64),
        _given(workload.model, np.int32),
        _given(workload.priority, np.int8),
        _given(workload.deadline_s, np.float64),
        _given(workload.bytes_in, np.int32),
        _given(workload.bytes_out, np.int32),
        _given(factor, np.float64),
    )


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
