"""A window of one run as a Gantt chart: execution slots and copy engines of each GPU.

A batch that was stopped on the way has a box for each part of its execution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from stratsim.errors import SpecError
from stratsim.stats.occupancy import assign_lanes, peak_concurrency
from stratsim_plots import style
from stratsim_plots.series import Options, origin, select
from stratsim_plots.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.results.read import StoredResults
    from stratsim_plots.layout import Layout

__all__ = ["COLUMNS", "DEFAULT_WINDOW_S", "data", "draw"]

COLUMNS = ("policy", "gpu", "row", "batch_id", "model", "batch_size", "class", "start_s", "end_s")
DEFAULT_WINDOW_S = 0.2
_STAGES = {"slot": "execution", "h2d": "copy_in", "d2h": "copy_out"}
_NUMBER = 0.73
"""Size of the numbers in boxes, as a share of that of axis titles."""
_NARROW = 0.0075
"""A box narrower than this share of the window is all edge: it is drawn as a line."""


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return what each row shows: one line per stage of a batch that lies at least partly inside the window.

    Times are not cut at the window. Without one, it is the 200 ms in which most execution time begins.
    """
    if len(results) != 1 or len(options.policies) > 1:
        got = f"{len(results)} folders" if len(results) != 1 else f"policies {', '.join(options.policies)}"
        raise SpecError(f"a timeline shows one policy of one folder, got {got}")
    policy = select(results, options.policies)[0].policy
    batches = results[0].batches()
    batches = batches[batches["policy"] == policy]
    if batches.empty:
        raise SpecError(f"{results[0].directory}: {policy} dispatched no batch, so there is nothing to draw")
    from_s, to_s = _window(batches, options)
    executed = _stretches(batches, results[0])
    frames = [
        _stage(table[table["gpu"] == gpu], int(gpu), label, stage, (from_s, to_s))
        for gpu in sorted(set(batches["gpu"]))
        for label, stage in _STAGES.items()
        for table in (executed if label == "slot" else batches,)
    ]
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        first, last = batches["copy_in_start_s"].min(), batches["copy_out_end_s"].max()
        raise SpecError(f"nothing happens from {from_s:g} to {to_s:g} s; the batches run from {first:g} to {last:g} s")
    frame.insert(0, "policy", policy)
    return frame[list(COLUMNS)]


def _stretches(batches: pd.DataFrame, stored: StoredResults) -> pd.DataFrame:
    """Return the batches with a row for every part of their executions."""
    if not stored.has_pauses:
        return batches
    pauses = stored.pauses()
    pauses = pauses[(pauses["policy"] == batches["policy"].iloc[0]) & pauses["stopped_s"].notna()]
    # Per batch starts and ends alternate: sorted alike they are pairs.
    starts = pd.concat([batches["execution_start_s"], pauses["restart_s"]]).to_numpy(np.float64)
    ends = pd.concat([batches["execution_end_s"], pauses["stopped_s"]]).to_numpy(np.float64)
    owner = pd.concat([batches["batch_id"], pauses["batch_id"]]).to_numpy(np.int64)
    table = batches.set_index("batch_id", drop=False).loc[np.sort(owner)].reset_index(drop=True)
    table["execution_start_s"] = starts[np.lexsort((starts, owner))]
    table["execution_end_s"] = ends[np.lexsort((ends, owner))]
    return table


def _window(batches: pd.DataFrame, options: Options) -> tuple[float, float]:
    if options.from_s is None and options.to_s is None:
        start = _busiest(batches)
        return start, start + DEFAULT_WINDOW_S
    to_s = options.to_s if options.to_s is not None else (options.from_s or 0.0) + DEFAULT_WINDOW_S
    from_s = options.from_s if options.from_s is not None else to_s - DEFAULT_WINDOW_S
    if not from_s < to_s:
        raise SpecError(f"--from must lie before --to, got {from_s:g} and {to_s:g} s")
    return from_s, to_s


def _busiest(batches: pd.DataFrame) -> float:
    """Return the start of the window in which most execution time begins; the first one of equals."""
    table = batches.sort_values("execution_start_s", kind="stable")
    start = table["execution_start_s"].to_numpy(np.float64)
    work = np.concatenate(([0.0], np.cumsum(table["execution_end_s"].to_numpy(np.float64) - start)))
    last = np.searchsorted(start, start + DEFAULT_WINDOW_S)
    return float(start[np.argmax(work[last] - work[:-1])])


def _stage(batches: pd.DataFrame, gpu: int, label: str, stage: str, window: tuple[float, float]) -> pd.DataFrame:
    start = batches[f"{stage}_start_s"].to_numpy(np.float64)
    end = batches[f"{stage}_end_s"].to_numpy(np.float64)
    taken = end > start
    start, end, own = start[taken], end[taken], batches[taken]
    lanes = np.array(
        assign_lanes(start, end), dtype=np.int64
    )  # over the whole run: the rows do not depend on the window
    shown = (end > window[0]) & (start < window[1])
    rows = [_name(label, lane) for lane in lanes[shown].tolist()]
    return pd.DataFrame(
        {
            "gpu": gpu,
            "row": rows,
            "batch_id": own["batch_id"].to_numpy()[shown],
            "model": own["model"].astype(str).to_numpy()[shown],
            "batch_size": own["batch_size"].to_numpy()[shown],
            "class": own["priority"].astype(str).to_numpy()[shown],
            "start_s": start[shown],
            "end_s": end[shown],
        }
    )


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:
    """Draw the rows of each GPU: fill by model, a black bar on top of the high class, xN on batches of several."""
    sheet, layout = Sheet(options.layout, style.PAGE_IN), options.layout
    policy = str(frame["policy"].iloc[0])
    batches = results[0].batches()
    batches = batches[batches["policy"] == policy]
    from_s, to_s = _window(batches, options)
    places = _rows(batches, _stretches(batches, results[0]))
    models = layout.sorted(sorted(set(batches["model"])))  # of the whole run: one looks the same in every window
    shown = [model for model in models if model in set(frame["model"])]
    several = len({gpu for gpu, _ in places}) > 1
    rows = sheet.rows([f"GPU {gpu} {row}" if several else row for gpu, row in places], 0.24)
    (axes,) = sheet.panels(1)
    at = dict(zip(places, rows.at, strict=True))
    for entry in frame.to_dict("records"):
        _box(axes, entry, at[entry["gpu"], entry["row"]], models, (from_s, to_s))
    rows.label(axes)
    axes.set_xlim(0, (to_s - from_s) * 1e3)
    axes.set_xlabel(f"Time since {from_s:.6g} s (ms)")
    axes.set_title(layout.names(list(results[0].policies))[list(results[0].policies).index(policy)], loc="left")
    sheet.legend(_legend(shown, models, layout), box_height=1.2)
    figure = sheet.finish(rows.height_in, origin(results))
    _drop_crowded(axes)
    return figure


def _drop_crowded(axes: Axes) -> None:
    """Take away numbers of batch sizes that do not fit into their boxes."""
    scale = axes.transData.transform
    for text in list(axes.texts):
        box = text.get_window_extent()
        (left, _), (right, _) = scale((text.room[0], 0)), scale((text.room[1], 0))  # type: ignore[attr-defined]
        if box.width > right - left:
            text.remove()


def _rows(batches: pd.DataFrame, executed: pd.DataFrame) -> dict[tuple[int, str], int]:
    """Return the height of each (GPU, row) that the run ever used: GPU by GPU, slots above copy engines."""
    rows: dict[tuple[int, str], int] = {}
    for gpu in sorted(set(batches["gpu"])):
        for label, stage in _STAGES.items():
            table = executed if label == "slot" else batches
            own = table[table["gpu"] == gpu]
            times = (own[f"{stage}_{end}_s"].to_numpy(np.float64) for end in ("start", "end"))
            for lane in range(peak_concurrency(*times)):
                rows[int(gpu), _name(label, lane)] = len(rows)
    return rows


def _name(label: str, lane: int) -> str:
    return f"{label} {lane}" if label == "slot" or lane else label


def _look(model: str, models: list[str]) -> dict[str, Any]:
    """Return fill and hatch of a model; the hatches tell a dozen apart in grey print."""
    number = models.index(model)
    count = len(_FILLS)
    return {"facecolor": _FILLS[number % count], "hatch": style.HATCHES[number % len(style.HATCHES)]}


_FILLS = (style.SKY, style.ORANGE, style.GREEN, style.PURPLE, style.YELLOW, style.BLUE, style.VERMILLION, "#b0b0b0")


_TOP, _BAR, _BOTTOM = -0.42, 0.13, 0.4
"""Of a row one high: where a box begins, how high the bar of the high class is, where a box ends."""


def _box(axes: Axes, entry: dict[Hashable, Any], at: float, models: list[str], window: tuple[float, float]) -> None:
    from_s, to_s = window
    left, right = max(entry["start_s"], from_s), min(entry["end_s"], to_s)
    x, width = (left - from_s) * 1e3, (right - left) * 1e3
    narrow = right - left < _NARROW * (to_s - from_s)
    high = entry["class"] == "high"
    top = _TOP + _BAR if high else _TOP
    look = _look(entry["model"], models)
    # A white edge parts a box from its neighbour, but would hide a narrow one.
    edge: dict[str, Any] = (
        {"edgecolor": look["facecolor"], "linewidth": 0.6} if narrow else {"edgecolor": "white", "linewidth": 0.3}
    )
    axes.barh(at + top, width, _BOTTOM - top, left=x, align="edge", zorder=2, **look | edge)
    if high:
        black: dict[str, Any] = {"facecolor": "black", "edgecolor": "black"}
        axes.barh(at + _TOP, width, _BAR, left=x, align="edge", zorder=3, linewidth=1.0 if narrow else 0.0, **black)
    if entry["batch_size"] > 1:
        patch = {"boxstyle": "round,pad=0.12", "facecolor": "white", "linewidth": 0}
        place, size = (x + width / 2, at + (top + _BOTTOM) / 2), style.points(_NUMBER)
        text = axes.text(
            *place, f"x{entry['batch_size']}", ha="center", va="center", fontsize=size, bbox=patch, zorder=4
        )
        text.room = (x, x + width)  # type: ignore[attr-defined]


def _legend(shown: list[str], models: list[str], layout: Layout) -> list[Artist]:
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.3}
    fills = [Patch(label=layout.name(model), **edge, **_look(model, models)) for model in shown]
    high = f"on top: {layout.name('high')}"
    return [*fills, Line2D([], [], color="black", linewidth=2.0, solid_capstyle="butt", label=high)]
