"""The page of a sweep: means and marks worked out by hand, what is listed, what is refused."""

import math
import re
import shlex

import pandas as pd
import pytest

from stratsim.cli import main
from stratsim.compare.sweep import SweepTable, read_sweep
from stratsim.errors import OutputError, SpecError
from stratsim_plots.report import figures as figures_module
from stratsim_plots.report.make import make_report
from stratsim_plots.report.sweep.cells import cells_of
from stratsim_plots.report.sweep.lines import draw_lines

from .test_report import Page

NAN, INF = math.nan, math.inf


def table(rows, axes=("load",), choices=()):
    """A sweep's table: policy, load, seed, high_violation, high_p99_arrived_s."""
    frame = pd.DataFrame(rows, columns=["policy", "load", "seed", "high_violation", "high_p99_arrived_s"])
    return SweepTable(frame, axes, choices, ("high_violation", "high_p99_arrived_s"))


HAND = [
    # a is better by 0.1 in each seed of load 0.5; at load 1 it is so in one seed only.
    ("a", "0.5", 1, 0.10, 0.020), ("a", "0.5", 2, 0.20, 0.040), ("a", "0.5", 3, 0.30, 0.030),
    ("b", "0.5", 1, 0.20, 0.030), ("b", "0.5", 2, 0.30, 0.030), ("b", "0.5", 3, 0.40, 0.030),
    ("a", "1", 1, 0.10, 0.020), ("a", "1", 2, 0.50, INF), ("b", "1", 1, 0.60, 0.050), ("b", "1", 2, 0.40, 0.070),
]  # fmt: skip


def test_means_have_intervals_over_seeds():
    cells = cells_of(table(HAND), None)
    assert (cells.axes, cells.places, cells.policies) == (("load",), (("0.5",), ("1",)), ("a", "b"))
    found = cells.figures[("0.5",), "a", "high_violation"]
    # 0.1, 0.2, 0.3: mean 0.2, s 0.1, t(0.975, 2) = 4.3027; below 0 it is cut.
    assert (found.runs, found.infinite) == (3, 0)
    assert found.mean == pytest.approx(0.2)
    assert (found.low, found.high) == (0.0, pytest.approx(0.2 + 4.302653 * 0.1 / math.sqrt(3)))
    assert cells.seeds[("1",), "b"] == 2


def test_the_best_is_told_by_pairs_of_seeds():
    """Intervals of a and b at load 0.5 overlap by far, but their difference is 0.1 in every seed."""
    figures = cells_of(table(HAND), None).figures
    marks = {key: found.mark for key, found in figures.items() if key[2] == "high_violation"}
    assert marks == {
        (("0.5",), "a", "high_violation"): "best", (("0.5",), "b", "high_violation"): "",
        (("1",), "a", "high_violation"): "tied", (("1",), "b", "high_violation"): "tied",
    }  # fmt: skip


def test_a_percentile_among_dropped_requests_has_no_mean_and_is_never_the_best():
    figures = cells_of(table(HAND), None).figures
    found = figures[("1",), "a", "high_p99_arrived_s"]
    assert (found.runs, found.infinite, found.mark) == (2, 1, "")
    assert figures[("1",), "b", "high_p99_arrived_s"].mark == "best"
    assert figures[("1",), "b", "high_p99_arrived_s"].mean == pytest.approx(0.06)


def test_of_one_seed_there_is_no_interval_and_the_least_is_the_best():
    figures = cells_of(table([("a", "1", 1, 0.2, 0.1), ("b", "1", 1, 0.1, 0.1), ("c", "1", 1, NAN, NAN)]), None).figures
    assert math.isnan(figures[("1",) * 0, "a", "high_violation"].low)
    assert figures[(), "b", "high_violation"].mark == "best"
    assert figures[(), "a", "high_violation"].mark == ""
    assert {figures[(), name, "high_p99_arrived_s"].mark for name in "ab"} == {"best"}  # c has none
    assert ((), "c", "high_violation") not in figures


@pytest.mark.slow
def test_places_are_in_the_order_of_numbers_and_the_chosen_axis_comes_first(swept):
    cells = cells_of(table([("a", at, 1, 0.1, 0.1) for at in ("10", "9.5", "x")]), None)
    assert [place[0] for place in cells.places] == ["9.5", "10", "x"]
    swapped = cells_of(read_sweep(swept), "max_concurrency")
    assert swapped.axes == ("max_concurrency", "load")
    with pytest.raises(SpecError, match="no axis 'lod'"):
        cells_of(read_sweep(swept), "lod")


@pytest.fixture(scope="module")
def text(swept, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "sweep.html"
    return make_report(swept, out, worst=2).path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_asks_nobody_and_escapes_all(text):
    page = Page(text)
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#") and link[1:]} <= set(page.ids)
    assert (
        "Two &lt;i&gt;policies&lt;/i&gt; &amp; two axes. 24 runs: 2 policies under 4 conditions, seeds 1 to 3." in text
    )
    assert "<i>" not in text


@pytest.mark.slow
def test_there_are_lines_for_every_value_of_the_other_axis(text):
    assert re.findall(r"<h3>(max_concurrency \d)</h3>", text) == ["max_concurrency 1", "max_concurrency 2"]
    drawn = re.findall(r'<svg[^>]* id="([\w-]+)"', text)
    assert {"violation-0", "violation-1", "goodput-per-s-0", "utilization-1"} <= set(drawn)


@pytest.mark.slow
def test_the_command_of_a_worst_run_repeats_it(text, swept, tmp_path, capsys):
    rows = read_sweep(swept).frame
    worst = rows.sort_values("high_violation", ascending=False, kind="stable").iloc[0]
    command = re.search(r"stratsim sweep replay [^<]*", text)[0]
    words = shlex.split(command)
    assert words[4] == worst["spec_sha256"][:12]
    assert main([*words[1:-1], str(tmp_path / "why")]) == 0
    capsys.readouterr()
    assert (tmp_path / "why" / "manifest.json").is_file()


@pytest.mark.slow
def test_only_current_rows_are_there_and_a_note_says_so(swept, tmp_path, capsys):
    import shutil

    folder = shutil.copytree(swept, tmp_path / "grown")
    manifest = (folder / "manifest.json").read_text()
    rows = read_sweep(folder).frame
    lost = rows.loc[(rows["policy"] == "edf") & (rows["load"] == "1.3"), "spec_sha256"]
    for key in lost:
        assert key in manifest
        manifest = re.sub(rf'"{key}",?', "", manifest)
    (folder / "manifest.json").write_text(re.sub(r",\s*\]", "]", manifest))
    assert main(["report", str(folder), "--worst", "0"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "6 rows" in capsys.readouterr().err
    assert "18 runs" in page
    assert 'id="worst"' not in page
    assert main(["report", str(folder), "--rows", "all", "--overwrite"]) == 0
    assert "24 runs" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_conditions_and_policies_choose_the_runs(swept, tmp_path):
    made = make_report(swept, tmp_path / "a.html", where=["max_concurrency=2"], policies=["edf"])
    page = made.path.read_text(encoding="utf-8")
    assert "6 runs: 1 policy under 2 conditions" in page
    assert "only runs with max_concurrency=2" in page
    assert "★</span><" not in page.split('id="summary"')[1].split("<p")[1]


@pytest.mark.slow_cases("options0-load")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"where": ["lod=1"]}, "load"),
        ({"where": ["load=7"]}, "no run has load 7"),
        ({"x": "lod"}, "no axis 'lod'"),
        ({"policies": ["edff"]}, "no run of policy 'edff'"),
    ],
)
def test_what_the_sweep_lacks_is_refused(swept, tmp_path, options, said):
    with pytest.raises(SpecError, match=re.escape(said)):
        make_report(swept, tmp_path / "a.html", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_is_alone_on_its_page(swept, nothing, tmp_path):
    with pytest.raises(SpecError, match="page of its own"):
        make_report([nothing, swept], tmp_path / "a.html")
    with pytest.raises(SpecError, match="choose among the runs of a sweep"):
        make_report(nothing, tmp_path / "a.html", x="load")
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        make_report(swept, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "mine"


def test_without_matplotlib_the_table_is_all(monkeypatch):
    monkeypatch.setattr(figures_module, "find_spec", lambda name: None)
    drawn = draw_lines(cells_of(table(HAND), None), "simulated")
    assert "no figures in this page" in drawn.html
    assert len(drawn.notes) == 1


def test_what_does_not_vary_has_no_lines():
    drawn = draw_lines(cells_of(table([("a", "1", 1, 0.2, 0.1), ("b", "1", 1, 0.1, 0.1)]), None), "simulated")
    assert "No axis varies" in drawn.html


@pytest.mark.slow
def test_a_percentile_that_is_infinite_everywhere_is_said_not_drawn():
    rows = [(policy, load, seed, 0.2, INF) for policy in "ab" for load in ("0.5", "1") for seed in (1, 2)]
    drawn = draw_lines(cells_of(table(rows), None), "simulated")
    assert "of high priority falls among dropped requests everywhere." in drawn.html
    assert drawn.html.count("<svg") == 1
