"""Records of a run: its header, the state of the device, what was thrown away, notes, and cells that are complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["SAMPLES_SCHEMA", "Conditions", "Discarded", "Done", "Header", "Note", "Telemetry"]

SAMPLES_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of the device while a cell was measured; None where nothing could be read.

    Args:
        readings: How many readings the figures come from.
        sm_mhz: Mean clock of the multiprocessors (of the cores, on a CPU), MHz: the covariate of the fit.
        sm_mhz_min: Smallest reading of it.
        power_w: Mean power draw, watts.
        temperature_c: Highest reading, degrees Celsius.
        power_capped: A software power cap held the clock down at some time. The samples are kept: a cap that
            co-location causes is contention too.
        throttle: Names of all reasons seen for a clock below the highest.
        foreign_load: Share of the device's cores that other processes used; on a CPU only.
    """

    readings: int = 0
    sm_mhz: float | None = None
    sm_mhz_min: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    power_capped: bool = False
    throttle: tuple[str, ...] = ()
    foreign_load: float | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """First line of the file: what was measured, on what, and how.

    Args:
        schema: Must be `SAMPLES_SCHEMA`.
        tool_version: Version of stratsim that measured.
        started: Date and time, ISO 8601 with a time zone.
        device: The device: `kind` (cuda or cpu), `name`, `memory_bytes` and whatever else the device layer knows.
        environment: Software versions and the state of the device at the start.
        plan: What the run meant to measure: models, batch sizes, dtype, mode, cells, and cells left out by the budget.
        settings: Warm-up, window, settle time and the other settings of the measurement.
    """

    kind: ClassVar[str] = "header"
    schema: int
    tool_version: str
    started: str
    device: dict[str, Any]
    environment: dict[str, Any]
    plan: dict[str, Any]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Readings of the device over one window of the run.

    Args:
        time_s: Start of the window, since the start of the run.
        window_s: Its length.
        conditions: What was read.
        memory_mhz: Mean memory clock.
        memory_used_bytes: Largest reading of the memory in use.
        pcie_generation: Current PCIe generation.
        pcie_width: Current PCIe width, lanes.
        foreign_processes: Process ids of others on the device.
    """

    kind: ClassVar[str] = "telemetry"
    time_s: float
    window_s: float
    conditions: Conditions
    memory_mhz: float | None = None
    memory_used_bytes: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    foreign_processes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Discarded:
    """Samples that were thrown away.

    Args:
        cell: Cell of the plan.
        reason: `thermal`, `external`, `foreign-process`, `foreign-load`, `overlap`, `iterations`, `drift`, `memory` or
            `error`.
        detail: What was seen.
        attempt: 1 for the first attempt at the cell.
    """

    kind: ClassVar[str] = "discarded"
    cell: str
    reason: str
    detail: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the profile should know: a warning, a cell left out, a resumption."""

    kind: ClassVar[str] = "note"
    cell: str
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """A cell of the plan is complete; its records stand above.

    Args:
        cell: Cell of the plan.
        spent_s: Wall-clock time that it took.
    """

    kind: ClassVar[str] = "done"
    cell: str
    spent_s: float
