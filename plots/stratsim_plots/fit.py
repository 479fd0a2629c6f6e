"""Makes the texts of panels fit: breaks titles to the panel's size, thins or turns ticks until none overlap."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator

from stratsim_plots.measure import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["Fit"]

_FEWEST = 3
"""Ticks of an axis of numbers, at least."""
_LEAST_IN = 0.5
"""A title is not broken into shorter lines."""
_SIGNS = 4.0
"""Room that a line of a broken name needs, in font sizes."""
_LINE = 1.15
"""Room for a line of names that are turned, in font sizes."""
_TURNED_IN = 3.0
"""Room for a name that is turned."""
_TURN = 2
"""The step at which names are turned."""
_GAP = 2.0
"""Between two numbers below an axis, points."""


class Fit:
    """Makes the texts of a figure fit.

    Args:
        figure: The figure; it has been laid out once.
        names: Below each axis that has names instead of numbers, unbroken.
    """

    def __init__(self, figure: Figure, names: Mapping[Axis, Sequence[str]]) -> None:
        self._figure = figure
        self._whole: dict[Text, str] = {}
        """Titles as they were before they were broken."""
        self._names = names
        self._steps: dict[Axis, int] = {}

    def texts(self) -> bool:
        """Break titles and thin or turn ticks where they do not fit; return whether anything was changed."""
        changed = False
        for axes in self._figure.axes:
            changed |= self._break_titles(axes)
            changed |= self._space_ticks(axes.xaxis, across=True)
            changed |= self._space_ticks(axes.yaxis, across=False)
        return changed

    def _break_titles(self, axes: Axes) -> bool:
        box, dpi = axes.get_window_extent(), self._figure.dpi
        texts: list[tuple[Text, float]] = [(axes.xaxis.label, box.width / dpi), (axes.yaxis.label, box.height / dpi)]
        texts += [(title, box.width / dpi) for title in (axes.title, axes._left_title)]  # type: ignore[attr-defined]
        changed = False
        for text, room_in in texts:
            whole = self._whole.setdefault(text, text.get_text())
            broken = wrapped(whole, max(room_in, _LEAST_IN), float(text.get_fontsize()))
            if broken != text.get_text():
                text.set_text(broken)
                changed = True
        return changed

    def _space_ticks(self, axis: Axis, *, across: bool) -> bool:
        """Thin the numbers of an axis if two are too close; names below one are broken, then turned."""
        if not _crowded(axis, across=across):
            return False
        if axis in self._names:
            return self._fit_names(axis)
        return False if isinstance(axis.get_major_locator(), FixedLocator) else _thin(axis)

    def _fit_names(self, axis: Axis) -> bool:
        """Break names to the room that each has; the next time turn them, then make them smaller."""
        whole, places = self._names[axis], axis.get_majorticklocs()
        room_in = axis.axes.get_window_extent().width / self._figure.dpi / max(len(whole), 1)
        size = float(axis.get_ticklabels()[0].get_fontsize())
        step = self._steps[axis] = self._steps.get(axis, 0) + 1
        if step == 1 and room_in > _SIGNS * size / 72:
            axis.set_ticks(places, labels=[wrapped(name, 0.95 * room_in, size) for name in whole])
        elif step <= _TURN:
            self._steps[axis] = _TURN
            axis.set_ticks(places, labels=[wrapped(name, _TURNED_IN, size) for name in whole])
            axis.set_tick_params(labelrotation=90.0)
        elif step == _TURN + 1:
            smaller = min(size, 72 * room_in / _LINE)
            axis.set_ticks(places, labels=[wrapped(name, _TURNED_IN, smaller) for name in whole])
            axis.set_tick_params(labelsize=smaller)
        return step <= _TURN + 1


def _thin(axis: Axis) -> bool:
    """Take fewer numbers; return whether there were any to spare."""
    count = len([label for label in axis.get_ticklabels() if label.get_text()])
    if count <= _FEWEST:
        return False
    if isinstance(axis.get_major_locator(), LogLocator):
        axis.set_major_locator(LogLocator(numticks=max(count // 2, _FEWEST)))
    else:
        axis.set_major_locator(MaxNLocator(max(count - 2, _FEWEST - 1), steps=[1, 2, 5, 10]))
    return True


def _crowded(axis: Axis, *, across: bool) -> bool:
    gap = _GAP * axis.figure.dpi / 72 if across else 0.0
    low, high = sorted(axis.get_view_interval())
    span = 1e-9 * (high - low)
    boxes = [
        tick.label1.get_window_extent()
        for tick in axis.get_major_ticks()
        if tick.label1.get_visible() and tick.label1.get_text() and low - span <= tick.get_loc() <= high + span
    ]
    boxes.sort(key=lambda box: (box.x0, box.y0) if across else (box.y0, box.x0))
    return any(_meet(one, other, gap) for one, other in pairwise(boxes))


def _meet(one: Any, other: Any, gap: float) -> bool:
    apart_x = one.x1 + gap <= other.x0 or other.x1 + gap <= one.x0
    apart_y = one.y1 <= other.y0 or other.y1 <= one.y0
    return not (apart_x or apart_y)
