"""What a user of a fitted profile should know, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim_profiler.fit.summary import Sharing, Summary

__all__ = ["caveats_of"]

_POOR_LINK = 0.1
_MANY_DISCARDED = 0.1
_UNREST = 0.05


def caveats_of(summary: Summary) -> tuple[str, ...]:
    """Return one sentence per thing to beware of, the most important first."""
    return tuple(_all(summary))


def _all(summary: Summary) -> Iterator[str]:
    if not summary.good:
        yield summary.verdict
    yield from _unrest(summary)
    yield from _launch_bound(summary)
    if summary.sharing is not None:
        yield from _sharing(summary.sharing)
    yield from _transfers(summary)
    yield from _discarded(summary)
    yield from _left_out(summary)


def _unrest(summary: Summary) -> Iterator[str]:
    drift = summary.measured.drift
    if drift is not None and drift > _UNREST:
        yield (
            f"the device was not quiet: from just before a co-location to just after it, solo times changed by "
            f"{drift:.0%} (median); no fit can be much better than that"
        )


def _launch_bound(summary: Summary) -> Iterator[str]:
    loads = [str(load) for load, figures in summary.measured.solo.items() if figures.launch_bound]
    if loads:
        how = (
            ""
            if summary.launcher is None
            else f"; the launcher's model predicts their cells to {summary.launcher.mean:.0%}"
        )
        yield f"launch-bound, so left out of the fit of demand and weight: {', '.join(loads)}{how}"
    fitted = set() if summary.sharing is None else {load.model for load in summary.sharing.fit.loads}
    unknown = sorted(set(summary.measured.models) - fitted)
    if fitted and unknown:
        yield f"not co-located with success, so with demand 1 and weight 1 in the profile: {', '.join(unknown)}"


def _sharing(sharing: Sharing) -> Iterator[str]:
    unknown = [f"{found.kind} of {found.load}" if found.load else found.kind for found in sharing.not_identified]
    if unknown:
        yield f"not identified by these measurements: {', '.join(unknown)}"
    terms = sharing.terms
    if terms is not None and terms.needed and sharing.rule == "streams":
        yield (
            f"the fit improves beyond chance (p = {terms.p_value:.1g}) with a sub-saturation term of "
            f"{terms.terms.sub_saturation:.3g} and a thrash term of {terms.terms.thrash:.3g}; "
            "the profile holds the plain fit"
        )
    if _several_batches(sharing) and not _law_tested(sharing):
        yield "no batch sizes but the fitted ones were co-located: the law between batch sizes is untested"
    if sharing.clock is not None and sharing.clock[1] < 0.01:
        yield f"slowdowns change with the clock (exponent {sharing.clock[0]:.2f}, p = {sharing.clock[1]:.1g})"
    if sharing.capped_cells:
        yield f"{sharing.capped_cells} cells ran under a software power cap; they are kept, as co-location may cause it"


def _law_tested(sharing: Sharing) -> bool:
    left_out = any(score is not None for score in sharing.law_scores.values())
    return left_out or sharing.row("other batch sizes") is not None


def _several_batches(sharing: Sharing) -> bool:
    return len({load.batch for load in sharing.fit.loads}) > 1


def _transfers(summary: Summary) -> Iterator[str]:
    for direction, fit in summary.transfers.pinned.items():
        if fit.median_error > _POOR_LINK:
            yield f"{direction} copies do not follow alpha + bytes / rate: median error {fit.median_error:.0%}"
        if fit.rejected:
            sizes = ", ".join(str(size) for size in fit.rejected)
            yield f"{direction} copies of these sizes are outliers and were left out: {sizes} bytes"
    if any(fit.sharing == "parallel" for fit in summary.transfers.engines.values()):
        yield "concurrent copies run faster together than one by one; a profile cannot say so: they share one link"


def _left_out(summary: Summary) -> Iterator[str]:
    left_out = summary.measured.left_out
    if left_out:
        yield f"left out of the fit, {len(left_out)}: {'; '.join(left_out)}"


def _discarded(summary: Summary) -> Iterator[str]:
    count = len(summary.measured.discarded)
    kept = len(summary.measured.cells) + len(summary.measured.solo)
    if count > _MANY_DISCARDED * max(1, count + kept):
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(summary.discarded.items()))
        yield f"{count} attempts were discarded ({reasons})"
