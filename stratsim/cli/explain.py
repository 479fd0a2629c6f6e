"""`stratsim explain`."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo, heading, number, rounded_ms, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim.explain.explanation import Explanation
    from stratsim.explain.parts import Run

__all__ = ["explain"]

_BAR = 30
"""Characters of a bar that stands for all of a latency."""
_TOP = 8
"""Pairs that a summary shows."""
_WIDTH = 100
_DIGITS = 4
"""Significant digits of the times of one request; means and sums have fewer."""


@click.command(
    epilog="""\b
Examples:
  stratsim explain results/demo --summary                       why each policy loses, in one page
  stratsim explain results/demo --worst 3 --policy edf --class high
  stratsim explain results/demo --request 4711                  the same request through every policy
  stratsim explain results/demo --worst 20 --status late --json | jq '.explanations[].cause.kind'

docs/how-to/explain-a-request.md reads one with you; docs/reference/metrics.md defines the parts.
"""
)
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--request", "requests", type=int, multiple=True, metavar="ID", help="This request. May be repeated.")
@click.option(
    "--worst",
    type=click.IntRange(min=1, max=10_000),
    metavar="N",
    help="The N that fared worst, at most 10000: late, dropped, unfinished, then met.",
)
@click.option(
    "--summary", is_flag=True, help="Mean parts by class, why requests violated their deadlines, who slowed whom."
)
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME", help="Only this run. May be repeated. [default: all]"
)
@click.option("--class", "priority", type=click.Choice(["high", "low"]), help="With --worst: only of this class.")
@click.option(
    "--status", type=click.Choice(["late", "dropped", "met", "unfinished"]), help="With --worst: only those ended so."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
def explain(
    directory: str,
    requests: tuple[int, ...],
    worst: int | None,
    summary: bool,
    policies: tuple[str, ...],
    priority: str | None,
    status: str | None,
    as_json: bool,
) -> None:
    """Say where the time of requests went, and which decision made a late one late.

    DIR is what `stratsim replay --out DIR` wrote. The parts of a request sum to its latency: waiting for dispatch,
    copies and what other copies cost them, its batch's execution alone, and what each co-located batch added.
    """
    _check(requests, worst, summary, priority, status)
    from stratsim.explain.parts import read_run
    from stratsim.results.machine import find_machine
    from stratsim.results.read import read_results

    stored = read_results(directory)
    machine = find_machine(stored)
    if not as_json:
        for note in machine.notes:
            echo(f"note: {note}: {_INSTEAD}", err=True)
    runs = [read_run(stored, policy, machine) for policy in dict.fromkeys(policies or stored.policies)]
    if summary:
        _summary(runs, as_json)
    else:
        _requests(runs, requests, worst, priority, status, as_json)


_INSTEAD = "interference is shared by overlapped time, and contention is not separated from copying"


def _check(requests: Sequence[int], worst: int | None, summary: bool, priority: str | None, status: str | None) -> None:
    chosen = {"--request": bool(requests), "--worst": worst is not None, "--summary": summary}
    given = [name for name, is_given in chosen.items() if is_given]
    if not given:
        raise click.UsageError("say what to explain: one of --request ID, --worst N and --summary")
    if len(given) > 1:
        raise click.UsageError(f"say {' or '.join(given)}, not {'both' if len(given) == 2 else 'all'}")
    if worst is None and (priority or status):
        raise click.UsageError("--class and --status choose among the worst; they go with --worst")


# Requests -------------------------------------------------------------------------------------------------------------


def _requests(
    runs: Sequence[Run],
    requests: Sequence[int],
    worst: int | None,
    priority: str | None,
    status: str | None,
    as_json: bool,
) -> None:
    found = {run.policy: _explained(run, requests, worst, priority, status) for run in runs}
    if as_json:
        every = [each.as_dict() for explained in found.values() for each in explained]
        echo(json.dumps({"explanations": every}, allow_nan=False))
        return
    for policy, explained in found.items():
        for each in explained:
            _show(each)
        if not explained:
            echo(f"no {_described(priority, status)} in {policy}")


def _described(priority: str | None, status: str | None) -> str:
    return " ".join([*([status] if status else []), *([f"{priority}-priority"] if priority else []), "request"])


def _explained(
    run: Run, requests: Sequence[int], count: int | None, priority: str | None, status: str | None
) -> list[Explanation]:
    from stratsim.explain import verdict

    chosen = list(dict.fromkeys(requests)) if count is None else verdict.worst(run, count, priority, status)
    batches = run.requests["batch_id"].reindex(chosen).dropna().astype(int).unique()
    interference = verdict.interference_of(run, batches)
    return [verdict.explain(run, request, interference) for request in chosen]


def _show(about: Explanation) -> None:
    heading(f"request {about.request}, {about.policy}: {about.model} ({about.priority}), {about.status}")
    echo(_facts(about))
    if about.parts:
        echo()
        _show_parts(about)
    if about.slowed_by:
        echo()
        _show_others(about)
    echo()
    if about.cause is not None:
        echo(f"cause: {about.cause.kind}")
    echo(textwrap.fill(about.verdict, _WIDTH))


def _facts(about: Explanation) -> str:
    facts = [f"arrived at {about.arrival_s:.6f} s"]
    if about.deadline_s is not None:
        facts.append(f"deadline after {_ms(about.deadline_s - about.arrival_s)}")
    if about.latency_s is not None:
        facts.append(f"back after {_ms(about.latency_s)}")
    if about.alone_s is not None:
        facts.append(f"alone {_ms(about.alone_s)}")
    if about.batch is not None:
        facts.append(f"batch {about.batch} (x{about.batch_size}) on GPU {about.gpu}")
    return ", ".join(facts)


def _show_parts(about: Explanation) -> None:
    from stratsim.explain.parts import PARTS

    latency_s = about.latency_s or 0.0
    rows = [
        (PARTS[name], rounded_ms(part_s, _DIGITS), _percent(part_s, latency_s), _bar(part_s, latency_s))
        for name, part_s in about.parts.items()
        if part_s
    ]
    table(("part", "ms", "%", " " * _BAR), [*rows, ("latency", rounded_ms(latency_s, _DIGITS), "100", " " * _BAR)])
    if about.batching_s:
        echo(f"of its execution, {_ms(about.batching_s)} are for the others in its batch")


def _show_others(about: Explanation) -> None:
    rows = [
        (
            other.name,
            str(other.batch),
            "after it" if other.later else "before it",
            rounded_ms(other.interference_s or 0.0, _DIGITS),
        )
        for other in about.slowed_by
    ]
    if about.other_interference_s:
        rows.append(("copies in the GPU's memory", "-", "-", rounded_ms(about.other_interference_s, _DIGITS)))
    table(("slowed by", "batch", "dispatched", "ms"), rows, left=3)
    if about.by_overlap:
        echo("shared by the time for which each was co-located with it")


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def _bar(part: float, whole: float) -> str:
    """Return a bar of fixed width: blocks where the terminal can show them."""
    mark = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    filled = round(_BAR * part / whole) if whole else 0
    return (mark * filled).ljust(_BAR)


def _ms(seconds: float) -> str:
    return f"{rounded_ms(seconds, _DIGITS)} ms"


# Summaries ------------------------------------------------------------------------------------------------------------


def _summary(runs: Sequence[Run], as_json: bool) -> None:
    from stratsim.explain.aggregate import aggregate

    found = [aggregate(run) for run in runs]
    if as_json:
        echo(json.dumps({"summaries": found}, allow_nan=False))
        return
    for each in found:
        heading(each["policy"])
        _show_counts(each["classes"])
        echo()
        _show_means(each["classes"])
        for show, title in ((_show_pairs, "pairs"), (_show_blockers, "blockers")):
            if each[title]:
                echo()
                show(each[title])


def _show_counts(classes: Mapping[str, Mapping[str, Any]]) -> None:
    for name, figures in classes.items():
        causes = ", ".join(f"{kind} {count}" for kind, count in figures["causes"].items())
        echo(
            f"{name}: {figures['answered']} answered, {figures['late']} of them late, {figures['dropped']} dropped"
            + (f"; violated because: {causes}" if causes else "")
        )


_COLUMNS = (("mean_parts_s", "all"), ("late_mean_parts_s", "late"), ("slowest_mean_parts_s", "slowest 1 %"))


def _show_means(classes: Mapping[str, Mapping[str, Any]]) -> None:
    from stratsim.explain.parts import PARTS

    columns = [(f"{name} {title}", classes[name][key]) for name in classes for key, title in _COLUMNS]
    columns = [(title, parts) for title, parts in columns if parts is not None]
    if not columns:
        return
    rows = [
        (PARTS[part], *(rounded_ms(parts[part]) for _, parts in columns))
        for part in PARTS
        if any(parts[part] for _, parts in columns)
    ]
    total = ("latency", *(rounded_ms(sum(parts.values())) for _, parts in columns))
    table(("mean of part, ms", *(title for title, _ in columns)), [*rows, total])


def _show_pairs(pairs: Iterable[Mapping[str, Any]]) -> None:
    rows = [
        (
            f"{pair['victim']} ({pair['victim_class']}) <- {pair['culprit']} ({pair['culprit_class']})",
            str(pair["executions"]),
            rounded_ms(pair["total_s"]),
            rounded_ms(pair["late_s"]),
        )
        for pair in list(pairs)[:_TOP]
    ]
    table(("interference: victim <- culprit", "executions", "ms in all", "ms of late requests"), rows)


def _show_blockers(blockers: Iterable[Mapping[str, Any]]) -> None:
    rows = [
        (f"{blocker['class']} <- {blocker['model']} ({blocker['model_class']})", number(blocker["requests"]))
        for blocker in list(blockers)[:_TOP]
    ]
    table(("on the GPUs when violated requests had to go", "requests"), rows)
