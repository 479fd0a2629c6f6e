"""The last section: notes, and what was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim_plots.report.checks import check_run
from stratsim_plots.report.html import escape, legend, section, table
from stratsim_plots.report.meanings import CHECKED
from stratsim_plots.series import origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.explain.parts import Run
    from stratsim.results.read import StoredResults
    from stratsim_plots.series import Series

__all__ = ["notes_section"]

_WINDOW = "The summary counts a measuring window only; causes, latencies, worst requests and timeline those of all."


def notes_section(
    stored: Sequence[StoredResults],
    names: Sequence[str],
    chosen: Sequence[Series],
    runs: Sequence[Run],
    more: Sequence[str],
) -> str:
    """Return the section; `more` are notes on the page itself."""
    notes = [small] if (small := origin(stored)) else []
    notes += list(_of_folders(stored, names))
    notes += [*dict.fromkeys(note for run in runs for note in run.machine.notes), *more]
    if any(series.figures.get("window_s") is not None for series in chosen):
        notes.append(_WINDOW)
    rows = [
        (series.label, check.text, "holds" if not check.wrong else f"fails for {check.wrong}", str(check.of))
        for run, series in zip(runs, chosen, strict=True)
        for check in check_run(run, series)
    ]
    checked = {f"{key} {name}": says for key, name, says in CHECKED}
    after = dict.fromkeys(_after(each.manifest) for each in stored)
    return section(
        "notes",
        "Notes and checks",
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>" if notes else "",
        "<h3>Checked again for this page, from the tables</h3>",
        _checked(rows),
        "<h3>Checked by stratsim after every run</h3>",
        *(f"<p>{escape(text)}</p>" for text in after),
        legend(checked, checked, "The ten invariants"),
    )


def _checked(rows: Sequence[tuple[str, ...]]) -> str:
    """Return the statements: folded where all hold."""
    failed = sum(result != "holds" for _, _, result, _ in rows)
    said = f"All {len(rows)} statements hold" if not failed else f"{failed} of {len(rows)} statements fail"
    inner = table(("policy", "statement", "result", "looked at"), rows, title="Statements")
    return f"<details{' open' if failed else ''}><summary>{escape(said)}</summary>{inner}</details>"


def _of_folders(stored: Sequence[StoredResults], names: Sequence[str]) -> Iterator[str]:
    """Yield the notes of the runs; one that not all folders have is said with its folder."""
    by_note: dict[str, list[str]] = {}
    for name, each in zip(names, stored, strict=True):
        for note in each.manifest.get("notes") or ():
            by_note.setdefault(str(note), []).append(name)
    for note, said_by in by_note.items():
        yield note if len(said_by) == len(stored) else f"{', '.join(said_by)}: {note}"


def _after(manifest: Mapping[str, Any]) -> str:
    """Return what became of the checks that follow a run."""
    if not manifest.get("spec"):
        return "The manifest does not say what wrote this result, so it is not known whether these were checked."
    if not manifest.get("live"):
        return "A replay that breaks one of these ends with an error and leaves no result: this one broke none."
    broken = [str(line) for run in manifest["live"].get("runs") or () for line in run.get("broken_invariants") or ()]
    text = "Of a live run, whose times are measured, what compares with simulated lengths (parts of I3) is left out. "
    return text + (f"Broken: {'; '.join(broken)}." if broken else "None was broken.")
