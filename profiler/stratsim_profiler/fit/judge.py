"""Fits how co-located models share the device, and judges the fit on what it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fit.baselines import Constant, Gpulet, KernelQueue, Streams
from stratsim.fit.batches import LAWS
from stratsim.fit.cells import Cell, Load
from stratsim.fit.holdout import SPLITS, Row, cross_validate, leave_one_batch_out, on_held_out
from stratsim.fit.identify import intervals, singular_values
from stratsim.fit.queue import fit_queue
from stratsim.fit.scores import Score, score
from stratsim.fit.sharing import fit_sharing
from stratsim_profiler.fit.assumptions import below_saturation, clock_effect, needs_terms, saturated_work
from stratsim_profiler.fit.solo import kernel_lengths, solo_features
from stratsim_profiler.fit.summary import RULES, Sharing
from stratsim_profiler.fit.walk import measured_slowdowns, offset_slowdowns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.fit.baselines import Predictor
    from stratsim.model.interpolate import Interpolation
    from stratsim_profiler.fit.extract import Measured
    from stratsim_profiler.samples import Offset

__all__ = ["fit_and_judge"]

_IN_SAMPLE = "in-sample"


def fit_and_judge(measured: Measured, *, starts: int = 8, gpu: bool = True) -> Sharing | None:
    """Fit the rules of sharing, and everything that says how far to trust them; None without cells to fit.

    The profile's rule is the one with the smaller error when pairs of models are left out in turn. The cells that the
    plan holds out have no say in that: they judge the rule that was chosen.

    Args:
        measured: The samples.
        starts: Starting points of the final fit.
        gpu: Whether kernels queue for a block scheduler. On a CPU threads get time slices, and what torch.profiler
            counts there are operators.
    """
    cells = measured.training
    if not cells:
        return None
    fit = fit_sharing(cells, starts=starts)
    law_scores = {law: leave_one_batch_out(cells, Streams(law=law)) for law in LAWS}
    law = _best_law(law_scores)
    terms = needs_terms(cells, fit)
    features, described = solo_features(measured)
    rivals: list[Predictor] = [Streams(law=law), Constant(), Gpulet(features)]
    if terms is not None and terms.needed:
        rivals.insert(1, Streams(terms=terms.fit.problem.terms, law=law, name="streams + terms"))
    length_s = kernel_lengths(measured) if gpu else None
    queue = None if length_s is None else fit_queue(cells, length_s)
    if length_s is not None:
        rivals.insert(0, KernelQueue(length_s))
    rows = tuple(_rows(measured, rivals))
    capped = [cell for cell in cells if cell.power_capped]
    return Sharing(
        rule=_best_rule(rows),
        queue=queue,
        queue_intervals=() if queue is None else intervals(queue),
        queue_singular_values=() if queue is None else singular_values(queue),
        fit=fit,
        intervals=intervals(fit),
        singular_values=singular_values(fit),
        rows=rows,
        law=law,
        law_scores=law_scores,
        saturated=saturated_work(cells, fit.shares),
        below=below_saturation(cells, fit.shares),
        terms=terms,
        clock=clock_effect(cells, fit.shares),
        uncapped=_without(cells, capped),
        capped_cells=len(capped),
        features=described,
    )


def _best_law(scores: Mapping[Interpolation, Score | None]) -> Interpolation:
    judged: dict[Interpolation, float] = {law: found.mean for law, found in scores.items() if found is not None}
    return min(judged, key=lambda law: judged[law]) if judged else "linear"


def _best_rule(rows: Sequence[Row]) -> str:
    """Return the rule that predicts pairs left out best; `streams` where none could be judged."""
    errors = {
        row.predictor: row.score.mean
        for row in rows
        if row.split == "leave-one-pair-out" and row.predictor in RULES and row.score is not None
    }
    return min(errors, key=lambda name: errors[name]) if errors else RULES[0]


def _without(cells: Sequence[Cell], capped: Sequence[Cell]) -> Score | None:
    """Return how well a fit to the cells that were not power-capped predicts these."""
    rest = [cell for cell in cells if not cell.power_capped]
    if not capped or not rest:
        return None
    guesses = Streams().fit(rest).predict(rest)
    return score([g for guess in guesses for g in guess], [s for cell in rest for s in cell.slowdowns])


def _rows(measured: Measured, rivals: Sequence[Predictor]) -> Iterator[Row]:
    cells = measured.training
    fitted = [rival.fit(cells) for rival in rivals]
    for one in fitted:
        yield on_held_out(_IN_SAMPLE, cells, one)
    for split in SPLITS:
        yield from (cross_validate(split, cells, rival) for rival in rivals)
    for name, some in _held_out_sets(measured):
        yield from (on_held_out(name, some, one) for one in fitted)
    if measured.offsets:
        yield from _offset_rows(measured.offsets, fitted)


def _held_out_sets(measured: Measured) -> Iterator[tuple[str, list[Cell]]]:
    """Yield the cells that no fit has seen, by what they are; loads that were not fitted are a set of their own."""
    fitted = {load for cell in measured.training for load in cell.loads}
    known = [cell for cell in measured.held_out if set(cell.loads) <= fitted]
    sets = {
        "held-out pairs": [cell for cell in known if len(cell.loads) == 2],
        "held-out triples": [cell for cell in known if len(cell.loads) > 2],
        "other batch sizes": [cell for cell in measured.held_out if not set(cell.loads) <= fitted],
    }
    yield from ((name, some) for name, some in sets.items() if some)


def _offset_rows(runs: Sequence[Offset], fitted: Sequence[Predictor]) -> Iterator[Row]:
    """Judge the walk over runs that overlap in part; a baseline's slowdown counts for the whole run."""
    truths = [slowdown for run in runs for slowdown in measured_slowdowns(run)]
    for one in fitted:
        guesses = [guess for run in runs for guess in _offset_guess(run, one)]
        yield Row("offset runs", one.name, score(guesses, truths))


def _offset_guess(run: Offset, fitted: Predictor) -> Sequence[float]:
    loads = tuple(Load(stream.model, stream.batch) for stream in run.streams)
    if isinstance(fitted, Streams | KernelQueue):
        return offset_slowdowns(run, fitted.rates)
    return fitted.predict([Cell(loads, (1.0,) * len(loads))])[0]
