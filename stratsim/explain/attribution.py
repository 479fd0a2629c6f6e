"""Who slowed whom: the time that a batch's execution lost to others, taken apart over them.

The execution unit of the run's device model runs again over the batches that executed, a pure function of the batch
table: when each batch started, what it would take alone, what it asks of the GPU. In every interval without a change of
co-runners a batch progresses at some rate r and loses 1 - r of the time. With one co-runner that is its doing. With
several the loss is shared by Shapley's value: what each adds to the loss, on average over all orders in which they
could have come. It is the only rule that shares out all of the loss, gives nothing to a batch that does not matter and
the same to equals, and adds up over intervals. Three kernels of demand 0.4 each lose 1/6 together but nothing in pairs:
each of two co-runners then gets half, where "the loss to each of them alone" would be nothing.

Source: Shapley, "A value for n-person games", 1953, for the rule; that it is applied here is our choice.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.device import FluidModel
from stratsim.stats.occupancy import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from stratsim.device import ExecutionModel

    Value = Callable[[tuple[int, ...]], float]
    Span = tuple[float, float]
    Pause = tuple[float, float, float]
    Company = tuple[float, Sequence[Any], Container[int]]
    Known = dict[tuple[Any, ...], list[float]]

__all__ = ["Attribution", "attribute"]

_MOST = 6
"""Co-runners up to which all orders are looked at: 2^n sets. Beyond, each counts by what it would cost alone."""
_MOST_REPLAYED = 4
"""The same where each set is a run of its own."""
_SAME = 1e-9
"""Share of a loss below which what is left over is rounding."""


@dataclass(slots=True)
class Attribution:
    """Interference by victim and culprit."""

    by: dict[int, dict[int, float]] = field(default_factory=dict)
    """By victim: seconds lost to each culprit, in the order in which they started. Ids of batches."""
    other_s: dict[int, float] = field(default_factory=dict)
    """By victim: seconds that no co-runner accounts for, such as copies that share the GPU's memory."""
    overlap: set[int] = field(default_factory=set)
    """Victims whose loss is shared by overlapped time, as the device model can say nothing better."""


class _Row:
    """A batch that executed."""

    __slots__ = ("end_s", "id", "level", "lost_s", "pauses", "solo_s", "start_s", "work")

    def __init__(self, batch_id: int, level: int, values: Sequence[float], work: Any, pauses: Sequence[Pause]) -> None:
        self.id = batch_id
        self.level = level
        self.start_s, self.end_s, self.solo_s, self.lost_s = values
        self.work = work
        self.pauses = pauses

    def intervals(self) -> Iterator[Span]:
        """Yield from when to when it executed, the time in which it was being stopped included."""
        from_s = self.start_s
        for _, gone_s, on_s in self.pauses:
            yield from_s, gone_s
            from_s = on_s
        yield from_s, self.end_s


def attribute(
    batches: pd.DataFrame,
    lost_s: pd.Series[float],
    model: ExecutionModel | None,
    victims: Collection[int],
    pauses: pd.DataFrame | None = None,
) -> Attribution:
    """Return who slowed each of the victims, and by how much; each victim's shares sum to its loss.

    Args:
        batches: The batch table of one run, by batch id.
        lost_s: Interference of each batch, seconds, by batch id.
        model: The run's execution model; None shares by overlapped time.
        victims: Ids of the batches to look at.
        pauses: When batches were stopped: `batch_id`, from when on they did not progress (`off_s`), when the GPU was
            free of them (`gone_s`), when they went on (`on_s`). None: nothing was.
    """
    found = Attribution()
    known: Known = {}
    spans: dict[int, list[Pause]] = defaultdict(list)
    if pauses is not None:
        times = (pauses[name].astype(float) for name in ("off_s", "gone_s", "on_s"))
        for batch, *pause in zip(pauses["batch_id"], *times, strict=True):
            spans[int(batch)].append((pause[0], pause[1], pause[2]))
    wanted = {int(victim) for victim in victims if lost_s[victim] > 0}
    for _, table in batches.groupby("gpu"):
        for rows in _periods(table, lost_s, model, wanted, spans):
            targets = [row for row in rows if row.id in wanted]
            shares = _shares(rows, targets, model, known)
            by_overlap = shares is None
            if shares is None:
                shares = {row.id: _by_overlap(row, rows) for row in targets}
                found.overlap.update(shares)
            for row in targets:
                _balance(found, row, shares[row.id], exact=isinstance(model, FluidModel) and not by_overlap)
    return found


def _shares(
    rows: Sequence[_Row], targets: Sequence[_Row], model: ExecutionModel | None, known: Known
) -> dict[int, dict[int, float]] | None:
    """Return which batches slowed each target in a busy period; None if the device model cannot say."""
    stopped = any(row.pauses for row in rows)
    if isinstance(model, FluidModel):
        if not stopped:
            return _by_rates(_intervals(rows, model), {row.id for row in targets}, model, known)
        if all(len(row.work) == 1 for row in rows):  # one phase: the company alone decides
            return _by_rates(_companies(rows), {row.id for row in targets}, model, known)
        return None
    if model is None or stopped:
        return None
    return {row.id: _by_replays(row, rows, model) for row in targets}


def _periods(
    table: pd.DataFrame,
    lost_s: pd.Series[float],
    model: ExecutionModel | None,
    wanted: set[int],
    spans: Mapping[int, Sequence[Pause]],
) -> Iterator[list[_Row]]:
    """Yield the batches of each busy period of a GPU that holds a victim, in the order in which they started."""
    table = table[table["execution_end_s"].notna()].sort_values("execution_start_s", kind="stable")
    start_s, end_s = (table[name].to_numpy(dtype=float) for name in ("execution_start_s", "execution_end_s"))
    if not len(table):
        return
    first_s, _ = merged(start_s, end_s)
    cuts = [*np.searchsorted(start_s, first_s).tolist(), len(table)]
    has_victim = np.add.reduceat(table.index.isin(wanted).astype(int), cuts[:-1])
    columns = (table["execution_start_s"], table["execution_end_s"], table["solo_s"], lost_s[table.index])
    values = np.stack([column.to_numpy(dtype=float) for column in columns], axis=1)
    ids, models, sizes = (list(column) for column in (table.index, table["model"], table["batch_size"]))
    levels = (table["priority"] == "low").astype(int).tolist()
    for begin, end, count in zip(cuts, cuts[1:], has_victim.tolist(), strict=False):
        if count:
            yield [
                _Row(
                    int(ids[i]),
                    levels[i],
                    values[i].tolist(),
                    model and model.work(models[i], int(sizes[i])),
                    spans.get(int(ids[i]), ()),
                )
                for i in range(begin, end)
            ]


def _balance(found: Attribution, row: _Row, shares: dict[int, float], *, exact: bool) -> None:
    """Make a victim's shares sum to its loss: what they lack is nobody's, what they have too much is taken off all."""
    shares = {culprit: share_s for culprit, share_s in shares.items() if abs(share_s) > _SAME * row.lost_s}
    total_s = sum(shares.values())
    if shares and total_s > 0 and not (exact and total_s <= row.lost_s):
        scale = row.lost_s / total_s
        shares = {culprit: share_s * scale for culprit, share_s in shares.items()}
        total_s = sum(shares.values())
    rest_s = row.lost_s - total_s
    if shares and abs(rest_s) <= _SAME * max(row.lost_s, row.solo_s):
        shares[max(shares, key=shares.__getitem__)] += rest_s
    elif rest_s:
        found.other_s[row.id] = rest_s
    found.by[row.id] = shares


# By the rates of a fluid model ----------------------------------------------------------------------------------------


def _by_rates(
    intervals: Iterable[Company], targets: set[int], model: FluidModel[Any], known: Known
) -> dict[int, dict[int, float]]:
    """Share what each target loses in every interval without a change of co-runners.

    Args:
        intervals: Of each its length, the batches that execute, and those of them that are being stopped: they do not
            progress.
        targets: Ids of the batches to look at.
        model: Says how fast each progresses.
        known: Keeps answers.
    """
    lost: dict[int, dict[int, float]] = {target: defaultdict(float) for target in targets}
    for lasted_s, running, halting in intervals:
        for batch in running:
            if batch.key not in targets or batch.key in halting or len(running) < 2:
                continue
            others = [other for other in running if other is not batch]
            company = (batch.load, *(other.load for other in others))
            shares = known.get(company)
            if shares is None:
                shares = known[company] = _rate_shares(model, company)
            for other, share in zip(others, shares, strict=True):
                lost[batch.key][other.key] += lasted_s * share
    return {target: dict(shares) for target, shares in lost.items()}


def _intervals(rows: Sequence[_Row], model: ExecutionModel) -> Iterator[Company]:
    """Run the period again, and yield each interval without a change of co-runners."""
    unit = model.unit()
    at_s = rows[0].start_s
    for row in rows:
        while unit.next_s <= row.start_s:
            yield unit.next_s - at_s, unit.running, ()
            at_s = unit.next_s
            unit.complete(at_s)
        yield row.start_s - at_s, unit.running, ()
        at_s = row.start_s
        unit.add(at_s, row.id, row.solo_s, row.work, row.level)
    while unit.next_s < inf:
        yield unit.next_s - at_s, unit.running, ()
        at_s = unit.next_s
        unit.complete(at_s)


class _Member(NamedTuple):
    """An executing batch of one phase."""

    key: int
    load: Any


def _companies(rows: Sequence[_Row]) -> Iterator[Company]:
    """Do as `_intervals`, by when batches executed: for runs in which some were stopped."""
    changes = [(at_s, kind, row.id) for row in rows for at_s, kind in _changes(row)]
    changes.sort()
    members = {row.id: _Member(row.id, row.work[0].load) for row in rows}
    running: dict[int, _Member] = {}
    halting: set[int] = set()
    before_s = rows[0].start_s
    for at_s, kind, batch in changes:
        yield at_s - before_s, tuple(running.values()), halting
        before_s = at_s
        if kind == _HALTS:
            halting.add(batch)
        elif kind == _LEAVES:
            del running[batch]
            halting.discard(batch)
        else:
            running[batch] = members[batch]


_HALTS, _LEAVES, _JOINS = range(3)
"""In this order at one instant."""


def _changes(row: _Row) -> Iterator[tuple[float, int]]:
    for off_s, _, _ in row.pauses:
        yield off_s, _HALTS
    for from_s, to_s in row.intervals():
        yield from_s, _JOINS
        yield to_s, _LEAVES


def _rate_shares(model: FluidModel[Any], company: tuple[Any, ...]) -> list[float]:
    """Return the share of time that the first of `company` loses to each of the others."""

    def loss(members: tuple[int, ...]) -> float:
        if not members:
            return 0.0
        return 1.0 - model.rates([company[0], *(company[1 + member] for member in members)])[0]

    return _shared(len(company) - 1, loss, _MOST)


# By runs without some, for models that have no rates ------------------------------------------------------------------


def _by_replays(row: _Row, rows: Sequence[_Row], model: ExecutionModel) -> dict[int, float]:
    """Share by when the batch would have ended with subsets of its co-runners, each starting when it did.

    Batches that were co-located with a co-runner, but not with the batch itself, take part in every subset: they decide
    how far the co-runner has got when it meets the batch.
    """
    others = [other for other in rows if other is not row and _together_s(row, other) > 0]
    beyond = [each for each in rows if any(_together_s(each, other) > 0 for other in others)]
    always = [each for each in beyond if each is not row and each not in others]

    def end_s(members: tuple[int, ...]) -> float:
        chosen = [row, *always, *(others[member] for member in members)]
        return _end_s(model, sorted(chosen, key=lambda each: each.start_s), row.id)

    first_s = end_s(()) if others else 0.0
    shares = _shared(len(others), lambda members: end_s(members) - first_s, _MOST_REPLAYED)
    worth = {other.id: share for other, share in zip(others, shares, strict=True) if share > _SAME * row.solo_s}
    return worth or _by_overlap(row, rows)


def _end_s(model: ExecutionModel, rows: Sequence[_Row], batch_id: int) -> float:
    unit = model.unit()
    for row in rows:
        while unit.next_s <= row.start_s:
            at_s = unit.next_s
            if any(ended.key == batch_id for ended in unit.complete(at_s)):
                return at_s
        unit.add(row.start_s, row.id, row.solo_s, row.work, row.level)
    while True:
        at_s = unit.next_s
        if any(ended.key == batch_id for ended in unit.complete(at_s)):
            return at_s


# Sharing --------------------------------------------------------------------------------------------------------------


def _by_overlap(row: _Row, rows: Sequence[_Row]) -> dict[int, float]:
    """Share the loss by the time for which each of the others was co-located with the batch."""
    together_s = {other.id: _together_s(row, other) for other in rows if other is not row}
    total_s = sum(together_s.values())
    return {other: row.lost_s * share_s / total_s for other, share_s in together_s.items() if share_s > 0}


def _together_s(one: _Row, other: _Row) -> float:
    return sum(
        max(min(end_s, until_s) - max(start_s, from_s), 0.0)
        for start_s, end_s in one.intervals()
        for from_s, until_s in other.intervals()
    )


def _shared(count: int, value: Value, most: int) -> list[float]:
    """Return Shapley's value of each of `count` members, or, of more than `most`, shares by what each does alone.

    Args:
        count: Number of members.
        value: Of a set of members, ascending; 0 of none.
        most: Members up to which all sets are looked at.
    """
    everybody = tuple(range(count))
    if count == 1:
        return [value(everybody)]
    if count > most:
        return _by_pairs(count, value)
    worth = {members: value(members) for size in range(count + 1) for members in combinations(everybody, size)}
    shares = [0.0] * count
    for members, without in worth.items():
        for one in everybody:
            if one not in members:
                gain = worth[tuple(sorted((*members, one)))] - without
                shares[one] += gain / (count * comb(count - 1, len(members)))
    return shares


def _by_pairs(count: int, value: Value) -> list[float]:
    total = value(tuple(range(count)))
    alone = [max(value((one,)), 0.0) for one in range(count)]
    whole = sum(alone)
    return [total * share / whole for share in alone] if whole else [total / count] * count
