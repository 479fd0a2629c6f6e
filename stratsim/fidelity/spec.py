"""What a grid of live runs is: a TOML file.

    title = "Simulated against live, on this CPU"
    device = "cpu"
    profile = "results/cpu.json"
    policies = ["fifo", "priority-edf", "strait"]
    loads = [0.5, 0.7, 0.85]
    repeats = 5
    seconds = 30

    [settings]
    max_concurrency = 1

    [workload.models.mix]
    resnet50 = 1
    distilbert = 1

    [quick]
    loads = [0.7]
    policies = ["fifo"]
    repeats = 1

Decoded strictly: an unknown key or an impossible value is an error that names the file and the path inside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.model.codec import decode
from stratsim.model.toml import read_toml
from stratsim.plugins import allow_code
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.spec import make_spec
from stratsim.trace.spec import WorkloadRule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Grid", "load_grid", "make_grid"]

_ELSEWHERE = (
    *(
        "trace",
        "trace_format",
        "columns",
        "ticks",
        "strict",
        "workload",
        "policy",
        "profile",
        "gpus",
        "load",
        "limit",
        "rate_scale",
    ),
    *("warmup_s", "seed"),
)
"""Settings of a run that a grid sets in another way."""

_LEAST_SERVED = 20
"""Fewer executions are no measurement."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Loads, policies and repeats, and how each run is made.

    Args:
        title: What it is.
        profile: Of the device; name or file.
        device: What serves: `cuda:INDEX`, `cpu` or `cpu:CORES`.
        policies: One or more, with parameters.
        loads: Shares of the saturation that is measured first.
        repeats: Of each load and policy; all repeats of a load have the same arrivals.
        seconds: During which requests arrive, of one run.
        warmup_s: What arrives before is not counted, seconds.
        saturation_s: Length of the burst that measures load 1, seconds, as the profile would have it.
        calibrate: Whether to measure the host's overheads and the scatter of executions first, in a run per load.
        served: Executions of each model at each batch size in another run, that measures how long they take where they
            are served; 0 leaves the profile's latencies. With `calibrate` only.
        served_s: How long that run may take, seconds, by the profile; a grid whose run takes longer is refused.
        seed: Of the arrivals, and of whatever policies draw.
        dtype: Data type of the models; the server's choice by default.
        mode: How a GPU is given its kernels; the server's choice by default.
        settings: As for a replay: `max_concurrency`, `max_batch`, `prefetch`, `drop`.
        workload: Mix of models, classes, deadlines.
        quick: Fields that are different with `--quick`.
    """

    title: str
    profile: str
    device: str
    policies: tuple[str, ...]
    loads: tuple[float, ...]
    repeats: int = 5
    seconds: float = 30.0
    warmup_s: float = 1.0
    saturation_s: float = 10.0
    calibrate: bool = True
    served: int = 30
    served_s: float = 600.0
    seed: int = 1
    dtype: str | None = None
    mode: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    workload: WorkloadRule = field(default_factory=WorkloadRule)
    quick: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.policies or not self.loads:
            raise SpecError("policies and loads must not be empty")
        if len(set(self.policies)) < len(self.policies) or len(set(self.loads)) < len(self.loads):
            raise SpecError("a policy or a load is listed twice")
        if self.repeats < 1:
            raise SpecError(f"repeats must be at least 1, got {self.repeats}")
        if self.served and self.served < _LEAST_SERVED:
            raise SpecError(f"served must be 0 or at least {_LEAST_SERVED}, got {self.served}")
        named = {name: getattr(self, name) for name in ("seconds", "saturation_s", "served_s")}
        for name, value in (*named.items(), *(("loads", load) for load in self.loads)):
            if not 0 < value < math.inf:
                raise SpecError(f"{name} must be > 0 and finite, got {value!r}")
        if not 0 <= self.warmup_s < self.seconds:
            raise SpecError(f"warmup_s must be within [0, seconds), got {self.warmup_s!r}")
        for policy in self.policies:
            for call in parse_policies(policy):
                make_policy(call)
        for name in self.settings:
            if name in _ELSEWHERE:
                raise SpecError(f"settings: {name} is set by the grid itself")
        make_spec(self.settings, "settings")


def load_grid(path: str | Path, *, quick: bool = False) -> tuple[Grid, dict[str, Any]]:
    """Read a grid.

    Args:
        path: A TOML file.
        quick: Apply its `[quick]` table.

    Returns:
        The grid, and the plain data that it was made from, for the record.

    Raises:
        SpecError: the file cannot be read, or says something unknown or impossible.
    """
    data = read_toml(path)
    allow_code(data)  # the file is the user's own
    make_grid(data, path)  # a mistake must show with or without --quick
    if quick:
        data = data | data.get("quick", {})
    return make_grid(data, path), data


def make_grid(data: Mapping[str, Any], source: object = "grid") -> Grid:
    """Return the grid that plain data describes.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    known = [each.name for each in fields(Grid)]
    for name in data.get("quick", {}):
        if name not in known or name == "quick":
            raise SpecError(f"{source}: quick: unknown field {name!r}; {suggest(name, known)}")
    return decode(dict(data), Grid, source)
