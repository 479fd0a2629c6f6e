"""A figure of a sweep against one of its axes."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from stratsim.cli import main
from stratsim.errors import SpecError
from stratsim.sweep import summarise
from stratsim.sweep.run import read_sweeps
from stratsim_plots import style, sweep_lines
from stratsim_plots.series import Options

SWEEP = """
title = "two axes"

[sweep]
seeds = [1, 2]

[base]
profile = "asymmetric-six"

[arrivals]
requests = 120

[axes]
load = [0.4, 4.0]
max_concurrency = [1, 2]
policy = ["fifo", "edf"]
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "sweep.toml").write_text(SWEEP)
    assert main(["sweep", "run", str(folder / "sweep.toml"), "--out", str(folder / "out"), "--quiet"]) == 0
    return folder / "out"


def rows(swept, **options):
    return sweep_lines.read([swept], Options(**{"where": ("max_concurrency=1",)} | options))


@pytest.mark.slow
def test_a_figure_of_classes_has_both(swept):
    """The mean and the interval over the two seeds are those of the table."""
    frame = rows(swept)
    table = pd.read_csv(swept / "results.csv")
    own = table[(table["policy"] == "edf") & (table["max_concurrency"] == 1) & (table["load"] == 4.0)]
    point = frame[(frame["policy"] == "edf") & (frame["x"] == "4.0") & (frame["metric"] == "low_violation")].iloc[0]
    assert point["value"] == pytest.approx(own["low_violation"].mean())
    assert point["runs"] == 2
    assert set(frame["metric"]) == {"high_violation", "low_violation"}


@pytest.mark.slow
def test_a_percentile_among_drops_is_no_mean_of_survivors(swept):
    frame = rows(swept, metric="p99_arrived_s")
    crowded = frame[frame["x"] == "4.0"]
    assert (crowded["infinite"] == 2).all()
    assert crowded["value"].isna().all()
    assert np.isfinite(frame[frame["x"] == "0.4"]["value"]).any()


def test_any_axis_can_be_the_one(swept):
    frame = rows(swept, x="max_concurrency", metric="utilization", where=("load=0.4",))
    assert sorted(set(frame["x"])) == ["1", "2"]
    assert set(frame["metric"]) == {"utilization"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": ()}, r"max_concurrency varies too \(1, 2\): choose one by --where max_concurrency=VALUE"),
        ({"x": "lod"}, "no axis 'lod'; did you mean 'load'"),
        ({"metric": "violaton"}, "no figure 'violaton'; did you mean 'violation'"),
    ],
)
def test_what_cannot_be_drawn_says_the_way_out(swept, options, message):
    with pytest.raises(SpecError, match=message):
        rows(swept, **options)


@pytest.mark.slow_cases("goodput_per_s", "mean_batch_size", "p99_arrived_s", "violation")
@pytest.mark.parametrize("metric", ["violation", "p99_arrived_s", "goodput_per_s", "utilization", "mean_batch_size"])
def test_axes_are_words_and_everything_has_room(swept, metric):
    with style.styled(), warnings.catch_warnings():
        warnings.simplefilter("error")  # a layout that does not fit is one
        figure = sweep_lines.draw(rows(swept, metric=metric), Options())
        figure.canvas.draw()
    assert figure.axes[-1].get_xlabel().replace("\n", " ") == "Offered load (share of batch-1 saturation)"
    assert all("_" not in axes.get_ylabel() for axes in figure.axes)


@pytest.mark.slow
def test_from_the_command_line(swept, tmp_path, capsys):
    out = tmp_path / "load.png"
    asked = ["plot", str(swept), "--kind", "load", "--x", "max_concurrency", "--where", "load=4.0", "--out", str(out)]
    assert main(asked) == 0
    assert out.stat().st_size > 1000
    assert tuple(pd.read_csv(out.with_suffix(".csv")).columns) == sweep_lines.COLUMNS
    assert main([*asked[:-2], "--out", str(out)]) == 0  # its own data may be replaced
    capsys.readouterr()


def test_folders_have_violations_alone(tmp_path, capsys):
    assert main(["plot", "a", "b", "--kind", "load", "--metric", "p99_s", "--out", str(tmp_path / "a.png")]) == 2
    assert "--metric, --x and --where choose among the runs of a sweep" in capsys.readouterr().err


def test_the_summary_of_a_sweep_says_dropped(swept, capsys):
    assert main(["sweep", "show", str(swept)]) == 0
    assert "dropped" in capsys.readouterr().out
    (summary,) = json.loads((swept / "summary.json").read_text())["sweeps"]
    crowded = [entry["figures"]["low_p99_arrived_s"] for entry in summary["cells"] if entry["cell"]["load"] == 4.0]
    assert all(figure["mean"] is None and figure["infinite"] == 1.0 for figure in crowded)


def test_no_difference_is_taken_over_the_seeds_that_survived(swept):
    """At load 4 the percentile falls among drops in both seeds; violations are compared all the same."""
    (outcome,) = read_sweeps(swept)
    found = summarise(outcome, "edf")["differences"]
    crowded = {each["figure"] for each in found if each["cell"]["load"] == 4.0}
    assert "low_violation" in crowded
    assert "low_p99_arrived_s" not in crowded


PLACE = ("--where", "load=4.0", "--where", "max_concurrency=1")


@pytest.mark.slow
def test_violations_of_one_place_of_a_sweep_are_means_over_its_seeds(swept, tmp_path):
    out = tmp_path / "v.pdf"
    assert main(["plot", str(swept), "--kind", "violations", *PLACE, "--out", str(out)]) == 0
    frame, table = pd.read_csv(out.with_suffix(".csv")), pd.read_csv(swept / "results.csv")
    own = table[(table["policy"] == "edf") & (table["max_concurrency"] == 1) & (table["load"] == 4.0)]
    row = frame[(frame["policy"] == "edf") & (frame["class"] == "high")].iloc[0]
    assert row["violation"] == pytest.approx(own["high_violation"].mean())
    assert row["late"] + row["dropped"] + row["unfinished"] == pytest.approx(row["violation"])
    assert row["low"] <= row["violation"] <= row["high"]


def test_violations_of_several_places_are_no_bar(swept, tmp_path, capsys):
    assert main(["plot", str(swept), "--kind", "violations", "--out", str(tmp_path / "v.pdf")]) == 2
    assert "load varies too (0.4, 4.0): choose one by --where load=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["latency-cdf", "latency-ccdf", "latency-parts", "timeline"])
def test_what_needs_requests_says_how_to_get_them(swept, tmp_path, capsys, kind):
    assert main(["plot", str(swept), "--kind", kind, "--out", str(tmp_path / "f.pdf")]) == 2
    said = capsys.readouterr().err
    assert "`stratsim sweep replay` makes one of a row" in said
    assert "Of a sweep there are differences, equity, heatmap, load, violations" in said
