"""Round trips that a load generator measured: Triton's perf_analyzer and NVIDIA's aiperf.

Both write when each request was sent and when its last response came, nanoseconds since 1970, subtracted as whole
numbers. That is a round trip: network, client, queue, copies and execution, and so an upper bound of a time alone, if
no two requests overlap: at concurrency 1.

Source: triton-inference-server/perf_analyzer, src/profile_data_exporter.cc (`--profile-export-file`), and
ai-dynamo/aiperf, docs/tutorials/working-with-profile-exports.md (`profile_export.jsonl`).
"""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError
from stratsim.imports.files import listed
from stratsim.imports.found import Ask, Found, Solo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Trip", "solo_of"]

_NS = 1e9
_LEAST_S = 1e-6
"""No request goes to a server and back in less: a file with such times has another unit."""


class Trip(NamedTuple):
    """One request, nanoseconds since 1970."""

    sent: int
    answered: int


def solo_of(path: Path, ask: Ask, tool: str, trips: Sequence[Trip], left_out: dict[str, int]) -> Found:
    """Return the mean round trip of requests that were alone, as the time of a model alone.

    Args:
        path: The file, for messages.
        ask: Model and batch size, which neither tool writes into its file.
        tool: What wrote it.
        trips: The requests that were answered, in any order.
        left_out: How many other requests the file holds, by why they do not count.

    Raises:
        SpecError: the model is not said, there is no request, or requests overlap.
    """
    if ask.model is None:
        raise SpecError(f"{path}: {tool}'s requests name no model: --model NAME, and --batch N if it is not 1")
    counted = [f"{count} {why}" for why, count in left_out.items() if count]
    if not trips:
        raise SpecError(f"{path}: has no request that was answered{f' ({listed(counted)})' if counted else ''}")
    _check_alone(path, trips)
    batch = ask.batch or 1
    spans_s = [(trip.answered - trip.sent) / _NS for trip in trips]
    mean_s = fmean(spans_s)
    if mean_s < _LEAST_S:
        raise SpecError(f"{path}: a round trip takes {mean_s * _NS:.3g} ns in the mean: are its times nanoseconds?")
    notes = [
        f"{path.name}: {len(trips)} requests, batch size {batch} {'as said with --batch' if ask.batch else 'assumed'}",
        f"{path.name}: round trips with network, client and copies, an upper bound of an execution",
        *(f"{path.name}: {each} left out" for each in counted),
    ]
    where = f"observable.models.{ask.model}.latency_s"
    return Found(
        tool=tool,
        models={ask.model: Solo({batch: mean_s})},
        noise_cv=pstdev(spans_s) / mean_s if len(spans_s) > 1 else None,
        statistics={
            where: f"mean round trip of {len(trips)} requests, one at a time",
            "truth.noise_cv": f"standard deviation of the round trip over its mean, batch size {batch}",
        },
        notes=tuple(notes),
    )


def _check_alone(path: Path, trips: Iterable[Trip]) -> None:
    ordered = sorted(trips)
    for first, second in pairwise(ordered):
        if first.answered <= first.sent:
            break
        if second.sent < first.answered:
            raise SpecError(
                f"{path}: requests overlap (one was sent {(first.answered - second.sent) / 1e6:.3g} ms before "
                "another was answered): none was alone; measure with concurrency 1"
            )
    for trip in ordered:
        if trip.answered <= trip.sent:
            raise SpecError(f"{path}: a request was answered at {trip.answered}, sent at {trip.sent} ns")
