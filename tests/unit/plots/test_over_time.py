"""The figure over time: the windows of the folder, a panel per figure, a line per policy."""

import pandas as pd
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.results import read_results, write_results
from stratsim_plots import over_time, style
from stratsim_plots.figure import make_figure
from stratsim_plots.series import Options


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs = simulate("default", "a100-80gb-parvagpu", "fifo,edf", load=1.1, limit=800)
    place = tmp_path_factory.mktemp("results") / "run"
    write_results(runs.results, place, manifest=runs.manifest(), summaries=runs.summaries, timeline=False)
    return place


@pytest.mark.slow
def test_the_data_are_windows_of_the_length_that_was_asked_for(folder):
    frame = over_time.data([read_results(folder)], Options(windows_s=0.5))
    assert tuple(frame) == over_time.COLUMNS
    assert set(frame["policy"]) == {"fifo", "edf"}
    first = frame[frame["policy"] == "edf"].iloc[0]
    assert first["to_s"] - first["from_s"] == 0.5
    assert frame.groupby("policy")[["high_arrived", "low_arrived"]].sum().sum(axis=1).tolist() == [800, 800]


@pytest.mark.parametrize(
    ("width", "expected"), [(0.013, 0.02), (0.02, 0.02), (0.21, 0.5), (0.7, 1.0), (37.0, 50.0), (100.0, 100.0), (0, 1)]
)
def test_the_length_by_default_is_round(width, expected):
    assert over_time._round_s(width) == pytest.approx(expected)


def test_by_default_there_are_about_fifty(folder):
    frame = over_time.data([read_results(folder)], Options(policies=("edf",)))
    assert 20 <= len(frame) <= 50


def test_there_is_a_panel_per_figure_and_arrivals_are_drawn_once(folder):
    results = [read_results(folder)]
    with style.styled():
        frame = over_time.data(results, Options())
        figure = over_time.draw(frame, results, Options())
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert labels == [
        "high: violations (%)", "low: violations (%)", "arrivals/s", "queue length", "GPU busy (%)", "batch size",
    ]  # fmt: skip
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 1, 2, 2, 2]
    assert figure.axes[-1].get_xlabel() == "Trace time (s)"


def test_a_window_without_arrivals_is_a_gap_and_not_a_zero():
    found = over_time._ratio(pd.Series([1, 0]), pd.Series([2, 0]))
    assert found[0] == 0.5
    assert found[1] != found[1]


@pytest.mark.slow
def test_the_figure_and_its_data_are_written(folder, tmp_path):
    path, table = make_figure([folder], "over-time", tmp_path / "over-time.pdf", Options(windows_s=1.0))
    assert path.is_file()
    assert tuple(pd.read_csv(table)) == over_time.COLUMNS


def test_other_kinds_have_no_windows(folder, tmp_path):
    with pytest.raises(SpecError, match="--windows belongs to --kind over-time"):
        make_figure([folder], "violations", tmp_path / "v.pdf", Options(windows_s=1.0))


def test_a_width_that_is_none_is_refused(folder, tmp_path):
    with pytest.raises(SpecError, match="windows must be > 0 s"):
        make_figure([folder], "over-time", tmp_path / "v.pdf", Options(windows_s=0.0))
