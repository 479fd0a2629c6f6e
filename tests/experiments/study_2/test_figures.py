"""Figures of study 2: what the data says is drawn, and the data is what the analysis writes."""

import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from stratsim_plots import style
from stratsim_plots.beside import draw_beside
from study_2 import figures as study

ORIGIN = "asymmetric-six: synthetic"
ROWS = {
    "study-violations": [
        (
            "p a",
            policy,
            role,
            int(policy == "edf"),
            label,
            load,
            level * load,
            level * load - 0.01,
            level * load + 0.01,
            ORIGIN,
        )
        for policy, role, level in (("strait", "strait", 0.05), ("edf", "rival-blind", 0.1))
        for label in ("high", "low")
        for load in (0.5, 1.0)
    ],
    "study-differences": [
        ("load 1", "edf", "rival-blind", 1, -5.0, -6.0, -4.0, -7.0, -3.0, ORIGIN),
        ("load 1", "fifo", "rival-blind", 0, -9.0, -10.0, -8.0, -11.0, -7.0, ORIGIN),
        ("load 2", "edf", "rival-blind", 0, 1.0, -1.0, 3.0, -2.0, 4.0, ORIGIN),
    ],
    "study-equity": [
        ("load 1", "strait", "strait", 0, 0.05, 0.2, 0.99, 0.9, 15.0, 3.0, ORIGIN),
        ("load 1", "edf", "rival-blind", 1, 0.10, 0.3, 0.95, 0.8, 20.0, 9.0, ORIGIN),
    ],
    "study-ablations": [
        ("load 1", policy, "ablation", label, mean, mean - 0.01, mean + 0.01, ORIGIN)
        for policy, mean in (("strait", 0.05), ("no guard", 0.2))
        for label in ("high", "low")
    ],
}


def frame(kind):
    return pd.DataFrame(ROWS[kind], columns=list(study.COLUMNS[kind]))


def texts(figure):
    with style.styled():
        figure.canvas.draw()
    return " ".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))


@pytest.mark.parametrize("kind", ROWS)
def test_every_figure_names_its_policies_and_the_origin(kind):
    shown = texts(study.FIGURES[kind](frame(kind)))
    assert ORIGIN in shown.replace("\n", " ")
    for policy in set(frame(kind)["policy"]):
        assert policy in shown


def test_violations_are_in_percent_by_load():
    high, low = study.violations(frame("study-violations")).axes
    assert ("high" in high.get_title(), "low" in low.get_title()) == (True, True)
    line = high.containers[0].lines[0]
    assert line.get_xydata().ravel().tolist() == pytest.approx([0.5, 2.5, 1.0, 5.0])


def test_differences_have_a_panel_per_cell_and_mark_the_best_rival():
    first, second = study.differences(frame("study-differences")).axes
    points = [line for line in first.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_markerfacecolor() != "white") for line in points] == [
        (-5.0, True),
        (-9.0, False),
    ]
    assert [line.get_xdata()[0] for line in second.lines if line.get_marker() == "o"] == [1.0]


def many(kind, count=12):
    """The same with many more blind rivals than can be told apart; the first of them is the best."""
    table = frame(kind)
    blind = table[table["policy"] == "edf"]
    more = [blind.assign(policy=f"blind-{number}", best_blind=0) for number in range(count)]
    return pd.concat([table, *more], ignore_index=True)


@pytest.mark.parametrize("kind", ["study-violations", "study-equity"])
def test_of_many_policies_the_best_of_the_blind_is_told_apart_and_the_others_are_there(kind):
    figure = study.FIGURES[kind](many(kind))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["strait", "best blind rival", "other policies"]


def test_every_one_of_many_policies_has_a_line():
    high, _ = study.violations(many("study-violations")).axes
    assert len(high.containers) == 1 + 1 + 12


def test_of_many_cells_there_is_a_line_each():
    cells = [frame("study-differences").assign(cell=f"load {number}") for number in range(10)]
    table = pd.concat(cells, ignore_index=True).assign(best_blind=lambda rows: (rows["policy"] == "edf") * 1)
    (axes,) = study.differences(table.drop_duplicates(["cell", "policy"])).axes
    assert "best blind rival" in axes.get_title()
    assert len([line for line in axes.lines if line.get_marker() == "o"]) == 10


def test_ablations_have_a_bar_per_policy_and_class():
    (axes,) = study.ablations(frame("study-ablations")).axes
    assert sorted(round(bar.get_width(), 6) for bar in axes.patches) == [5.0, 5.0, 20.0, 20.0]


def test_all_are_written_beside_their_data(tmp_path):
    for kind in ROWS:
        frame(kind).to_csv(tmp_path / f"{kind}.csv", index=False)
    drawn = draw_beside(tmp_path, [*ROWS, "other"], study.FIGURES)
    assert set(drawn) == set(ROWS)
    assert all((tmp_path / name).stat().st_size > 1000 for names in drawn.values() for name in names)
