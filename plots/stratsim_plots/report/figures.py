"""The report's figures as SVG elements of the page, each with its data."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import MissingExtraError, SpecError
from stratsim_plots.report.html import csv_link, escape, section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from stratsim.results.read import StoredResults
    from stratsim_plots.series import Options

__all__ = ["Drawn", "draw_figures", "inline_svg", "need_matplotlib"]

_SHOWN = {
    "violations": ("stratsim_plots.violations", "Violations", "Share of arrived requests that failed, and how."),
    "latency-ccdf": (
        "stratsim_plots.latency_ccdf",
        "Tail of the latency",
        "Fraction of all requests that took longer, or were never answered.",
    ),
    "latency-parts": (
        "stratsim_plots.latency_parts",
        "Where the time went",
        "Mean parts of the latency of answered requests, and of the slowest 1 % of them.",
    ),
}


class Drawn(NamedTuple):
    """The figures' section."""

    html: str
    notes: tuple[str, ...]
    """What could not be drawn, one line each."""


def draw_figures(stored: Sequence[StoredResults], options: Options) -> Drawn:
    """Draw what can be drawn: without matplotlib nothing is, and the section and a note say so."""
    try:
        need_matplotlib()
    except MissingExtraError as error:
        note = f"the page has no figures: {error}"
        return Drawn(
            section("figures", "Figures", f"<p>There are no figures in this page: {escape(str(error))}</p>"), (note,)
        )
    from stratsim_plots import style

    parts, notes = [], []
    with style.styled():
        for name, (module, title, says) in _SHOWN.items():
            try:
                parts.append(_figure(import_module(module), name, title, says, stored, options))
            except SpecError as error:
                notes.append(f"no figure {name}: {error}")
    parts += [f'<p class="note">{escape(note)}</p>' for note in notes]
    return Drawn(section("figures", "Figures", '<div class="figures">', *parts, "</div>"), tuple(notes))


def need_matplotlib() -> None:
    """Raise `MissingExtraError` where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots")


def _figure(module: Any, name: str, title: str, says: str, stored: Sequence[StoredResults], options: Options) -> str:
    frame = module.data(stored, options)
    svg = inline_svg(module.draw(frame, stored, options), name, title)
    link = csv_link(f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"), "data (CSV)")
    return f"<figure>{svg}<figcaption><b>{escape(title)}.</b> {escape(says)} {link}</figcaption></figure>"


_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_NAMED = {"#000000": "ink", "#ffffff": "paper", "#d0d0d0": "grid", "#606060": "soft"}
"""Colours of the page, that change with it where it is dark; those that mean something stay."""
_COLOURS = re.compile(rf"((?:fill|stroke): )({'|'.join(_NAMED)})", re.IGNORECASE)
_IDS = re.compile(r'(\bid="|url\(#|href="#)')


def inline_svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an SVG element that can stand in a page with others.

    Ids get a prefix, so that two figures of a page do not share any; what is about the file (declaration, metadata) is
    left out, and so is the size: the page decides. Black, white and grey are the page's own, so that it can be dark.

    Args:
        figure: The figure.
        name: The prefix.
        title: What it is called for those who cannot see it.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = _METADATA.sub("", _HEAD.sub("", buffer.getvalue().decode(), count=1))
    width_in = figure.get_figwidth()
    text = _IDS.sub(rf"\g<1>{name}-", text)
    text = _COLOURS.sub(lambda found: f"{found[1]}var(--{_NAMED[found[2].lower()]})", text)
    text = text.replace("*{", f"#{name} *{{", 1)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    return (
        f'{head} id="{name}" role="img" aria-label="{escape(title)}" style="max-width:{width_in * 1.65:.2f}in">{rest}'
    )
