"""A figure in the making: panels between a title, a legend and small print, as high as its texts need.

A kind of figure says how high its panels are and what is on them; the sheet measures all texts with the font that they
are in, breaks them where they would not fit, and makes the figure higher until the panels have their height. So nothing
overlaps, whatever the width, the size of the font and the length of the names.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim_plots import style
from stratsim_plots.fit import Fit
from stratsim_plots.measure import line_in, setting, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from stratsim_plots.layout import Layout

__all__ = ["NOTE", "Rows", "Sheet"]

NOTE = 0.8
"""Size of numbers beside bars and points, as a share of that of axis titles."""
_SMALL_PRINT = 0.73
_TICK, _LEGEND = "ytick.labelsize", "legend.fontsize"
_PAD_IN = 0.04
_WIDE_IN = 5.5
"""From here on panels stand beside each other."""
_COLUMN_IN = 0.8
"""Room for a line of a name below a panel, to begin with."""
_NAMES = 0.4
"""Share of the width that the names of rows may take."""
_MOST_NAMES_IN = 2.4
_AROUND_IN = 0.4
"""A first guess at what the texts around a panel take."""
_HINTED = 0.95
"""Small print is drawn wider than it is measured, as its signs are put on whole pixels."""
_TRIES = 24
_CLOSE_IN = 0.02


class Rows(NamedTuple):
    """Rows of bars or points: the first is at 0, and the next ones 1 apart where names have one line."""

    names: list[str]
    """Broken into lines."""
    at: list[float]
    """Middle of each row, downwards."""
    height: float
    """Height of all, in rows."""
    height_in: float
    """The same in inches: of the panel."""
    most_in: float
    """Height of the highest row, inches."""

    def label(self, axes: Axes) -> None:
        """Write the names beside a panel, and give it the rows' height."""
        axes.set_yticks(self.at, self.names)
        axes.set_ylim(self.height - 0.5, -0.5)  # by hand: without a bar there is nothing to scale to
        axes.grid(axis="y", visible=False)


@dataclass(eq=False)
class Sheet:
    """One figure.

    Args:
        layout: What was asked for.
        default_in: Its width where nothing was, inches.
    """

    layout: Layout
    default_in: float = style.WIDTH_IN
    _legend: tuple[list[Any], list[str], float] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.width_in = self.layout.width_in or self.default_in
        self.figure: Figure = style.new_figure(2.0, self.width_in)
        self._below: dict[Axis, list[str]] = {}
        self.scale = setting("font.size") / 7.5
        """What lengths that hold text grow with."""

    @property
    def wide(self) -> bool:
        """Whether panels stand beside each other."""
        return self.width_in >= _WIDE_IN

    def panels(self, count: int, across: int | None = None, **shared: Any) -> list[Axes]:
        """Return panels, line by line: below each other, or beside each other where there is room.

        Args:
            count: How many.
            across: How many beside each other at most; by default all on a wide sheet, one on a narrow one.
            shared: `sharex`, `sharey`, as for matplotlib.
        """
        across = min(count, (count if self.wide else 1) if across is None else across)
        lines = -(-count // across)
        grid = self.figure.subplots(lines, across, squeeze=False, **shared)
        for axes in grid.flat[count:]:
            axes.remove()
        self._grid = grid
        return list(grid.flat[:count])

    @property
    def lowest(self) -> list[Axes]:
        """The lowest panel of each column: those whose axis below has a title."""
        return [[axes for axes in column if axes.figure is not None][-1] for column in self._grid.T]

    @property
    def left(self) -> list[Axes]:
        """The first panel of each line."""
        return [line[0] for line in self._grid]

    def rows(self, names: Sequence[str], each_in: float) -> Rows:
        """Return where rows with these names are; one whose name takes several lines is higher.

        Args:
            names: Of the rows, from the top.
            each_in: Height of a row whose name has one line, inches at the usual size of fonts.
        """
        room_in, size = min(_NAMES * self.width_in, _MOST_NAMES_IN), setting(_TICK)
        broken = [wrapped(name, room_in, size) for name in names]
        each_in *= self.scale
        heights = [max(1.0, (name.count("\n") + 1.4) * line_in(size) / each_in) for name in broken]
        ends = list(accumulate(heights))
        return Rows(broken, [end - height / 2 - 0.5 for end, height in zip(ends, heights, strict=True)],
                    sum(heights), sum(heights) * each_in, max(heights, default=0.0) * each_in)  # fmt: skip

    def columns(self, axes: Axes, places: Iterable[float], names: Sequence[str]) -> None:
        """Write names below a panel; they are broken, turned and made smaller as far as that is needed."""
        size = setting(_TICK)
        axes.set_xticks(list(places), [wrapped(name, _COLUMN_IN * self.scale, size) for name in names])
        self._below[axes.xaxis] = list(names)

    def legend(self, handles: list[Any], box_height: float = 0.7) -> None:
        """Say what the legend explains; `box_height` is that of its samples, in font sizes."""
        self._legend = (handles, [str(handle.get_label()) for handle in handles], box_height)

    def finish(self, panel_in: float | None, note: str = "") -> Figure:
        """Lay the figure out and return it.

        Args:
            panel_in: Height of a panel; None: as high as it is wide.
            note: The small print.
        """
        above = [each for each in (self._title(), self._placed("above")) if each is not None]
        below = [each for each in (self._placed("below"), self._note(note)) if each is not None]
        beside = self._placed("right")
        inset_in = 0.0 if beside is None else self._extent_in(beside)[0] + 2 * _PAD_IN
        over, under = (sum(self._extent_in(each)[1] + 2 * _PAD_IN for each in part) for part in (above, below))
        lines = len(self._grid)
        height_in = over + under + lines * ((panel_in or 0.7 * self.width_in) + _AROUND_IN * self.scale)
        least_in = 0.0 if beside is None else over + under + self._extent_in(beside)[1] + 2 * _PAD_IN
        fit = Fit(self.figure, self._below)
        for _ in range(_TRIES):
            height_in = max(height_in, least_in)
            if not self._lay_out(height_in, over, under, inset_in):
                height_in += lines * _AROUND_IN * self.scale
                continue
            if fit.texts():
                continue
            boxes = [axes.get_position(original=True) for axes in self.left]
            have_in = sum(box.height for box in boxes) * height_in
            want_in = sum((panel_in or box.width * self.width_in) for box in boxes)
            if abs(want_in - have_in) < _CLOSE_IN or (want_in < have_in and height_in == least_in):
                break
            height_in += want_in - have_in
        else:  # it goes round in circles: what is left is room for all that there was
            height_in = max(height_in, least_in) + lines * _AROUND_IN * self.scale
            self._lay_out(height_in, over, under, inset_in)
        self._stack(above, below, beside, height_in)
        return self.figure

    def _lay_out(self, height_in: float, over: float, under: float, inset_in: float) -> bool:
        """Lay the panels out between what is above and below them; return whether there was room for them."""
        self.figure.set_size_inches(self.width_in, height_in)
        engine: Any = self.figure.get_layout_engine()
        engine.set(
            rect=(0.0, under / height_in, 1.0 - inset_in / self.width_in, 1.0 - (over + under) / height_in),
            w_pad=_PAD_IN, h_pad=_PAD_IN,
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            engine.execute(self.figure)
        return not any("collapsed" in str(each.message) for each in caught)

    def _stack(self, above: list[Any], below: list[Any], beside: Any, height_in: float) -> None:
        """Put what is outside the panels into its place: from the top down, from the bottom up, at the right."""
        at_in = height_in - _PAD_IN
        for each in above:
            _move(each, 0.5, at_in / height_in)
            at_in -= self._extent_in(each)[1] + 2 * _PAD_IN
        at_in = _PAD_IN
        for each in reversed(below):
            extent_in = self._extent_in(each)[1]
            _move(each, 0.5, (at_in + extent_in) / height_in)
            at_in += extent_in + 2 * _PAD_IN
        if beside is not None:
            width_in, own_in = self._extent_in(beside)
            _move(beside, 1.0 - (width_in / 2 + _PAD_IN) / self.width_in, 0.5 + own_in / 2 / height_in)

    def _title(self) -> Any:
        if not self.layout.title:
            return None
        size = setting("font.size") * 1.1
        return self._text(self.layout.title, size, color="black")

    def _note(self, note: str) -> Any:
        if not (note and self.layout.footer):
            return None
        return self._text(note, style.points(_SMALL_PRINT), color="#606060")

    def _text(self, text: str, size: float, **look: Any) -> Any:
        lines = wrapped(text, _HINTED * self.width_in - 4 * _PAD_IN, size)
        made = self.figure.text(0.5, 0.5, lines, fontsize=size, ha="center", va="top", **look)
        made.set_in_layout(False)
        return made

    def _placed(self, place: str) -> Any:
        if self._legend is None or self.layout.legend != place:
            return None
        handles, labels, box_height = self._legend
        room_in = (0.38 if place == "right" else 1.0) * self.width_in - 4 * _PAD_IN
        columns, broken = _columns(labels, room_in, 1 if place == "right" else 6)
        made = self.figure.legend(
            handles, broken, loc="upper center", bbox_to_anchor=(0.5, 0.5), ncols=columns, handleheight=box_height,
            borderaxespad=0.0, borderpad=0.0,
        )  # fmt: skip
        made.set_in_layout(False)
        return made

    def _extent_in(self, artist: Any) -> tuple[float, float]:
        box = artist.get_window_extent()
        return box.width / self.figure.dpi, box.height / self.figure.dpi


def _move(artist: Any, x: float, y: float) -> None:
    if hasattr(artist, "set_bbox_to_anchor"):
        artist.set_bbox_to_anchor((x, y))
    else:
        artist.set_position((x, y))


def _columns(labels: Sequence[str], room_in: float, most: int) -> tuple[int, list[str]]:
    """Return how many columns make a legend lowest, and its labels broken to fit; breaks count against it."""
    size = setting(_LEGEND)
    sample_in = size / 72 * (setting("legend.handlelength") + setting("legend.handletextpad"))
    gap_in = size / 72 * setting("legend.columnspacing")
    found: list[tuple[float, int, list[str]]] = []
    for columns in range(1, min(len(labels), most) + 1):
        each_in = (room_in - (columns - 1) * gap_in) / columns - sample_in
        broken = [wrapped(label, each_in, size) for label in labels] if columns == 1 or each_in > 7 * size / 72 else []
        if broken:
            parts = np.array_split(np.array(broken, dtype=object), columns)  # as matplotlib fills them
            lines = max(sum(str(label).count("\n") + 1 for label in part) for part in parts)
            breaks = sum("\n" in label for label in broken)
            found.append((lines + 0.3 * breaks, columns, broken))
    _, columns, broken = min(found, key=lambda each: each[:2], default=(0, 1, list(labels)))
    return columns, broken
