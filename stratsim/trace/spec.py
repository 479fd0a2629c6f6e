"""The workload rule as a user writes it: what fills the gaps of a trace.

Decoded strictly from TOML (`load_rule`): an unknown key, or two keys that exclude each other, is an error that names
the path. `docs/reference/traces.md` shows every key with an example.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.model.toml import read_toml
from stratsim.trace.fields import parse_columns, split_columns

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = [
    "DEFAULT_LOAD",
    "HIGH_SHARE",
    "MLPERF_BOUNDS_S",
    "SLO_FACTORS",
    "ClosedLoopRule",
    "ModelRule",
    "ModelSloRule",
    "PriorityRule",
    "SloRule",
    "WorkloadRule",
    "load_rule",
]

DEFAULT_LOAD = 0.7
"""Load of a trace that has no rate of its own, as a share of the batch-1 exclusive saturation. Our choice."""
HIGH_SHARE = 0.3
"""Share of high-priority requests. Our choice."""
SLO_FACTORS = {Priority.HIGH: 5.0, Priority.LOW: 10.0}
"""Deadlines as multiples of the solo latency at batch 1 with transfers. Our choice."""

MLPERF_BOUNDS_S = {"resnet50": 0.015, "ssd-resnet34": 0.1, "bert": 0.13, "dlrm": 0.03, "rnnt": 1.0}
"""Server-scenario bounds on the 99th percentile latency, seconds (published).

Source: mlcommons/inference @ 0edaaf5, mlperf.conf.
"""


def _positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise SpecError(f"{name} must be > 0 and finite, got {value!r}")


def _at_most_one(where: str, **values: object) -> None:
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        raise SpecError(f"{where}: {' and '.join(given)} exclude each other")


class ModelRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model a request asks for: a random mix, or a column of the trace.

    Args:
        mix: Shares by model, in any unit; none means all models of the profile in equal shares.
        column: Column that decides instead.
        edges: Increasing limits: a number below `edges[0]` gives `names[0]`, from `edges[0]` to below `edges[1]`
            `names[1]`, and so on.
        names: One model more than there are edges.
        round_robin: Deal the distinct values of the column, most frequent first, out over these models in turn.
        values: Model by value of the column.
    """

    mix: dict[str, float] | None = None
    column: str | None = None
    edges: list[float] | None = None
    names: list[str] | None = None
    round_robin: list[str] | None = None
    values: dict[str, str] | None = None

    def __post_init__(self) -> None:
        _at_most_one("models", mix=self.mix, column=self.column)
        _at_most_one("models", edges=self.edges, round_robin=self.round_robin, values=self.values)
        if self.mix is not None:
            self._check_mix(self.mix)
        ways = (self.edges, self.round_robin, self.values)
        if self.column is None and any(way is not None for way in ways):
            raise SpecError("edges, round_robin and values need a column")
        if self.column is not None and all(way is None for way in ways):
            raise SpecError("column needs edges with names, round_robin, or values")
        if self.round_robin is not None and not self.round_robin:
            raise SpecError("round_robin is empty")
        self._check_edges()

    @staticmethod
    def _check_mix(mix: dict[str, float]) -> None:
        for model, share in mix.items():
            if not 0 <= share < math.inf:
                raise SpecError(f"share of {model!r} must be >= 0 and finite, got {share!r}")
        if not sum(mix.values()) > 0:
            raise SpecError("mix has no share above 0")

    def _check_edges(self) -> None:
        if (self.edges is None) != (self.names is None):
            raise SpecError("edges and names go together")
        if self.edges is None or self.names is None:
            return
        if len(self.names) != len(self.edges) + 1:
            raise SpecError(f"names must have one entry more than edges, has {len(self.names)} for {len(self.edges)}")
        if any(math.isnan(edge) for edge in self.edges) or sorted(set(self.edges)) != self.edges:
            raise SpecError(f"edges must increase, got {self.edges}")


class PriorityRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests have high priority: a random share, or those on one side of a column's threshold.

    Args:
        high_share: Share of each model's requests, drawn at random.
        column: Column that decides instead.
        high_below: High if the number is below this.
        high_from: High if the number is this or more.
        high_values: High if the value is one of these.
    """

    high_share: float | None = None
    column: str | None = None
    high_below: float | None = None
    high_from: float | None = None
    high_values: list[str] | None = None

    def __post_init__(self) -> None:
        ways = {"high_below": self.high_below, "high_from": self.high_from, "high_values": self.high_values}
        _at_most_one("priority", high_share=self.high_share, column=self.column)
        _at_most_one("priority", **ways)
        if (self.column is not None) != any(way is not None for way in ways.values()):
            raise SpecError("column goes together with one of high_below, high_from, high_values")
        if self.high_share is not None and not 0 <= self.high_share <= 1:
            raise SpecError(f"high_share must be within [0, 1], got {self.high_share!r}")


class ModelSloRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deadlines of one model, or of all: absolute, or as a multiple of the solo latency at batch 1 with transfers."""

    high_s: float | None = None
    high_ms: float | None = None
    high_x_solo: float | None = None
    low_s: float | None = None
    low_ms: float | None = None
    low_x_solo: float | None = None

    def __post_init__(self) -> None:
        high = {"high_s": self.high_s, "high_ms": self.high_ms, "high_x_solo": self.high_x_solo}
        low = {"low_s": self.low_s, "low_ms": self.low_ms, "low_x_solo": self.low_x_solo}
        _positive(**high, **low)
        _at_most_one("slo", **high)
        _at_most_one("slo", **low)

    def seconds(self, priority: Priority, solo_s: float) -> float | None:
        """Return the deadline of a class, seconds after the arrival; None if the rule does not say."""
        label = priority.label
        absolute_s, absolute_ms = getattr(self, f"{label}_s"), getattr(self, f"{label}_ms")
        factor = getattr(self, f"{label}_x_solo")
        if absolute_s is not None:
            return float(absolute_s)
        if absolute_ms is not None:
            return float(absolute_ms) / 1e3
        return None if factor is None else float(factor) * solo_s


class SloRule(ModelSloRule, frozen=True, forbid_unknown_fields=True):
    """Deadlines.

    Args:
        none: True: nobody has a deadline.
        bounds: `mlperf`: each model's MLPerf server bound, for both classes.
        models: Exceptions by model.
    """

    none: bool = False
    bounds: Literal["mlperf"] | None = None
    models: dict[str, ModelSloRule] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        classes = any(self.seconds(priority, 1.0) is not None for priority in Priority)
        if self.none and (classes or self.bounds or self.models):
            raise SpecError("slo: none excludes every other key")
        if self.bounds and classes:
            raise SpecError("slo: bounds excludes deadlines per class; use models for exceptions")


class ClosedLoopRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What closed-loop clients lack.

    Args:
        think_s: Pause between a reply and the next request, seconds.
        think_ms: The same in milliseconds.
    """

    think_s: float | None = None
    think_ms: float | None = None

    def __post_init__(self) -> None:
        _at_most_one("closed_loop", think_s=self.think_s, think_ms=self.think_ms)
        for value in (self.think_s, self.think_ms):
            if value is not None and not 0 <= value < math.inf:
                raise SpecError(f"think time must be >= 0 and finite, got {value!r}")

    @property
    def seconds(self) -> float:
        """The think time, seconds; 0 if nothing is said."""
        return self.think_s if self.think_s is not None else (self.think_ms or 0.0) / 1e3


class WorkloadRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What fills the gaps of a trace; `WorkloadRule()` is the default rule.

    Args:
        models: Which models; default all of the profile, equal shares.
        priority: Which classes; default 30 % high.
        slo: Which deadlines; default 5 x solo (high) and 10 x solo (low). If it is given, it also applies to traces
            that say they have no deadlines.
        closed_loop: What closed-loop clients lack.
        compress: Divide all times of a trace with real times by this. Without effect, and with a note, where a load
            sets the rate.
        columns: Columns of the trace by field, COLUMN[:UNIT] each (`stratsim.trace.fields`), for its reading.
    """

    models: ModelRule = ModelRule()
    priority: PriorityRule = PriorityRule()
    slo: SloRule | None = None
    closed_loop: ClosedLoopRule = ClosedLoopRule()
    compress: float = 1.0
    columns: dict[str, str] = {}

    def __post_init__(self) -> None:
        _positive(compress=self.compress)
        parse_columns(self.columns)

    def columns_with(self, said: Iterable[str] | str | None) -> dict[str, str]:
        """Return what to read the trace's columns as: as `said` (`FIELD=COLUMN[:UNIT]` each), else by this rule.

        A rule that looks at the column `priority` wants its values as they are, not only high and low.
        """
        raw = {"priority": ""} if self.priority.column == "priority" else {}
        return raw | self.columns | split_columns(said)


def load_rule(path: str | os.PathLike[str]) -> WorkloadRule:
    """Read a workload rule from a TOML file.

    Raises:
        SpecError: the file cannot be read, is not TOML, or holds something unknown; the message names the path.
    """
    content = read_toml(Path(path))
    try:
        return msgspec.convert(content, type=WorkloadRule)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {error}") from None
