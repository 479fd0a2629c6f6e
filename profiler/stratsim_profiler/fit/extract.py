"""From raw samples to what the fits take: medians, ratios, and which samples are used for what."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median, quantiles, stdev
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim.fit.cells import Cell, Load
from stratsim_profiler.samples import Colocation, Discarded, Kernels, Model, Offset, Solo, Transfer, is_stressor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim_profiler.samples import Stream
    from stratsim_profiler.store import Samples

__all__ = ["GO_ON", "Measured", "SoloFigures", "extract_samples"]

GO_ON = "`stratsim profile run` with the same --out and a larger --budget goes on from the samples that are there"
"""What to do where samples are lacking."""

_NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""
_FIT_ROLES = ("self", "anchor", "pair", "triple")


@dataclass(frozen=True, slots=True)
class SoloFigures:
    """A load alone on the device.

    Args:
        seconds: Median duration.
        cv: Coefficient of variation, from the interquartile range: outliers do not move it.
        cv_all: Standard deviation over mean, outliers included.
        p99_s: 99th percentile; the longest of fewer than 100 samples.
        count: Number of samples.
        enqueue_s: Median host time until an inference was enqueued; None when not measured.
        launch_bound: Whether the host sets the pace.
    """

    seconds: float
    cv: float
    cv_all: float
    p99_s: float
    count: int
    enqueue_s: float | None
    launch_bound: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """Samples, sorted by what they are for.

    Args:
        solo: By load.
        cells: Co-locations of models of which none is launch-bound: what (s, w) can explain.
        launch_cells: Co-locations with a launch-bound model.
        stressor_cells: Co-locations with a stressor; its load has the stressor's name and batch size 1.
        control_cells: Co-locations with a stream of empty kernels.
        offsets: One-shot runs that overlap in part, without launch-bound models.
        models: What the models are, by name.
        kernels: By load.
        transfers: Copies.
        discarded: What was thrown away while measuring.
        dtype: Data type of all models.
        mode: `graph` or `eager`.
        left_out: Co-locations that lack solo samples, each with what it lacks (`cell: what`), and models without any at
            batch size 1.
        drift: Median change of the solo time from just before a co-location to just after it, as a share: how quiet
            the device was, and a lower bound of any error; None without both sides.
    """

    solo: Mapping[Load, SoloFigures]
    cells: tuple[Cell, ...]
    launch_cells: tuple[Cell, ...]
    stressor_cells: tuple[Cell, ...]
    control_cells: tuple[Cell, ...]
    offsets: tuple[Offset, ...]
    models: Mapping[str, Model]
    kernels: Mapping[Load, Kernels]
    transfers: tuple[Transfer, ...]
    discarded: tuple[Discarded, ...]
    left_out: tuple[str, ...]
    dtype: str
    mode: str
    drift: float | None

    @property
    def training(self) -> tuple[Cell, ...]:
        """The cells that may be fitted."""
        return tuple(cell for cell in self.cells if not cell.held_out)

    @property
    def held_out(self) -> tuple[Cell, ...]:
        """The cells that only judge the fit."""
        return tuple(cell for cell in self.cells if cell.held_out)


def extract_samples(samples: Samples) -> Measured:
    """Sort the samples and reduce repetitions.

    A slowdown is the mean of the loaded iterations over the mean of the adjacent solo ones, before and after alike.

    Raises:
        ProfileError: there are no solo samples at batch size 1 at all, or data types or modes mix.
    """
    dtype, mode = _one_setting(samples)
    solo = _solo(samples.of(Solo))
    models = {record.name: record for record in samples.of(Model)}
    for load in solo:
        if load.model not in models:
            raise ProfileError(f"{samples.source}: model {load.model!r} has solo samples but no model record")
    left_out: list[str] = []
    solo = _with_batch_1(solo, left_out, samples.source)
    launch = {load for load, figures in solo.items() if figures.launch_bound}
    found: dict[str, list[Cell]] = {"cells": [], "launch": [], "stressor": [], "control": []}
    for record in samples.of(Colocation):
        lacking = _lacking(record, solo)
        if lacking is not None:
            left_out.append(f"{record.cell}: {lacking}")
            continue
        found[_purpose(record, launch)].append(_cell(record, samples.source))
    return Measured(
        solo=solo,
        cells=tuple(found["cells"]),
        launch_cells=tuple(found["launch"]),
        stressor_cells=tuple(found["stressor"]),
        control_cells=tuple(found["control"]),
        offsets=tuple(
            r for r in samples.of(Offset) if {Load(s.model, s.batch) for s in r.streams} <= set(solo) - launch
        ),
        models=models,
        kernels={Load(record.model, record.batch): record for record in samples.of(Kernels)},
        transfers=samples.of(Transfer),
        discarded=samples.of(Discarded),
        left_out=tuple(left_out),
        dtype=dtype,
        mode=mode,
        drift=_drift(samples.of(Colocation)),
    )


def _one_setting(samples: Samples) -> tuple[str, str]:
    solo = samples.of(Solo)
    if not solo:
        raise ProfileError(f"{samples.source}: no solo samples: there is nothing to make a profile of; {GO_ON}")
    settings = sorted({(r.dtype, r.mode) for r in solo} | {(r.dtype, r.mode) for r in samples.of(Colocation)})
    if len(settings) > 1:
        names = ", ".join(f"{dtype} {mode}" for dtype, mode in settings)
        raise ProfileError(f"{samples.source}: mixes {names}; a profile is for one data type and mode")
    return settings[0]


def _solo(records: Iterable[Solo]) -> dict[Load, SoloFigures]:
    seconds: dict[Load, list[float]] = {}
    enqueue: dict[Load, list[float]] = {}
    launch_bound: dict[Load, bool] = {}
    for record in records:
        load = Load(record.model, record.batch)
        seconds.setdefault(load, []).extend(record.seconds)
        enqueue.setdefault(load, []).extend(record.enqueue_seconds)
        launch_bound[load] = record.launch_bound or launch_bound.get(load, False)
    return {load: _figures(seconds[load], enqueue[load], launch_bound[load]) for load in sorted(seconds)}


def _with_batch_1(solo: dict[Load, SoloFigures], left_out: list[str], source: str) -> dict[Load, SoloFigures]:
    """Return the loads of models that ran alone at batch size 1, which a profile needs of each; name the others."""
    lacking = sorted({load.model for load in solo if Load(load.model, 1) not in solo})
    left_out += [f"{model}: no solo samples at batch size 1" for model in lacking]
    kept = {load: figures for load, figures in solo.items() if load.model not in lacking}
    if not kept:
        raise ProfileError(f"{source}: no model has solo samples at batch size 1; {GO_ON}")
    return kept


def _figures(seconds: Sequence[float], enqueue: Sequence[float], launch_bound: bool) -> SoloFigures:
    middle = median(seconds)
    several = len(seconds) > 1
    low, _, high = quantiles(seconds, n=4, method="inclusive") if several else (middle, middle, middle)
    return SoloFigures(
        seconds=middle,
        cv=(high - low) / _NORMAL_IQR / middle,
        cv_all=stdev(seconds) / fmean(seconds) if several else 0.0,
        p99_s=quantiles(seconds, n=100, method="inclusive")[-1] if len(seconds) >= 100 else max(seconds),
        count=len(seconds),
        enqueue_s=median(enqueue) if enqueue else None,
        launch_bound=launch_bound,
    )


def _lacking(record: Colocation, solo: Mapping[Load, SoloFigures]) -> str | None:
    """Return which solo samples a co-location lacks; None if it has all that a fit needs."""
    if record.role != "control":
        for load in sorted(_loads(record)):
            if load not in solo:
                return f"no solo samples of {load}"
    for stream in record.streams:
        if not (stream.solo_before_seconds or stream.solo_after_seconds):
            return f"no solo samples of {stream.model} with it"
    return None


def _loads(record: Colocation) -> set[Load]:
    return {Load(stream.model, stream.batch) for stream in record.streams if not is_stressor(stream.model)}


def _purpose(record: Colocation, launch: set[Load]) -> str:
    if record.role == "control":
        return "control"
    if launch & _loads(record):
        return "launch"
    return "cells" if record.role in _FIT_ROLES else "stressor"


def _cell(record: Colocation, source: str) -> Cell:
    return Cell(
        loads=tuple(Load(stream.model, stream.batch) for stream in record.streams),
        slowdowns=tuple(_slowdown(stream, record.cell, source) for stream in record.streams),
        role=record.role,
        name=record.cell,
        held_out=record.held_out,
        power_capped=record.conditions.power_capped,
        clock=record.conditions.sm_mhz,
    )


def _slowdown(stream: Stream, cell: str, source: str) -> float:
    sides = [side for side in (stream.solo_before_seconds, stream.solo_after_seconds) if side]
    alone, loaded = fmean(fmean(side) for side in sides), fmean(stream.loaded_seconds)
    if not (alone > 0 and loaded > 0):
        raise ProfileError(f"{source}: cell {cell!r}: {stream.model!r} took {loaded!r} s loaded, {alone!r} s alone")
    return loaded / alone


def _drift(records: Iterable[Colocation]) -> float | None:
    changes = [
        abs(fmean(stream.solo_after_seconds) / fmean(stream.solo_before_seconds) - 1)
        for record in records
        for stream in record.streams
        if stream.solo_after_seconds and any(stream.solo_before_seconds)
    ]
    return median(changes) if changes else None
