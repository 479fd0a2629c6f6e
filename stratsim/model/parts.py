"""The parts that profiles are made of, and the checks that they use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from stratsim.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_BATCH", "Device", "Features", "Kernels", "Kind", "Link", "Pageable", "Pcie", "Provenance"]
__all__ += ["all_of", "batch_sizes", "fraction", "not_negative", "positive"]

MAX_BATCH = 4096
"""Largest batch size that a profile may name: tables are dense in it, and a slip must not fill the memory."""

Kind = Literal["measured", "imported", "published", "synthetic"]


def all_of(*checks: Callable[[], None]) -> None:
    """Run every check; raise one ProfileError with a line for each that failed."""
    problems = []
    for check in checks:
        try:
            check()
        except ProfileError as problem:
            problems.append(str(problem))
    if problems:
        raise ProfileError("\n".join(problems))


def positive(where: str, **values: float) -> None:
    """Require figures > 0 and finite."""
    wrong = [
        f"{where}{name} must be > 0 and finite, got {value!r}"
        for name, value in values.items()
        if not (value > 0 and math.isfinite(value))
    ]
    if wrong:
        raise ProfileError("\n".join(wrong))


def not_negative(where: str, **values: float) -> None:
    """Require figures >= 0 and finite."""
    wrong = [
        f"{where}{name} must be >= 0 and finite, got {value!r}"
        for name, value in values.items()
        if not (value >= 0 and math.isfinite(value))
    ]
    if wrong:
        raise ProfileError("\n".join(wrong))


def fraction(where: str, **values: float) -> None:
    """Require figures within [0, 1]."""
    wrong = [
        f"{where}{name} must be within [0, 1], got {value!r}" for name, value in values.items() if not (0 <= value <= 1)
    ]
    if wrong:
        raise ProfileError("\n".join(wrong))


def batch_sizes(where: str, *sizes: int) -> None:
    """Require batch sizes that a profile may name."""
    wrong = [size for size in sizes if not 1 <= size <= MAX_BATCH]
    if wrong:
        text = f"{where}: batch sizes must be within [1, {MAX_BATCH}], got"
        raise ProfileError("\n".join(f"{text} {size}" for size in wrong))


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a field's figures come from.

    Args:
        kind: `measured` on the device itself by whoever wrote the file, `imported` from the file of a tool that
            measured it (`stratsim profile import`), `published` by others and quoted or derived
            by arithmetic, `synthetic`: estimated, assumed, fitted or simulated.
        source: Who, where, which version; or how it was estimated.
        licence: Licence of the source, where it has one.
        note: What a reader should beware of.
    """

    kind: Kind
    source: str
    licence: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ProfileError("source is empty")


@dataclass(frozen=True, slots=True)
class Device:
    """The GPU as its vendor specifies it. None: not known.

    Args:
        name: The vendor's name.
        memory_bytes: Size of its memory.
        memory_bandwidth_bytes_per_s: Peak bandwidth of its memory.
        peak_flops: Peak operations per second in the precision that the models ran in.
        sms: Number of streaming multiprocessors.
        l2_bytes: Size of its L2 cache.
    """

    name: str
    memory_bytes: int | None = None
    memory_bandwidth_bytes_per_s: float | None = None
    peak_flops: float | None = None
    sms: int | None = None
    l2_bytes: int | None = None

    def __post_init__(self) -> None:
        names = ("memory_bytes", "memory_bandwidth_bytes_per_s", "peak_flops", "sms", "l2_bytes")
        known = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        positive("", **known)


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a host link: a copy of `bytes` takes `alpha_s + bytes / bytes_per_s` when alone."""

    alpha_s: float
    bytes_per_s: float

    def __post_init__(self) -> None:
        all_of(partial(not_negative, "", alpha_s=self.alpha_s), self._check_rate)

    def _check_rate(self) -> None:
        if not self.bytes_per_s > 0:  # inf is legal: a link that is not simulated
            raise ProfileError(f"bytes_per_s must be > 0, got {self.bytes_per_s!r}")

    def copy_s(self, size_bytes: float) -> float:
        """Return the solo duration of one copy, seconds; copying nothing takes no time."""
        return self.alpha_s + size_bytes / self.bytes_per_s if size_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Pageable:
    """Both directions of the host link with pageable host memory, which the driver copies through a pinned buffer."""

    h2d: Link
    d2h: Link


@dataclass(frozen=True, slots=True)
class Pcie:
    """Both directions of the host link, pinned memory.

    Args:
        h2d: Towards the device.
        d2h: Towards the host.
        pageable: The same with pageable memory; None: not known.
    """

    h2d: Link
    d2h: Link
    pageable: Pageable | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """Solo intensity of a model at one batch size, each as a fraction of the device's peak."""

    compute: float
    memory: float
    l2: float | None = None

    def __post_init__(self) -> None:
        l2 = {} if self.l2 is None else {"l2": self.l2}
        fraction("", compute=self.compute, memory=self.memory, **l2)


@dataclass(frozen=True, slots=True)
class Kernels:
    """Kernel statistics of one inference at batch 1. None: not known.

    Args:
        count: Kernels launched per inference.
        mean_s: Mean duration of a kernel, seconds.
        max_s: Duration of the longest, seconds: how long a preemption at a kernel boundary may have to wait.
    """

    count: int
    mean_s: float
    max_s: float | None = None

    def __post_init__(self) -> None:
        longest = {} if self.max_s is None else {"max_s": self.max_s}
        positive("", count=self.count, mean_s=self.mean_s, **longest)
