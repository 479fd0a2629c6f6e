"""What only the simulated hardware knows: parameters of the contention models, one section per model.

Nothing here reaches a policy or a predictor: `Profile.for_scheduler` copies the observable section alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim.model.contention import Blocks, GpuletFit, Igniter, ResourcePhase, Sharing, check_phases, check_table
from stratsim.model.kernel_queue import KernelQueue  # noqa: TC001 (files are decoded by these types)
from stratsim.model.parts import fraction, not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Decide", "Host", "Sharing", "Speeds", "Transfers", "Truth"]


@dataclass(frozen=True, slots=True)
class Decide:
    """How long a policy thinks before it starts something: log-normal.

    Args:
        median_s: Seconds.
        sigma: Standard deviation of the logarithm; 0: always the same.
    """

    median_s: float
    sigma: float = 0.0

    def __post_init__(self) -> None:
        positive("", median_s=self.median_s)
        not_negative("", sigma=self.sigma)


@dataclass(frozen=True, slots=True)
class Speeds:
    """A host with two speeds, between which it switches after exponential times: a Markov process of two states.

    Args:
        fast: Factor on what the host takes while it is fast.
        slow: The same while it is slow.
        fast_s: How long it stays fast on average, seconds.
        slow_s: How long it stays slow.
    """

    fast: float
    slow: float
    fast_s: float
    slow_s: float

    def __post_init__(self) -> None:
        positive("", fast=self.fast, slow=self.slow, fast_s=self.fast_s, slow_s=self.slow_s)
        if self.slow < self.fast:
            raise ProfileError(f"slow must be at least fast, {self.fast!r}, got {self.slow!r}")


@dataclass(frozen=True, slots=True)
class Host:
    """What the host's software adds to the device's own times. 0 costs nothing, in results and in speed.

    Args:
        dispatch_s: Time that the host needs for a dispatch before the copy of the inputs can begin, seconds. The host
            is one thread for all GPUs: dispatches wait for each other.
        launch_s: Between "inputs there and slot free" and the first kernel, seconds; the slot is held meanwhile.
        notice_s: From the end of a stage on the device until the policy knows of it, seconds; only then is the slot of
            an executed batch given to the next.
        collect_s: From the end of an execution until the copy of its outputs can begin, seconds; 0 where the device
            goes on by itself.
        decide_s: By the name of a policy: how long it thinks before a dispatch; it holds the host as a dispatch does.
            0 for others. That a policy looks and starts nothing costs next to nothing.
        speeds: How its speed changes, which is a factor on all of these but `notice_s`; None: it does not change.
    """

    dispatch_s: float = 0.0
    launch_s: float = 0.0
    notice_s: float = 0.0
    collect_s: float = 0.0
    decide_s: dict[str, Decide] = field(default_factory=dict)
    speeds: Speeds | None = None

    def __post_init__(self) -> None:
        held = {"dispatch_s": self.dispatch_s, "launch_s": self.launch_s}
        not_negative("", **held, notice_s=self.notice_s, collect_s=self.collect_s)

    @property
    def adds(self) -> bool:
        """Whether it adds anything."""
        return bool(self.dispatch_s or self.launch_s or self.notice_s or self.collect_s or self.decide_s)


@dataclass(frozen=True, slots=True)
class Transfers:
    """How concurrent copies share the copy engines and the link of one GPU.

    Args:
        engines: Copy engines per direction; 0 means one engine that serves both directions.
        chunk_bytes: Size of the chunks that an engine serves round robin over waiting copies; None serves whole
            copies, first in first out.
        duplex: Kappa, within [0.5, 1]: both directions of a link together carry at most `kappa x` the sum of their
            rates. 1 is full duplex.
        h2d_share: Share of the H2D direction where both directions together are full: 0.5 is fair, 0 serves D2H first,
            1 serves H2D first.
    """

    engines: int = 1
    chunk_bytes: int | None = None
    duplex: float = 1.0
    h2d_share: float = 0.5

    def __post_init__(self) -> None:
        not_negative("", engines=self.engines)
        if self.chunk_bytes is not None:
            positive("", chunk_bytes=self.chunk_bytes)
        if not 0.5 <= self.duplex <= 1:  # below, one direction alone would not reach its rate
            raise ProfileError(f"duplex must be within [0.5, 1], got {self.duplex!r}")
        fraction("", h2d_share=self.h2d_share)


@dataclass(frozen=True, slots=True)
class Truth:
    """What only the simulated hardware knows: a section per execution model, and one for the links.

    Tables are by model and batch size. Between batch sizes figures are linear, beyond the first and last constant.

    Args:
        sharing: Of `streams`. A model without an entry has demand 1 and weight 1 (processor sharing).
        transfers: How copies share engines and links; None: one engine per direction, first in first out, full duplex.
        noise_cv: Run-to-run coefficient of variation of a batch's solo execution time, for all models.
        noise_cvs: The same of single models.
        roofline: Phases of `roofline`. A model without an entry has one phase, derived from its features.
        blocks: Of `block-priority`.
        partitions: Share of the GPU that each model's partition has, for `gpulet` and `igniter`; equal parts for as
            many batches as may execute at once where a model has no entry.
        gpulet: Of `gpulet`.
        igniter: Of `igniter`.
        kernel_queue: Of `kernel-queue`.
        host: What the host's software adds; None: nothing.
    """

    sharing: dict[str, dict[int, Sharing]] = field(default_factory=dict)
    transfers: Transfers | None = None
    noise_cv: float = 0.0
    roofline: dict[str, dict[int, tuple[ResourcePhase, ...]]] = field(default_factory=dict)
    blocks: Blocks | None = None
    partitions: dict[str, float] = field(default_factory=dict)
    gpulet: GpuletFit | None = None
    igniter: Igniter | None = None
    kernel_queue: KernelQueue | None = None
    host: Host | None = None
    noise_cvs: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        not_negative("", noise_cv=self.noise_cv)
        not_negative("", **{f"noise_cvs[{model!r}]": cv for model, cv in self.noise_cvs.items()})
        for model, shared in self.sharing.items():
            check_table(f"sharing[{model!r}]", shared)
        for model, table in self.roofline.items():
            check_table(f"roofline[{model!r}]", table)
            for batch, phases in table.items():
                check_phases(f"roofline[{model!r}][{batch}]", phases)
        for model, share in self.partitions.items():
            if not 0 < share <= 1:
                raise ProfileError(f"partitions[{model!r}] must be within (0, 1], got {share!r}")

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield each section that names models, with each model that it names."""
        sections: dict[str, Iterable[str]] = {
            "sharing": self.sharing,
            "roofline": self.roofline,
            "blocks.kernels": self.blocks.kernels if self.blocks else (),
            "partitions": self.partitions,
            "igniter.models": self.igniter.models if self.igniter else (),
            "noise_cvs": self.noise_cvs,
        }
        if self.kernel_queue is not None:
            sections |= {f"kernel_queue.{table}": models for table, models in self.kernel_queue.named().items()}
        for section, models in sections.items():
            yield from ((f"truth.{section}", model) for model in models)
