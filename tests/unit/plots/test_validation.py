"""The figures of a validation report: drawn from its tables, complete, the same bytes every time."""

import sys

import pandas as pd
import pytest

from stratsim.errors import MissingExtraError
from stratsim_plots import beside, style, validation

TABLES = {
    "parvagpu-slowdowns": pd.DataFrame(
        {
            "model": [*"aabbccdd"],
            "batch": [1, 2] * 4,
            "processes": [2, 3] * 4,
            "measured": [1.0, 2.0, 1.1, 3.0, 1.5, 2.5, 4.0, 5.0],
            "simulated": [1.0, 2.0, 1.0, 3.3, 1.2, 2.0, 4.0, 9.0],
        }
    ),
    "parvagpu-models": pd.DataFrame(
        {
            "model": ["a", "b"],
            "median": [0.02, 0.05],
            "mean": [0.03, 0.09],
            "unseen_median": [0.02, 0.5],
            "unseen_mean": [0.04, 0.7],
        }
    ),
    "m-d-1-tail": pd.DataFrame(
        {
            "wait_ms": [0, 10, 20],
            "closed_form": [0.7, 0.4, 0.2],
            "simulated": [0.69, 0.41, 0.2],
            "low": [0.6, 0.3, -0.1],
            "high": [0.75, 0.5, 0.5],
        }
    ),
    "disb-cells": pd.DataFrame(
        {
            "workload": ["A", "C"],
            "client": ["x_rt", "y_be"],
            "measured": [1.2, 11.6],
            "simulated": [1.1, 14.5],
            "unseen": [1.2, 5.8],
        }
    ),
}


@pytest.fixture
def folder(tmp_path):
    for name, frame in TABLES.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def texts(figure):
    figure.canvas.draw()
    (axes,) = figure.axes
    labels = [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    legend = [text.get_text() for each in figure.legends for text in each.get_texts()]
    return labels, legend, [text.get_text() for text in axes.texts]


@pytest.fixture
def drawn():
    """Draw one figure with our look."""

    def run(name):
        with style.styled():
            return texts(validation.FIGURES[name](TABLES[name]))

    return run


@pytest.mark.slow
def test_every_figure_as_png_and_svg_beside_its_data(folder):
    found = validation.draw(folder, [*TABLES, "a-table-without-a-figure"])
    assert found == {name: [f"{name}.png", f"{name}.svg"] for name in TABLES}
    for names in found.values():
        for name in names:
            assert (folder / name).stat().st_size > 5_000


@pytest.mark.slow
def test_equal_data_gives_equal_bytes(folder):
    validation.draw(folder, TABLES)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    validation.draw(folder, TABLES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_every_figure_is_tested():
    assert set(validation.FIGURES) == set(TABLES)


def test_the_models_that_fit_worst_are_named(drawn):
    """Errors: d 40 %, c 20 %, b 10 %, a none."""
    ticks, legend, _ = drawn("parvagpu-slowdowns")
    assert legend == [
        "within 10 %",
        "other models (1)",
        *(f"{m} ({e} %)" for m, e in zip("dcb", (40, 20, 10), strict=True)),
    ]
    assert {"1", "2", "5"} <= set(ticks)
    assert not any("$" in tick for tick in ticks)


def test_a_row_per_model_the_worst_on_top(drawn):
    ticks, legend, _ = drawn("parvagpu-models")
    assert ticks[-2:] == ["a", "b"]
    assert "10 %" in ticks
    assert len(legend) == 4


def test_the_tail_is_on_a_log_axis(drawn):
    ticks, _, _ = drawn("m-d-1-tail")
    assert "0.1" in ticks


def test_cells_carry_their_error(drawn):
    ticks, legend, notes = drawn("disb-cells")
    assert ticks[-2:] == ["A: x_rt", "C: y_be"]
    assert legend == ["measured", "simulated", "by a fit without it"]
    assert notes == ["-8.3 %, +0.0 %", "+25.0 %, -50.0 %"]


def test_without_matplotlib_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(beside, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"matplotlib is not installed.*stratsim\[plots\]"):
        validation.draw(folder, TABLES)
