"""Puts what was measured and fitted into a profile, with the provenance of every figure."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean, median
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim.fit.batches import complete
from stratsim.fit.cells import Cell, Load
from stratsim.model.interpolate import METHODS, Interpolation, leave_one_out
from stratsim.model.kernel_queue import KernelQueue
from stratsim.model.parts import Pageable
from stratsim.model.profile import (
    SCHEMA_VERSION,
    Device,
    Features,
    Kernels,
    Link,
    Observable,
    ObservableModel,
    Pair,
    Pcie,
    Profile,
    Provenance,
    Sharing,
    Truth,
)
from stratsim_profiler.fit.extract import GO_ON
from stratsim_profiler.fit.stressors import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim_profiler.fit.links import LinkFit
    from stratsim_profiler.fit.summary import Summary
    from stratsim_profiler.fit.transfers import TransferFit
    from stratsim_profiler.samples import Header

__all__ = ["assemble_profile"]

_DIGITS = 6
"""Significant digits of figures in the profile: far finer than any measurement, and the files stay readable."""


def assemble_profile(summary: Summary, header: Header, name: str, source: str) -> Profile:
    """Return the profile.

    Args:
        summary: What was measured and fitted.
        header: Head of the samples file.
        name: Name of the profile.
        source: What the provenance says of the samples: file, checksum, software.

    Raises:
        ProfileError: a figure that every profile needs was not measured: copies in both directions, or batch size 1.
    """
    models = _models(summary)
    observable = Observable(_pcie(summary.transfers), models, _interpolation(models))
    truth = Truth(
        sharing=_sharing(summary, models),
        kernel_queue=_kernel_queue(summary),
        transfers=summary.transfers.for_truth(),
        noise_cv=_round(_noise_cv(summary)),
    )
    pairs = tuple(_pairs(summary.measured.cells))
    return Profile(
        schema_version=SCHEMA_VERSION,
        name=name,
        device=_device(header),
        provenance=_provenance(summary, source, observable, truth, pairs),
        observable=observable,
        truth=truth,
        pairs=pairs,
        description=f"{_head(summary)} {summary.verdict}",
        device_model=None if summary.sharing is None or summary.sharing.rule == "streams" else summary.sharing.rule,
    )


def _head(summary: Summary) -> str:
    measured = summary.measured
    return f"Measured on {summary.device}: {len(measured.models)} models, {measured.dtype}, {measured.mode}."


def _round(value: float) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))


def _device(header: Header) -> Device:
    """Return the device as far as the samples know it."""
    known = header.device.get
    return Device(
        name=str(known("name") or "unknown device"),
        memory_bytes=known("memory_bytes"),
        memory_bandwidth_bytes_per_s=known("memory_bandwidth_bytes_per_s"),
        peak_flops=known("peak_flops"),
        sms=known("sms"),
        l2_bytes=known("cache_bytes") if known("kind") == "cuda" else None,
    )


def _pcie(transfers: TransferFit) -> Pcie:
    missing = [direction for direction in ("h2d", "d2h") if direction not in transfers.pinned]
    if missing:
        raise ProfileError(
            f"copies from pinned memory in direction {' and '.join(missing)} were not measured at two sizes or more; "
            f"a profile needs both directions; {GO_ON}"
        )
    pageable = transfers.pageable
    return Pcie(
        h2d=_link(transfers.pinned["h2d"]),
        d2h=_link(transfers.pinned["d2h"]),
        pageable=Pageable(_link(pageable["h2d"]), _link(pageable["d2h"])) if len(pageable) == 2 else None,
    )


def _link(fit: LinkFit) -> Link:
    return Link(_round(fit.alpha_s), _round(fit.bytes_per_s))


def _models(summary: Summary) -> dict[str, ObservableModel]:
    measured, known = summary.measured, features(summary.responses)
    found = {}
    for name in sorted({load.model for load in measured.solo}):
        model = measured.models[name]
        latency = {load.batch: _round(figures.seconds) for load, figures in measured.solo.items() if load.model == name}
        own: dict[int, Features] = {load.batch: entry for load, entry in known.items() if load.model == name}
        try:
            found[name] = ObservableModel(
                latency_s=latency,
                bytes_in=model.bytes_in,
                bytes_out=model.bytes_out,
                weights_bytes=model.weights_bytes or None,
                features=own,
                kernels=_kernels(summary, name),
            )
        except ProfileError as problem:
            raise ProfileError(f"model {name!r}: {problem}") from None
    return found


def _kernels(summary: Summary, name: str) -> Kernels | None:
    found = summary.measured.kernels.get(Load(name, 1))
    return None if found is None else Kernels(found.count, _round(found.mean_s), _round(found.max_s))


def _interpolation(models: Mapping[str, ObservableModel]) -> Interpolation:
    """Return the method with the smaller mean error when each inner batch size is left out; linear if none is."""
    errors: dict[Interpolation, list[float]] = {
        method: [abs(error) for model in models.values() for error in leave_one_out(model.latency_s, method).values()]
        for method in METHODS
    }
    return min(METHODS, key=lambda method: fmean(errors[method])) if errors[METHODS[0]] else "linear"


def _noise_cv(summary: Summary) -> float:
    return median(figures.cv for figures in summary.measured.solo.values())


def _sharing(summary: Summary, models: Mapping[str, ObservableModel]) -> dict[str, dict[int, Sharing]]:
    """Return demand and weight of each fitted model.

    Between the fitted batch sizes a reader goes on in a straight line. Where another law did better, every measured
    batch size gets an entry, and the law decides.
    """
    if summary.sharing is None:
        return {}
    fitted, law = summary.sharing.fit, summary.sharing.law
    table: dict[str, dict[int, Sharing]] = {}
    for name, model in models.items():
        batches = {load.batch for load in fitted.loads if load.model == name}
        if batches and law != "linear":
            batches |= set(model.latency_s)
        loads = [Load(name, batch) for batch in sorted(batches)]
        shares = complete(fitted.shares, loads, law)
        if loads:
            table[name] = {
                load.batch: Sharing(_round(shares.demand[load]), _round(shares.weight[load])) for load in loads
            }
    return table


def _kernel_queue(summary: Summary) -> KernelQueue | None:
    """Return the parameters of `kernel-queue` at every batch size that ran alone; None where it was not fitted."""
    if summary.sharing is None or summary.sharing.queue is None:
        return None
    queue = summary.sharing.queue.queue
    lengths: dict[str, dict[int, float]] = defaultdict(dict)
    holds: dict[str, dict[int, float]] = defaultdict(dict)
    for load, length_s in queue.length_s.items():
        lengths[load.model][load.batch] = _round(length_s)
        holds[load.model][load.batch] = _round(queue.hold_of(load))
    return KernelQueue(
        hold=_round(median(queue.hold.values())),
        length_s=dict(lengths),
        holds=dict(holds),
        residual=_round(queue.residual),
        gap_s=_round(queue.gap_s),
    )


def _pairs(cells: Iterable[Cell]) -> list[Pair]:
    """Return the directed slowdowns of all cells with two streams; repeats are averaged."""
    found: dict[tuple[Load, Load], list[float]] = defaultdict(list)
    held: set[frozenset[Load]] = set()
    for cell in cells:
        if len(cell.loads) == 2:
            for target, other, slowdown in ((*cell.loads, cell.slowdowns[0]), (*cell.loads[::-1], cell.slowdowns[1])):
                found[target, other].append(slowdown)
            if cell.held_out:
                held.add(frozenset(cell.loads))
    return [
        Pair(*target, *other, slowdown=_round(fmean(slowdowns)), held_out=frozenset((target, other)) in held)
        for (target, other), slowdowns in sorted(found.items())
    ]


def _provenance(
    summary: Summary, source: str, observable: Observable, truth: Truth, pairs: tuple[Pair, ...]
) -> dict[str, Provenance]:
    """Return an origin for every section that holds figures."""
    models = observable.models.values()
    origins = {
        "device": Provenance("measured", source, note="as the device reports it"),
        "observable.pcie": Provenance("measured", source, note=_link_note(summary.transfers)),
        "observable.interpolation": Provenance("measured", source, note="smaller error with each batch size left out"),
        "observable.models.*.latency_s": Provenance("measured", source, note="median, caches flushed between runs"),
        "observable.models.*.bytes_in": Provenance("measured", source, note="size of the model's input"),
        "observable.models.*.bytes_out": Provenance("measured", source, note="size of the model's output"),
        "truth.noise_cv": Provenance(
            "measured", source, note="median over models and batch sizes of the interquartile range / 1.349 / median"
        ),
    }
    if any(model.weights_bytes for model in models):
        origins["observable.models.*.weights_bytes"] = Provenance("measured", source, note="counted from the weights")
    if any(model.features for model in models):
        note = "share of its speed that the strongest stressor of the resource loses beside the model"
        origins["observable.models.*.features"] = Provenance("measured", source, note=note)
    if any(model.kernels for model in models):
        origins["observable.models.*.kernels"] = Provenance("measured", source, note="from torch.profiler, batch 1")
    if truth.transfers is not None:
        origins["truth.transfers"] = Provenance("measured", source, note="concurrent and opposite copies")
    if truth.sharing:
        fitted = f"fitted to measured co-locations: {source}"
        origins["truth.sharing"] = Provenance("synthetic", fitted, note=_sharing_note(summary))
    if truth.kernel_queue is not None:
        fitted = f"kernels counted, holds fitted to measured co-locations: {source}"
        origins["truth.kernel_queue"] = Provenance("synthetic", fitted, note=_sharing_note(summary))
    if pairs:
        note = "mean iteration beside the other over mean iteration alone, in the same harness, both kept busy"
        origins["pairs"] = Provenance("measured", source, note=note)
    return origins


def _link_note(transfers: TransferFit) -> str:
    fits = [f"{name} {fit.median_error:.1%}" for name, fit in transfers.pinned.items()]
    return f"least squares on relative error over medians per size; median error: {', '.join(fits)}"


def _sharing_note(summary: Summary) -> str:
    """Return the verdict, and which parameters mean nothing."""
    sharing = summary.sharing
    unknown = [] if sharing is None else [f"{i.kind} of {i.load or 'all'}" for i in sharing.not_identified]
    return f"{summary.verdict} Not identified: {', '.join(unknown) if unknown else 'none'}."
