"""The parts of a sweep's page that are text and tables."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.results.sweep_rows import KEY
from stratsim_plots.report.heads import facts_list
from stratsim_plots.report.html import Cell, escape, legend, section, table
from stratsim_plots.report.meanings import COLUMNS
from stratsim_plots.report.repeat import command_block
from stratsim_plots.report.sweep.cells import FIGURES
from stratsim_plots.report.tables import MARKS_MEAN, fixed, span
from stratsim_plots.series import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from stratsim.compare.sweep import SweepTable
    from stratsim_plots.report.sweep.cells import Cells, Figure

__all__ = ["again", "head", "notes", "summary", "worst"]

MOST = 2_000
"""Rows of a table of the page."""
_SHORT = 12
"""Digits of a run's name that are shown: `stratsim sweep replay` takes the beginning of one."""


# Head -----------------------------------------------------------------------------------------------------------------


def head(name: str, manifest: dict[str, Any], table_: SweepTable, cells: Cells, origin: str) -> str:
    """Return the title, what was swept, and where each policy is the best."""
    titles = [str(entry["sweep"].get("title")) for entry in manifest["sweeps"] if entry["sweep"].get("title")]
    frame = table_.frame
    said = f"{len(frame)} runs: {_count(len(cells.policies), 'policy', 'policies')} under "
    said += f"{_count(len(cells.places), 'condition', 'conditions')}, {_seeds(frame)}."
    varied = [
        (axis, ", ".join(dict.fromkeys(place[at] for place in cells.places))) for at, axis in enumerate(cells.axes)
    ]
    facts = [("policies", ", ".join(cells.policies)), *varied, *_files(frame, cells), ("figures are", origin)]
    if manifest.get("stratsim_version"):
        facts.append(("stratsim", str(manifest["stratsim_version"])))
    title = "; ".join(dict.fromkeys(titles))
    stop = "" if title.endswith((".", "?", "!")) or not title else "."
    lead = f'<p class="lead">{escape(f"{title}{stop} {said}".strip())}</p>'
    return f"<h1>{escape(name)}</h1>\n{lead}\n{facts_list(facts)}\n{_verdicts(cells)}"


def _files(frame: pd.DataFrame, cells: Cells) -> Iterator[tuple[str, str]]:
    """Yield the profile and the trace where they are the same for all runs."""
    for name in ("profile", "trace"):
        if name in frame and name not in cells.axes:
            names = [Path(text).name for text in dict.fromkeys(frame[name].astype(str)) if text]
            if names:
                yield name, ", ".join(names)


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _seeds(frame: pd.DataFrame) -> str:
    seeds = sorted(frame["seed"].unique().tolist())
    text = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    return text if len(seeds) <= 1 or len(seeds) == seeds[-1] - seeds[0] + 1 else f"{len(seeds)} seeds"


def _verdicts(cells: Cells) -> str:
    """Return under how many conditions a policy has the fewest violations."""
    items = []
    for policy in cells.policies if len(cells.policies) > 1 else ():
        parts = [part for label in CLASSES if (part := _won(cells, policy, label))]
        if parts:
            said = f"has the fewest {' and the fewest '.join(parts)}."
            items.append(f"<li><b>{escape(policy)}</b> {escape(said)}</li>")
    said = "The conditions that count are those in which policies differ by more than chance (★ in the table)."
    return f'<ul class="verdict">{"".join(items)}</ul><p class="note">{said}</p>' if items else ""


def _won(cells: Cells, policy: str, label: str) -> str:
    name = f"{label}_violation"
    own = [(place, found) for place in cells.places if (found := cells.figures.get((place, policy, name))) is not None]
    differ = [found for _, found in own if found.mark != "tied"]
    if not differ:
        return ""
    best = sum(found.mark == "best" for found in differ)
    return f"{label}-priority violations under {best} of {_count(len(differ), 'condition', 'conditions')}"


# The table ------------------------------------------------------------------------------------------------------------


def summary(cells: Cells) -> str:
    """Return means over the seeds, by policy, class and place."""
    columns = ("policy", "class", *cells.axes, "seeds", *(column for column, *_ in FIGURES.values()))
    rows = [
        (policy, label, *place, str(cells.seeds[place, policy]), *_figures(cells, place, policy, label))
        for place in cells.places
        for policy in cells.policies
        if (place, policy) in cells.seeds
        for label in CLASSES
        if (place, policy, f"{label}_violation") in cells.figures or (place, policy, f"{label}_p50_s") in cells.figures
    ]
    return section(
        "summary",
        "Summary",
        '<p class="note">Point at a column’s name to see what it means'
        '<span class="script-only">, press it to sort by it</span>; the list below the table says it too.</p>',
        table(columns, rows[:MOST], COLUMNS | _MEANS, "Policies, classes and conditions"),
        _cut(len(rows), "rows"),
        _SAYS,
        legend(columns, COLUMNS | _MEANS),
    )


_SAYS = (
    '<p class="note">Means over the seeds; small: 95 % t intervals. “dropped”: in a run at least the percentile falls '
    f"among requests without an answer.{MARKS_MEAN.format(of='a class and its conditions')} Policies are compared seed "
    "by seed.</p>"
)
_MEANS = {"seeds": "runs with other arrivals", "load": "arrival rate, as a share of what the GPUs could serve"}


def _cut(count: int, what: str) -> str:
    return f'<p class="note">The first {MOST:,} of {count:,} {what}; --where chooses.</p>' if count > MOST else ""


def _figures(cells: Cells, place: tuple[str, ...], policy: str, label: str) -> Iterator[str | Cell]:
    for name, (_, scale, _) in FIGURES.items():
        yield _cell(cells.figures.get((place, policy, f"{label}_{name}")), scale)


def _cell(found: Figure | None, scale: float) -> str | Cell:
    if found is None:
        return "–"
    if found.infinite:
        return Cell("dropped", math.inf, f"in {found.infinite} of {found.runs}")
    note = "" if math.isnan(found.low) else span(found.low, found.high, scale)
    return Cell(fixed(found.mean, scale), found.mean, note, found.mark)


# Single runs ----------------------------------------------------------------------------------------------------------


def worst(table_: SweepTable, cells: Cells, folder: str, count: int) -> str:
    """Return the runs with the most violations of each class, with the command that repeats each."""
    parts = []
    for label in CLASSES:
        column = f"{label}_violation"
        if column not in table_.frame:
            continue
        rows = (
            table_.frame[table_.frame[column].notna()].sort_values(column, ascending=False, kind="stable").head(count)
        )
        shown = [_run(row, cells, label, folder) for row in rows.to_dict("records")]
        columns = ("policy", *cells.axes, "seed", "violations %", "p99 ms", "to repeat it")
        name = f"{label} priority"
        parts.append(
            f"<h3>{escape(name)}</h3>" + '<div class="commands">' + table(columns, shown, COLUMNS, name) + "</div>"
        )
    said = (
        "The runs with the most violations. A sweep keeps the figures of its runs, not their requests: the command "
        "repeats a run and keeps every request, for <code>stratsim report</code> and <code>stratsim explain</code>."
    )
    return section("worst", "Worst runs", f"<p>{said}</p>", *parts)


def _run(row: dict[Any, Any], cells: Cells, label: str, folder: str) -> tuple[str | Cell, ...]:
    share = float(row[f"{label}_violation"])
    figures = (Cell(fixed(share, 100), share), _ms(row, label))
    return str(row["policy"]), *_where(row, cells), *figures, _replay(folder, row[KEY])


def _where(row: dict[Any, Any], cells: Cells) -> tuple[str, ...]:
    return *(str(row[axis]) for axis in cells.axes), str(int(row["seed"]))


def _ms(row: dict[Any, Any], label: str) -> Cell:
    value = row.get(f"{label}_p99_arrived_s", math.nan)
    if math.isnan(value):
        return Cell("–")
    return Cell("dropped" if math.isinf(value) else fixed(value, 1e3), value)


def _replay(folder: str, key: object) -> str:
    return shlex.join(["stratsim", "sweep", "replay", folder, str(key)[:_SHORT], "--out", "RESULT"])


def _runs(table_: SweepTable, cells: Cells) -> str:
    """Return every run, with its name."""
    columns = ("policy", *cells.axes, "seed", *(f"{label} violations %" for label in CLASSES), "GPU busy %", "ROW")
    rows = [
        (
            str(row["policy"]),
            *_where(row, cells),
            *(_share(row.get(f"{label}_violation", math.nan)) for label in CLASSES),
            _share(row.get("utilization", math.nan)),
            str(row[KEY])[:_SHORT],
        )
        for row in table_.frame.head(MOST).to_dict("records")
    ]
    inner = table(columns, rows, COLUMNS, "Every run") + _cut(len(table_.frame), "runs")
    return f"<details><summary>Every run</summary>{inner}</details>"


def _share(value: float) -> str | Cell:
    return "–" if math.isnan(value) else Cell(fixed(value, 100), value)


def again(manifest: dict[str, Any], table_: SweepTable, cells: Cells, folder: str) -> str:
    """Return how to repeat a run, or the sweep, and what was asked."""
    asked = json.dumps([entry["sweep"] for entry in manifest["sweeps"]], indent=1, ensure_ascii=False)
    versions = [(name, str(found)) for name, found in (manifest.get("environment") or {}).items()]
    versions += [(name, str(manifest[name])) for name in ("code_sha256", "sweeps_sha256") if manifest.get(name)]
    command = shlex.join(["stratsim", "sweep", "replay", folder, "ROW", "--out", "RESULT"])
    resume = shlex.join(["stratsim", "sweep", "resume", folder])
    return section(
        "again",
        "Run it again",
        "<p>One run, with every request. ROW is its name, in the table of every run:</p>",
        command_block(command),
        _runs(table_, cells),
        "<p>The whole sweep: what has a row in results.csv, of this version and these files, is not run again:</p>",
        command_block(resume),
        table(("what", "version or checksum"), versions) if versions else "",
        f"<details><summary>What was asked</summary>{command_block(asked)}</details>",
    )


def notes(found: Sequence[str]) -> str:
    """Return the notes."""
    items = "".join(f"<li>{escape(note)}</li>" for note in found)
    return section("notes", "Notes", f"<ul>{items}</ul>" if items else "<p>None.</p>")
