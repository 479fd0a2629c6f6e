"""Figures of study 2: what the data says is drawn, and every policy that is told apart is named."""

import math

import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from stratsim_plots import style
from stratsim_plots.beside import draw_beside
from study_2 import figures as study

ORIGIN = "asymmetric-six: synthetic"
INTERVALS = ("high", "high_low", "high_high", "low", "low_low", "low_high")
POINTS = [("fewest-late", 2.0, 3.0), ("strait", 3.0, 8.0), ("strait", 5.0, 4.0), ("fifo", 20.0, 20.0)]
TABLES = {
    "study-2-fronts": pd.DataFrame(
        [
            (cell, family, "x", f"{family}[{high}]", 0, high, high - 1, high + 1, low, low - 1, low + 1, ORIGIN)
            for cell in ("p 0.5", "p 0.7")
            for family, high, low in POINTS
        ],
        columns=["cell", "family", "role", "policy", "front", *INTERVALS, "origin"],
    ),
    "study-2-matched": pd.DataFrame(
        [
            ("p 0.5", "fewest-late", "strait", "ahead", -4.0, -5.0, -3.0, ORIGIN),
            ("p 0.5", "fewest-late", "k-edf", "out of reach", math.nan, math.nan, math.nan, ORIGIN),
            ("p 0.7", "strait", "k-edf", "behind", math.nan, math.nan, math.nan, ORIGIN),
            ("p 0.7", "strait", "preempt-gated", "trade", math.nan, math.nan, math.nan, ORIGIN),
        ],
        columns=["cell", "subject", "family", "outcome", "mean", "low", "high", "origin"],
    ),
    "study-2-ablation": pd.DataFrame(
        [("p 0.5", change, high, high, high, low, low, low, ORIGIN) for change, high, low in
         (("default", 2.0, 3.0), ("mechanism=none", 9.0, 4.0))],
        columns=["cell", "change", *INTERVALS, "origin"],
    ),
    "study-2-equity": pd.DataFrame(
        [("p 0.5", family, "x", high, low, 0.9, 0.8, 0.7, 12.0, ORIGIN) for family, high, low in POINTS],
        columns=["cell", "family", "role", "high", "low", "jain_classes", "high_jain_models", "low_jain_models",
                 "low_max_slowdown", "origin"],
    ),
}  # fmt: skip


def texts(figure):
    with style.styled():
        figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))]
    return " ".join(found).replace("\n", " ")


@pytest.mark.slow_cases("study-2-equity", "study-2-fronts", "study-2-matched")
@pytest.mark.parametrize("kind", TABLES)
def test_every_figure_names_the_origin(kind):
    assert ORIGIN in texts(study.FIGURES[kind](TABLES[kind]))


@pytest.mark.parametrize("kind", ["study-2-fronts", "study-2-equity"])
def test_what_is_not_told_apart_is_there_in_grey(kind):
    figure = study.FIGURES[kind](TABLES[kind])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fewest-late", "strait", "other policies"]
    grey = [line for line in figure.axes[0].lines if line.get_color() == "#b8b8b8"]
    assert [len(line.get_xdata()) for line in grey] == [1]


def test_fronts_have_a_panel_per_cell_and_a_line_between_settings():
    first, second = [axes for axes in study.fronts(TABLES["study-2-fronts"]).axes if axes.get_visible()]
    assert (first.get_title(), second.get_title()) == ("p 0.5", "p 0.7")
    (line,) = [line for line in first.lines if len(line.get_xdata()) == 20]
    assert (line.get_xdata()[[0, -1]].tolist(), line.get_ydata()[[0, -1]].tolist()) == ([3, 5], [8, 4])


def test_matched_differences_are_points_and_what_has_none_stands_at_an_edge():
    panels = {axes.get_title(): axes for axes in study.matched(TABLES["study-2-matched"]).axes if axes.get_visible()}
    assert set(panels) == {"less strait", "less k-edf", "less preempt-gated"}
    marks = {
        title: [(line.get_marker(), float(line.get_xdata()[0])) for line in axes.lines if line.get_marker() != "None"]
        for title, axes in panels.items()
    }
    assert marks["less strait"] == [("o", -4.0)]
    assert [marker for marker, _ in marks["less k-edf"]] == ["<", ">"]
    assert marks["less preempt-gated"] == [("x", 0.0)]


def test_an_ablation_has_a_bar_per_change_and_class():
    (axes,) = study.ablation(TABLES["study-2-ablation"]).axes
    assert sorted(bar.get_width() for bar in axes.patches) == [2, 3, 4, 9]


@pytest.mark.slow
def test_all_are_written_beside_their_data(tmp_path):
    for kind, table in TABLES.items():
        table.to_csv(tmp_path / f"{kind}.csv", index=False)
    assert set(draw_beside(tmp_path, [*TABLES, "other"], study.FIGURES)) == set(TABLES)
