"""What a paper asks of a figure, whatever its kind: size, fonts, names, order, title, legend, small print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.errors import SpecError, suggest
from stratsim_plots.names import short_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

__all__ = ["LEGENDS", "WIDTHS", "Layout", "parse_label", "parse_order", "parse_width"]

WIDTHS = {"column": 3.3, "page": 7.0}
"""Widths by name, inches: one column of a two-column paper, and both."""
LEGENDS = ("above", "below", "right", "none")
_WIDTH_IN = (2.0, 40.0)
_FONT_SIZE = (4.0, 40.0)
_NAMED = ("series", "policy", "baseline", "class", "cell", "conditions", "model", "x", "y")
"""Columns of the data behind figures whose values stand in the figure as names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a figure is laid out.

    Args:
        width_in: Inches; None: what the kind of figure takes.
        font_size: Of axis titles, points; other texts keep their share of it. None: that of the style file.
        title: Above everything; empty: none.
        footer: Whether the small print is there: what was simulated, and what bars and bands are.
        legend: One of `LEGENDS`.
        labels: What to write instead of a name, by the name.
        order: Names in the order in which they come; others follow.

    Raises:
        SpecError: a width, a size or a place that cannot be.
    """

    width_in: float | None = None
    font_size: float | None = None
    title: str = ""
    footer: bool = True
    legend: str = "above"
    labels: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, (least, most) in (
            ("--width", self.width_in, _WIDTH_IN),
            ("--font-size", self.font_size, _FONT_SIZE),
        ):
            if value is not None and not least <= value <= most:
                unit = "inches" if name == "--width" else "points"
                raise SpecError(f"{name} must be within {least:g} and {most:g} {unit}, got {value:g}")
        if self.legend not in LEGENDS:
            raise SpecError(f"--legend takes {', '.join(LEGENDS)}, got {self.legend!r}")

    def name(self, text: str) -> str:
        """Return what to write for a name; of `FOLDER: POLICY` each part has one."""
        asked = dict(self.labels)
        head, colon, tail = text.partition(": ")
        return asked.get(text) or f"{asked.get(head, head)}{colon}{asked.get(tail, tail)}"

    def names(self, policies: Sequence[str]) -> list[str]:
        """Return what to write for each policy or series: the short one of its names where nothing else was asked."""
        asked, short = dict(self.labels), short_names(list(dict.fromkeys(policies)))
        return [self.name(name if name in asked else short[name]) for name in policies]

    def sorted(self, names: Iterable[str]) -> list[str]:
        """Return names in the order that was asked for; others follow as they came."""
        return sorted(names, key=self._rank)

    def _rank(self, *names: str) -> int:
        asked = [self.order.index(name) for name in names if name in self.order]
        return min(asked, default=len(self.order))

    def arranged(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the data behind a figure in the order that was asked for.

        Raises:
            SpecError: a name in `labels` or `order` that the figure does not have.
        """
        shorts = {name: short_names([*map(str, frame[name].unique())]) for name in _NAMED if name in frame}
        known = [name for found in shorts.values() for pair in found.items() for name in pair]
        for option, names in (("--labels", [old for old, _ in self.labels]), ("--order", self.order)):
            for name in names:
                if name not in known:
                    raise SpecError(f"{option}: the figure has no {name!r}; {suggest(name, dict.fromkeys(known))}")
        columns = [name for name in ("series", "policy") if name in frame]
        if not (self.order and columns):
            return frame
        rows = frame[columns].astype(str).itertuples(index=False)
        ranks = [
            self._rank(*(each for c, n in zip(columns, row, strict=True) for each in (n, shorts[c][n]))) for row in rows
        ]
        at = sorted(range(len(ranks)), key=ranks.__getitem__)
        return frame.iloc[at].reset_index(drop=True)


def parse_width(text: str) -> float:
    """Return a width in inches, from `column`, `page` or a number.

    Raises:
        SpecError: it is none of these.
    """
    if text in WIDTHS:
        return WIDTHS[text]
    try:
        return float(text.removesuffix("in"))
    except ValueError:
        raise SpecError(f"--width takes {', '.join(WIDTHS)} or inches, got {text!r}") from None


def parse_label(text: str) -> tuple[str, str]:
    """Return the two sides of `OLD=NEW`; OLD may have parameters in brackets, as in `edf(max_batch=4)=EDF`.

    Raises:
        SpecError: a side is missing.
    """
    old, *rest = _split(text, "=")
    new = "=".join(rest).strip()
    if not (old and new):
        raise SpecError(f"--labels takes OLD=NEW, got {text!r}")
    return old, new


def parse_order(text: str) -> tuple[str, ...]:
    """Return names separated by commas, which may have parameters in brackets."""
    return tuple(name for name in _split(text, ",") if name)


def _split(text: str, sign: str) -> list[str]:
    """Return the parts of a text between signs outside brackets."""
    parts, depth = [""], 0
    for each in text:
        depth += (each == "(") - (each == ")")
        if each == sign and depth <= 0:
            parts.append("")
        else:
            parts[-1] += each
    return [part.strip() for part in parts]
