"""The report: one file with everything in it, figures that show what they should, nothing left open."""

import base64
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import pytest

from stratsim_profiler.fit import fit_samples
from stratsim_profiler.report import figures, html_report
from stratsim_profiler.report.look import new_figure, plain_log_ticks, styled
from stratsim_profiler.report.tables import environment_rows, solo_rows
from stratsim_profiler.samples import Header

pytestmark = pytest.mark.slow  # draws every figure of the report


@pytest.fixture(scope="module")
def html(full_fit):
    return html_report(full_fit)


class Balance(HTMLParser):
    """Keeps the open elements; fails on one that is closed out of order."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_stands_alone(html):
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"https?://|<script|<link", html)
    assert html.startswith("<!DOCTYPE html>")


def test_every_section_is_there(html):
    titles = re.findall(r"<h2>(.*?)</h2>", unescape(html))
    assert titles == [
        "Environment",
        "Solo execution",
        "Copies between host and device",
        "Slowdown in pairs",
        "Waits per kernel",
        "How co-located models share the device",
        "Measured and fitted",
        "Residuals",
        "Errors on what the fit has not seen",
        "Tests of the model's assumptions",
        "Sensitivity and pressure",
        "Discarded samples",
    ]


def test_the_figures_are_pictures_with_a_description(html):
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', html)
    assert len(pictures) == 8
    assert all(base64.b64decode(data).startswith(b"\x89PNG") for _, data in pictures)


def test_the_verdict_stands_first(html, full_fit):
    assert html.index(full_fit.summary.verdict.split("`")[0]) < html.index("<h2>")
    assert 'class="verdict good"' in html


def test_the_report_is_the_same_each_time(html, full_fit):
    assert html_report(full_fit) == html


def test_a_bad_fit_is_coloured_so_and_listed(make_bench):
    bench = make_bench(3, seed=3, noise=0.6)
    bench.measure_models()
    bench.measure_transfers()
    bench.measure_design()
    page = html_report(fit_samples(bench.samples(), starts=2))
    assert 'class="verdict bad">BAD FIT' in page
    assert "<h2>Beware</h2>" in page


def test_what_was_not_measured_has_no_section(make_bench):
    bench = make_bench(2, seed=1)
    bench.measure_models()
    bench.measure_transfers()
    titles = re.findall(r"<h2>(.*?)</h2>", html_report(fit_samples(bench.samples())))
    assert titles == ["Beware", "Environment", "Solo execution", "Copies between host and device"]


def test_names_cannot_break_the_page(make_bench):
    bench = make_bench(2, seed=1)
    bench.measure_models()
    bench.measure_transfers()
    page = html_report(fit_samples(bench.samples(), name="<b>&$x$"))
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;$x$" in page


def test_the_points_of_a_link_are_its_medians(full_fit):
    with styled():
        times, errors = figures.transfers(full_fit.summary).axes
    fit = full_fit.summary.transfers.pinned["h2d"]
    line = times.lines[0]
    assert list(line.get_xdata()) == sorted(fit.seconds)
    assert list(line.get_ydata()) == pytest.approx([fit.seconds[size] * 1e3 for size in sorted(fit.seconds)])
    assert list(errors.lines[0].get_ydata()) == pytest.approx([100 * fit.errors[size] for size in sorted(fit.seconds)])
    assert [text.get_text() for text in times.get_legend().get_texts()] == [
        "h2d pinned",
        "d2h pinned",
        "h2d pageable",
        "d2h pageable",
    ]


def test_the_matrix_holds_the_measured_slowdowns(full_fit):
    figure = figures.contention_matrix(full_fit.summary)
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    shown = {(names[int(t.get_position()[1])], names[int(t.get_position()[0])]): t.get_text() for t in axes.texts}
    for pair in full_fit.profile.pairs:
        key = f"{pair.target} x{pair.target_batch}", f"{pair.other} x{pair.other_batch}"
        assert float(shown[key]) == pytest.approx(pair.slowdown, abs=0.0051)
    assert len(shown) == len(full_fit.profile.pairs)


def test_every_slowdown_is_a_point_on_one_side_or_the_other(full_fit):
    summary = full_fit.summary
    fitted, held_out = figures.measured_and_fitted(summary, summary.sharing).axes
    for axes, cells in ((fitted, summary.measured.training), (held_out, summary.measured.held_out)):
        points = sum(len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "None")
        assert points == sum(len(cell.loads) for cell in cells)


def test_a_parameter_that_is_not_identified_is_hollow(full_fit, make_bench):
    bench = make_bench(2, seed=1, noise=0.02, demand=(0.5, 0.9))
    bench.measure_models()
    bench.measure_transfers()
    for load in bench.loads:
        for count in (2, 3, 4):
            bench.measure((load,) * count, "self")
    sharing = fit_samples(bench.samples(), starts=2).summary.sharing
    weight = figures.intervals(sharing).axes[1]
    hollow = [line for line in weight.lines if line.get_marker() == "o" and line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    assert len(sharing.not_identified) == 1


def test_the_points_are_the_scores(full_fit):
    sharing = full_fit.summary.sharing
    (axes,) = figures.held_out_errors(sharing).axes
    splits = list(dict.fromkeys(row.split for row in sharing.rows))
    drawn = {line.get_label(): line for line in axes.lines}
    assert set(drawn) == {row.predictor for row in sharing.rows}
    for rival, line in drawn.items():
        assert list(line.get_ydata()) == list(range(len(splits)))
        assert list(line.get_xdata()) == pytest.approx([100 * sharing.row(split, rival).mean for split in splits])
        assert line.get_fillstyle() == ("full" if rival == sharing.rule else "none")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 7, ["1", "1.5", "2", "3", "4", "6"]), (0.01, 100, ["0.01", "0.1", "1", "10", "100"])],
)
def test_logarithmic_axes_have_plain_numbers(low, high, ticks):
    axes = new_figure(3, 3).subplots()
    axes.set_xscale("log")
    plain_log_ticks(axes, "x", low, high)
    assert [label.get_text() for label in axes.get_xticklabels()] == ticks
    assert axes.get_xlim() == pytest.approx((low, high))


def test_tables_keep_what_was_known(full_fit):
    header = Header(1, "0", "now", {"name": "X", "none": None}, {"nvml": {"driver": "5"}}, {}, {"sizes": [1, 2]})
    assert environment_rows(header) == [("what", "value"), ("name", "X"), ("nvml.driver", "5"), ("sizes", "1, 2")]
    rows = solo_rows(full_fit.summary)
    assert len(rows) == 6
    assert rows[1][0] == "m0 x1"
    assert {len(row) for row in rows} == {8}


def test_fitting_needs_neither_matplotlib_nor_torch():
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('matplotlib', 'torch', 'pynvml'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from stratsim_profiler.fit import fit_samples\n"
        "from stratsim_profiler.report import html_report\n"
        "try:\n    html_report(None)\n"
        "except ImportError as problem:\n    print(problem)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert run.stdout == "matplotlib is not installed; it needs: pip install 'stratsim[profiler]'\n"
