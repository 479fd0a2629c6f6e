"""What the user asks of a run, checked before anything is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError
from stratsim.model.parts import MAX_BATCH
from stratsim_profiler.plan import Load, Request
from stratsim_profiler.zoo.registry import DEFAULT_CPU, DEFAULT_CUDA, check_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stratsim_profiler.device.base import DeviceInfo

__all__ = ["Options", "batches", "duration_s", "make_request"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class _Default(NamedTuple):
    models: tuple[str, ...]
    solo_batches: tuple[int, ...]
    batches: tuple[int, ...]
    budget_s: float


_DEFAULTS = {
    "cuda": _Default(DEFAULT_CUDA, (1, 2, 4, 8, 16, 32), (1, 8), 600.0),
    "cpu": _Default(DEFAULT_CPU, (1, 2, 4), (1, 2), 200.0),
}
_QUICK = {
    "cuda": _Default(("resnet50", "mobilenetv2", "bert-base"), (1,), (1,), 30.0),
    "cpu": _Default(DEFAULT_CPU[:3], (1,), (1,), 30.0),
}


@dataclass(frozen=True, slots=True)
class Options:
    """Options of `stratsim profile run`; None is the device's default.

    Args:
        out: The profile that will be written.
        samples: The samples file; next to `out` by default.
        device: As for `stratsim_profiler.device.open_device`.
        budget_s: Time for all measurements.
        models: Names.
        solo_batches: Batch sizes that are measured alone.
        batches: Batch sizes that are measured with co-runners.
        dtype: Data type.
        mode: `graph` or `eager`.
        name: Name of the profile.
        report: The report that will be written, if any.
        quick: Measure little and roughly.
        priorities: Measure pairs with stream priorities as well.
        allow_shared: Keep samples although other processes use the device.
        overwrite: Replace `out`.
    """

    out: Path
    device: str
    samples: Path | None = None
    budget_s: float | None = None
    models: tuple[str, ...] = ()
    solo_batches: tuple[int, ...] = ()
    batches: tuple[int, ...] = ()
    dtype: str | None = None
    mode: str | None = None
    name: str | None = None
    report: Path | None = None
    quick: bool = False
    priorities: bool = False
    allow_shared: bool = False
    overwrite: bool = False

    @property
    def samples_file(self) -> Path:
        """Where the raw samples go."""
        return self.samples or self.out.with_name(self.out.name.removesuffix(".json") + ".samples.jsonl")

    def budget_for(self, kind: str) -> float:
        """Return the budget, seconds."""
        if self.budget_s is not None:
            return self.budget_s
        return self.default(kind).budget_s

    def default(self, kind: str) -> _Default:
        """Return what is measured on a kind of device where nothing else is asked for."""
        return (_QUICK if self.quick else _DEFAULTS)[kind]


def make_request(options: Options, info: DeviceInfo) -> Request:
    """Return what to measure.

    Raises:
        SpecError: a model, data type or mode that the device or the zoo does not have.
    """
    default = options.default(info.kind)
    asked = options.solo_batches or default.solo_batches
    beside = options.batches or tuple(batch for batch in default.batches if batch in asked) or (min(asked),)
    solo = tuple(sorted({1, *asked, *beside}))  # a profile needs batch size 1
    models = tuple(dict.fromkeys(check_name(name) for name in options.models or default.models))
    dtype = _one_of("dtype", options.dtype or info.dtypes[0], info.dtypes, info.name)
    mode = _one_of("mode", options.mode or info.modes[0], info.modes, info.name)
    if options.priorities and info.kind != "cuda":
        raise SpecError("--priorities: stream priorities need a CUDA device")
    return Request(
        models=models,
        solo_batches=solo,
        batches=tuple(sorted(set(beside))),
        dtype=dtype,
        mode=mode,
        heaviest=_heaviest(models, max(beside), dtype),
        triples=2 if options.quick else 12,
        offset_runs=4 if options.quick else 60 if info.kind == "cuda" else 20,
        priorities=options.priorities,
        quick=options.quick,
    )


def duration_s(text: str) -> float:
    """Return a duration such as `90`, `90s`, `10m` or `1.5h` in seconds.

    Raises:
        SpecError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not seconds > 0:
        raise SpecError(f"{text!r} is not a duration; write 90s, 10m or 1h")
    return seconds


def batches(text: str) -> tuple[int, ...]:
    """Return batch sizes such as `1,2,4`, ascending.

    Raises:
        SpecError: one is no batch size.
    """
    found = set()
    for part in text.split(","):
        if not part.strip().isdecimal() or not 1 <= int(part) <= MAX_BATCH:
            raise SpecError(f"batch size {part.strip()!r} must be a whole number within [1, {MAX_BATCH}]")
        found.add(int(part))
    return tuple(sorted(found))


def _one_of(what: str, value: str, known: Sequence[str], device: str) -> str:
    if value not in known:
        raise SpecError(f"{what} {value!r} is not one that {device} has here: {', '.join(known)}")
    return value


def _heaviest(models: Sequence[str], batch: int, dtype: str) -> Load:
    """Return the load with the most operations: it anchors the others."""
    from stratsim_profiler.zoo.build import facts

    return Load(max(models, key=lambda name: facts(name, dtype).flops or 0.0), batch)
