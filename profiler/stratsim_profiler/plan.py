"""Which cells to measure, in which order, within a time budget.

What every profile needs comes first: the models, their solo times, plain copies. The other groups (copies of one model,
anchors, pairs, triples, offsets, stressors) are interleaved, so that wherever a run ends, by its budget or by Ctrl-C,
it has measured about the same share of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from stratsim_profiler.device.base import Inference, Stress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim_profiler.device.base import Work
    from stratsim_profiler.samples import Direction, Role

__all__ = ["Cell", "Copies", "Load", "Plan", "Request", "within_budget"]

_PLANNED_SHARE = 0.95
"""Share of the budget that is planned; the rest is for cells that are measured twice."""

Kind = Literal["model", "transfer", "solo", "kernels", "colocation", "offset"]


@dataclass(frozen=True, slots=True, order=True)
class Load:
    """A model at a batch size."""

    model: str
    batch: int

    def __str__(self) -> str:
        return f"{self.model}@{self.batch}"


@dataclass(frozen=True, slots=True)
class Copies:
    """A way of copying; the fields are those of `stratsim_profiler.samples.Transfer`."""

    direction: Direction
    pinned: bool
    concurrent: int = 1
    bidirectional: bool = False
    beside: str | None = None
    devices: int = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to measure.

    Args:
        id: Its name, unique in a plan and stable between runs.
        kind: Which measurement it is.
        role: As in `stratsim_profiler.samples.Colocation`.
        loads: The models that take part, one per stream.
        stress: The stressor that takes part, on the last stream.
        copies: The way of copying.
        priorities: Priority of each stream; empty for none.
        held_out: Whether the fit must not see it.
        estimate_s: How long it takes, about.
        rank: Smaller ranks are measured first.
    """

    id: str
    kind: Kind
    role: Role = "pair"
    loads: tuple[Load, ...] = ()
    stress: Stress | None = None
    copies: Copies | None = None
    priorities: tuple[int, ...] = ()
    held_out: bool = False
    estimate_s: float = 0.0
    rank: float = 0.0

    def works(self, dtype: str, mode: str) -> list[Work]:
        """Return what each stream runs."""
        works: list[Work] = [Inference(load.model, load.batch, dtype, mode) for load in self.loads]
        return [*works, self.stress] if self.stress is not None else works

    @property
    def model_group(self) -> str:
        """Its models, without repeats, sorted: what is held out together."""
        return "+".join(sorted({load.model for load in self.loads}))

    @property
    def group(self) -> str:
        """What it counts as in summaries: its kind, or its role where it is a co-location."""
        return self.role if self.kind == "colocation" else self.kind


@dataclass(frozen=True, slots=True)
class Request:
    """What a run shall measure; the plan follows from it alone, so that an interrupted run finds its cells again.

    Args:
        models: Names of models.
        solo_batches: Batch sizes that are measured alone.
        batches: Batch sizes that are measured with co-runners; part of `solo_batches`.
        dtype: Data type.
        mode: Execution mode.
        pairs: Most pairs.
        triples: Triples.
        offset_runs: Runs with offsets.
        heaviest: The load that anchors others: the one with the most operations.
        priorities: Whether pairs are measured with stream priorities as well.
        quick: Whether the settings are for a quick run.
    """

    models: tuple[str, ...]
    solo_batches: tuple[int, ...]
    batches: tuple[int, ...]
    dtype: str
    mode: str
    heaviest: Load
    pairs: int = 60
    triples: int = 12
    offset_runs: int = 20
    priorities: bool = False
    quick: bool = False

    @property
    def loads(self) -> tuple[Load, ...]:
        """The loads that are measured with co-runners."""
        return tuple(Load(model, batch) for model in self.models for batch in self.batches)


@dataclass(frozen=True, slots=True)
class Plan:
    """Cells, in the order of measurement.

    Args:
        cells: What to measure.
        left_out: What the budget leaves out.
        budget_s: The budget; None for none.
    """

    cells: tuple[Cell, ...]
    left_out: tuple[Cell, ...] = ()
    budget_s: float | None = None

    @property
    def estimate_s(self) -> float:
        """How long it takes, about."""
        return sum(cell.estimate_s for cell in self.cells)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return how many cells of each group are planned and left out."""
        groups = dict.fromkeys(cell.group for cell in (*self.cells, *self.left_out))
        return {
            group: (
                sum(cell.group == group for cell in self.cells),
                sum(cell.group == group for cell in self.left_out),
            )
            for group in groups
        }

    def as_record(self) -> dict[str, Any]:
        """Return what the samples file's header says of the plan."""
        return {
            "budget_s": self.budget_s,
            "estimate_s": round(self.estimate_s, 1),
            "cells": {group: planned for group, (planned, _) in self.counts().items()},
            "left_out": [cell.id for cell in self.left_out],
        }


def within_budget(cells: Sequence[Cell], budget_s: float | None, spent_s: Mapping[str, float] | None = None) -> Plan:
    """Return a plan of the cells, ordered by rank, that fit a budget; what does not fit is left out.

    Cells of rank 0 are planned always: without them there is no profile.

    Args:
        cells: All cells of a request.
        budget_s: Time for all of them; None for no limit.
        spent_s: Time that cells took which have been measured already, by their names.
    """
    taken = [replace(cell, estimate_s=(spent_s or {}).get(cell.id, cell.estimate_s)) for cell in cells]
    ordered = sorted(taken, key=lambda cell: (cell.rank, cell.id))
    if budget_s is None:
        return Plan(tuple(ordered))
    spent, kept, left = 0.0, [], []
    for cell in ordered:
        if cell.rank <= 0 or spent + cell.estimate_s <= _PLANNED_SHARE * budget_s:
            kept.append(cell)
            spent += cell.estimate_s
        else:
            left.append(cell)
    return Plan(tuple(kept), tuple(left), budget_s)
