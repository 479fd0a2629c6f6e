"""Launch-bound cells: streams that wait for one launching process, not for the device.

One process enqueues the inferences of all its streams, one after the other. When that takes longer than the device
needs, an inference of each stream takes as long as enqueueing one of every stream:

    time of i with others = max(time of i alone, sum over all streams of their enqueue times)

There is nothing to fit; the error on the measured cells says whether the launcher explains them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fit.scores import Score, score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.fit.cells import Cell, Load
    from stratsim_profiler.fit.extract import SoloFigures

__all__ = ["launcher_score", "launcher_slowdowns"]


def launcher_slowdowns(cell: Cell, solo: Mapping[Load, SoloFigures]) -> tuple[float, ...]:
    """Return the slowdown of each stream when the launcher alone sets the pace."""
    figures = [solo[load] for load in cell.loads]
    cycle = sum(figure.enqueue_s or 0.0 for figure in figures)
    return tuple(max(1.0, cycle / figure.seconds) for figure in figures)


def launcher_score(cells: Sequence[Cell], solo: Mapping[Load, SoloFigures]) -> Score | None:
    """Return the error of the launcher's model on launch-bound cells; None without any that can be judged."""
    known = [cell for cell in cells if all(load in solo and solo[load].enqueue_s is not None for load in cell.loads)]
    guesses = [guess for cell in known for guess in launcher_slowdowns(cell, solo)]
    return score(guesses, [slowdown for cell in known for slowdown in cell.slowdowns])
