"""TensorRT's `trtexec --exportTimes=FILE.json`: one object per iteration, times in milliseconds from the run's start.

`computeMs` is the GPU time of an execution: the solo latency. The copies are timed apart, the enqueue times are the
host's, and `endToEndMs` spans iterations that overlap, so neither is used. With several streams the executions overlap
and none is alone: refused.

Source: NVIDIA/TensorRT, samples/common/sampleReporting.cpp (`exportJSONTrace`), for the fields of both generations.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.imports.files import listed, number, objects
from stratsim.imports.found import Ask, Found, Solo

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read"]

_MS = 1e-3
_ROUNDED_MS = 0.01


def read(path: Path, ask: Ask) -> Found:
    """Return the solo latency of one engine; the file names neither model nor batch size.

    Raises:
        SpecError: it is another file, model or batch are not said, or executions overlap.
    """
    if ask.model is None or ask.batch is None:
        raise SpecError(f"{path}: trtexec's times name neither model nor batch size: --model NAME --batch N")
    rows = objects(path, "trtexec --exportTimes")
    if "averageMs" in rows[-1]:
        raise SpecError(f"{path}: layers of --exportProfile, not times of executions: --exportTimes writes those")
    need = ("startComputeMs", "endComputeMs", "computeMs")
    lacking = [name for name in need if name not in rows[0]]
    if lacking:
        raise SpecError(f"{path}: not trtexec's --exportTimes: its first entry has no {listed(lacking)}")
    times = [_times(path, index, row) for index, row in enumerate(rows)]
    _check_alone(path, times)
    compute_s = [_MS * each[2] for each in times]
    mean_s = fmean(compute_s)
    version = "8.5 or later" if "startEnqMs" in rows[0] else "before 8.5"
    notes = [f"{path.name}: {len(rows)} executions, batch size {ask.batch} as said with --batch"]
    if not any(number(row.get(name, 0), str(path)) for row in rows for name in ("h2dMs", "d2hMs", "inMs", "outMs")):
        notes.append(f"{path.name}: no copies were timed (--noDataTransfers or managed memory): nothing of the link")
    where = f"observable.models.{ask.model}.latency_s"
    return Found(
        tool=f"trtexec (TensorRT {version})",
        models={ask.model: Solo({ask.batch: mean_s})},
        noise_cv=pstdev(compute_s) / mean_s if len(compute_s) > 1 else None,
        statistics={
            where: f"mean of computeMs over {len(rows)} executions",
            "truth.noise_cv": f"standard deviation of computeMs over its mean, batch size {ask.batch}",
        },
        notes=tuple(notes),
    )


def _times(path: Path, index: int, row: dict[str, Any]) -> tuple[float, float, float]:
    names = ("startComputeMs", "endComputeMs", "computeMs")
    start, end, compute = (number(row.get(name), f"{path}, entry {index}, {name}") for name in names)
    if not (compute > 0 and end >= start):
        raise SpecError(f"{path}, entry {index}: an execution takes {compute:g} ms, from {start:g} to {end:g}")
    if abs(end - start - compute) > max(_ROUNDED_MS, 0.01 * compute):
        raise SpecError(
            f"{path}, entry {index}: computeMs is {compute:g}, and {end - start:g} ms lie between startComputeMs and "
            "endComputeMs: are all in milliseconds?"
        )
    return start, end, compute


def _check_alone(path: Path, times: list[tuple[float, float, float]]) -> None:
    """Refuse executions that overlap by more than a rounding: none of them is alone."""
    ordered = sorted(times)
    for (_, end, compute), (start, _, _) in pairwise(ordered):
        if end - start > 0.01 * compute:
            raise SpecError(
                f"{path}: executions overlap ({end:g} ms after {start:g} ms): several streams ran at once, and none "
                "was alone; measure with --streams=1"
            )
