"""The hypotheses of study 1: what is said, where it is judged, and the figure that is below zero where it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from study_1.coverage import NOMINAL

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["HYPOTHESES", "LOG_HYPOTHESES", "PAIR_HYPOTHESES", "Hypothesis", "LogHypothesis", "PairHypothesis"]

LARGE = 0.6
"""A large relative error."""
RECOVERED = 1.25
"""A predictor has recovered once its error is below this many times its settled one."""
BETTER = 2 / 3
"""A third better."""
NEAR = 0.05
"""Coverage this near to what is nominal counts as right."""


class Cell(Protocol):
    """The rows of one cell of simulated runs."""

    def get(self, predictor: str, kind: str, part: str, name: str = "error") -> Values:
        """Return a figure, one per seed."""


Claim = tuple[str, "Callable[[Any, str], Values]"]
"""What is said, and the figure that is below zero, in the mean over seeds, if it is true."""


class Hypothesis(NamedTuple):
    """A hypothesis about simulated runs: all of its claims must hold."""

    name: str
    text: str
    mix: str
    """The cells that it is about."""
    kind: str
    """The kind of prediction that it is judged by; the others are told beside it."""
    claims: tuple[Claim, ...]


def _in_between(ewma: str) -> tuple[Claim, ...]:
    return (
        (f"{ewma} is better than gpulet", lambda c, k: c.get(ewma, k, "all") - c.get("gpulet", k, "all")),
        (f"rls is better than {ewma}", lambda c, k: c.get("rls", k, "all") - c.get(ewma, k, "all")),
    )


def _recovers() -> tuple[Claim, ...]:
    return (
        ("rls has recovered", lambda c, k: c.get("rls", k, "recovering") - RECOVERED * c.get("rls", k, "settled")),
        ("rls is a third better", lambda c, k: c.get("rls", k, "later") - BETTER * c.get("gpulet", k, "later")),
    )


def _covers(predictor: str, interval: str) -> tuple[Claim, ...]:
    def coverage(cell: Cell, kind: str) -> Values:
        return cell.get(predictor, kind, "all", f"{interval}_coverage")

    return (
        ("covers often enough", lambda c, k: NOMINAL - NEAR - coverage(c, k)),
        ("covers not too often", lambda c, k: coverage(c, k) - NOMINAL - NEAR),
    )


HYPOTHESES = (
    Hypothesis(
        "H1",
        "coarse static prediction underestimates, by more than 60 % at worst",
        "stationary",
        "snapshot",
        (
            ("gpulet is biased downwards", lambda c, k: c.get("gpulet", k, "all", "bias")),
            ("the worst underestimate is past 60 %", lambda c, k: LARGE - c.get("gpulet", k, "all", "worst_under")),
        ),
    ),
    Hypothesis("H2a", "EWMA of features lies in between", "stationary", "realised", _in_between("ewma-features")),
    Hypothesis("H2b", "EWMA of pairs lies in between", "stationary", "realised", _in_between("ewma-pairs")),
    Hypothesis(
        "H3",
        "static prediction degrades when the mix shifts",
        "shifting",
        "realised",
        (("gpulet is worse after", lambda c, k: c.get("gpulet", k, "before") - c.get("gpulet", k, "after")),),
    ),
    Hypothesis("H4", "RLS recovers from a shifted mix, and is a third better", "shifting", "realised", _recovers()),
    Hypothesis("H5", "RLS recovers from a slower device, and is a third better", "slower", "realised", _recovers()),
    Hypothesis(
        "H6",
        "features: of pairs not measured before, RLS knows more at the first meetings than averages of pairs",
        "stationary",
        "realised",
        (
            (
                "rls is better than ewma-pairs at the first meetings",
                lambda c, k: c.get("rls", k, "first met") - c.get("ewma-pairs", k, "first met"),
            ),
        ),
    ),
    Hypothesis(
        "H7",
        "memory: of pairs not measured before, RLS is a third better after twenty meetings than at the first",
        "stationary",
        "realised",
        (("rls is a third better", lambda c, k: c.get("rls", k, "met often") - BETTER * c.get("rls", k, "first met")),),
    ),
    Hypothesis("H8a", "the intervals of RLS cover as they say", "stationary", "realised", _covers("rls", "own")),
    Hypothesis(
        "H8b", "the intervals of the EWMA of pairs cover as they say", "stationary", "realised",
        _covers("ewma-pairs", "own"),
    ),
    Hypothesis(
        "H8c", "intervals of recent errors about RLS cover as they say", "stationary", "realised",
        _covers("rls", "recent"),
    ),
)  # fmt: skip


# Pairs --------------------------------------------------------------------------------------------------------------


class PairHypothesis(NamedTuple):
    """A hypothesis about measured pairs; `get(predictor, split)` gives the mean error of each replicate."""

    name: str
    text: str
    claims: tuple[tuple[str, Callable[[Callable[[str, str], Values]], Values]], ...]


PAIR_HYPOTHESES = (
    PairHypothesis(
        "P1",
        "features: of pairs never seen, RLS knows more than averages of pairs",
        (
            (
                "rls is better than ewma-pairs on pairs left out",
                lambda get: get("rls", "left out by pair") - get("ewma-pairs", "left out by pair"),
            ),
        ),
    ),
    PairHypothesis(
        "P2",
        "memory: once a changed device was observed, RLS is a third better than gpulet on what it saw",
        (
            (
                "rls is a third better than gpulet",
                lambda get: get("rls", "shift, seen") - BETTER * get("gpulet", "shift, seen"),
            ),
        ),
    ),
    PairHypothesis(
        "P3",
        "memory helps features: what RLS saw of a changed device makes it better on pairs not seen since",
        (
            (
                "rls is better than its start, which does not learn",
                lambda get: get("rls", "shift, unseen") - get("static-pairs", "shift, unseen"),
            ),
        ),
    ),
)


# Measured logs ------------------------------------------------------------------------------------------------------


class LogHypothesis(NamedTuple):
    """A hypothesis about live runs; `get(predictor, figure, arm)` gives a figure of each batch."""

    name: str
    text: str
    part: str
    """`rest`: judged in each run, after the card's first hundred batches; `early`: in each card's first two hundred."""
    cells: int
    """In how many runs it is judged: their intervals hold together."""
    claims: tuple[tuple[str, Callable[[Callable[..., Values]], Values]], ...]


def _log_covers(predictor: str, interval: str) -> tuple[tuple[str, Callable[[Callable[..., Values]], Values]], ...]:
    figure = f"{interval}-coverage"
    return (
        ("covers often enough", lambda get: NOMINAL - NEAR - get(predictor, figure)),
        ("covers not too often", lambda get: get(predictor, figure) - NOMINAL - NEAR),
    )


_RUNS, _CARDS = 4, 2

LOG_HYPOTHESES = (
    LogHypothesis(
        "L1", "coarse static prediction underestimates", "rest", _RUNS,
        (("gpulet is biased downwards at the start of an execution", lambda get: get("gpulet", "snapshot-bias")),),
    ),
    LogHypothesis(
        "L2", "who is co-located matters: gpulet is better than a constant fitted to the same pairs", "rest", _RUNS,
        (("gpulet is better than constant-fitted", lambda get: get("gpulet") - get("constant-fitted")),),
    ),
    LogHypothesis(
        "L3", "smoothing helps: EWMA of pairs is better than gpulet", "rest", _RUNS,
        (("ewma-pairs is better than gpulet", lambda get: get("ewma-pairs") - get("gpulet")),),
    ),
    LogHypothesis(
        "L4", "learning helps: RLS is better than the same model that does not learn", "rest", _RUNS,
        (("rls is better than static-pairs", lambda get: get("rls") - get("static-pairs")),),
    ),
    LogHypothesis(
        "L5", "the finer model is worth it: RLS is better than EWMA of pairs", "rest", _RUNS,
        (("rls is better than ewma-pairs", lambda get: get("rls") - get("ewma-pairs")),),
    ),
    LogHypothesis(
        "L6", "another card's log is worth something: with it RLS is better in its first 200 batches", "early", _CARDS,
        (("carried is better than own", lambda get: get("rls", "error", "carried") - get("rls")),),
    ),
    LogHypothesis(
        "L7", "cards are alike: RLS that learned on the other card alone stays within 1.25 times the error", "rest",
        _RUNS,
        (("frozen is within 1.25 times own", lambda get: get("rls", "error", "frozen") - RECOVERED * get("rls")),),
    ),
    LogHypothesis("L8a", "the intervals of RLS cover as they say", "rest", _RUNS, _log_covers("rls", "own")),
    LogHypothesis(
        "L8b", "the intervals of the EWMA of pairs cover as they say", "rest", _RUNS, _log_covers("ewma-pairs", "own")
    ),
    LogHypothesis(
        "L8c", "intervals of recent errors about RLS cover as they say", "rest", _RUNS, _log_covers("rls", "recent")
    ),
)  # fmt: skip
