"""What a reader's eye needs: nothing clipped, nothing on top of anything else, everything told apart."""

import gzip
import json
from itertools import combinations

import pytest

from stratsim.results import read_results
from stratsim_plots import latency_ccdf, load, style, timeline, violations
from stratsim_plots.series import Options

LONG = "priority-edf(max_batch=4, guard=true, slack_s=0.005)"
MANY = ("fifo", "priority-fifo", "edf", LONG, "/home/someone/policies/my_policy.py:MyPolicy", "a$b_{c}", "g", "h", "i")


def drawn(module, results, options=Options()):  # noqa: B008 (immutable)
    with style.styled():
        figure = module.draw(module.data(results, options), results, options)
        figure.canvas.draw()
    return figure


def boxes(figure):
    """Where each axes (with labels and ticks), the legend and the small print lie."""
    renderer = figure.canvas.get_renderer()
    parts = [axes.get_tightbbox(renderer) for axes in figure.axes]
    parts += [legend.get_window_extent(renderer) for legend in figure.legends]
    return [*parts, *(text.get_window_extent(renderer) for text in figure.texts)]


def assert_readable(figure):
    for box in boxes(figure):
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for one, other in combinations(boxes(figure), 2):
        overlap_x = min(one.x1, other.x1) - max(one.x0, other.x0)
        overlap_y = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert overlap_x <= 1 or overlap_y <= 1


@pytest.mark.slow_cases("policies2")
@pytest.mark.parametrize("policies", [MANY[:1], MANY[:4], MANY])
def test_violations(folder_at, tmp_path, policies):
    stored = read_results(folder_at(tmp_path / "run", policies=policies, violations=(0.994, None)))
    figure = drawn(violations, [stored])
    assert_readable(figure)
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    labels = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    assert all(not one.overlaps(other) for one, other in combinations(labels, 2))
    right = axes.get_window_extent(renderer).x1
    assert all(text.get_window_extent(renderer).x1 <= right + 20 for text in axes.texts)


@pytest.mark.slow_cases("policies1")
@pytest.mark.parametrize("policies", [MANY[:1], MANY[:4]])
def test_every_label_is_drawn_where_nothing_is_violated(folder_at, tmp_path, policies):
    folder = folder_at(tmp_path / "run", policies=policies, violations=(0.0, 0.0))
    summary = json.loads((folder / "summary.json").read_text())
    for entry in summary["runs"]:
        for figures in entry["classes"].values():
            figures |= {"met": 10, "late": 0, "dropped": 0}
    (folder / "summary.json").write_text(json.dumps(summary))
    figure = drawn(violations, [read_results(folder)])
    assert_readable(figure)
    (axes,) = figure.axes
    assert axes.get_ylim()[1] == -0.5
    assert axes.get_ylim()[0] >= len(policies) - 0.5
    assert [text.get_text() for text in axes.texts] == ["0"] * 2 * len(policies)
    renderer = figure.canvas.get_renderer()
    area = axes.get_window_extent(renderer)
    for text in axes.texts:
        assert text._check_xy(renderer)  # matplotlib leaves out what is noted at a point outside the axes
        box = text.get_window_extent(renderer)
        assert area.y0 <= box.y0
        assert box.y1 <= area.y1


def test_unfinished_requests_are_in_the_legend_if_there_are_any(folder):
    summary = json.loads((folder / "summary.json").read_text())
    summary["runs"][0]["classes"]["low"]["unfinished"] = 2
    (folder / "summary.json").write_text(json.dumps(summary))
    figure = drawn(violations, [read_results(folder)])
    assert "unfinished" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert_readable(figure)


def requests_of(folder, policies):
    lines = ["policy,arrival_s,priority,latency_s"]
    lines += [
        f'"{policy}",{0.1 * n},{name},{0.013 + 0.0001 * n}'
        for policy in policies for name in ("high", "low") for n in range(40)
    ]  # fmt: skip
    (folder / "requests.csv.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))


@pytest.mark.slow
@pytest.mark.parametrize("policies", [MANY[:1], MANY])
def test_latency_curves(folder_at, tmp_path, policies):
    folder = folder_at(tmp_path / "run", policies=policies)
    requests_of(folder, policies)
    figure = drawn(latency_ccdf, [read_results(folder)])
    assert_readable(figure)
    # 13 to 17 ms and 1/40 to 1: whatever the range, it is numbered
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            assert len([at for at in axis.get_majorticklocs() if low <= at <= high]) >= 2
        looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in axes.lines}
        assert len(looks) == len(policies)


@pytest.mark.slow_cases("policies1")
@pytest.mark.parametrize("policies", [MANY[:2], MANY[:8]])
def test_load_lines(folder_at, tmp_path, policies):
    results = [
        read_results(folder_at(tmp_path / f"{x}", policies=policies, load=x, violations=(x / 2, x / 3)))
        for x in (0.3, 0.6, 0.9)
    ]  # fmt: skip
    figure = drawn(load, results)
    assert_readable(figure)
    for axes in figure.axes:
        assert axes.get_ylim()[0] == 0
        assert len(axes.containers) == len(policies)


def test_a_class_without_deadlines_has_no_panel(folder_at, tmp_path):
    results = [
        read_results(folder_at(tmp_path / f"{x}", load=x, violations=(x, None))) for x in (0.3, 0.6)
    ]  # fmt: skip
    assert [axes.get_ylabel() for axes in drawn(load, results).axes] == ["high: violations (%)"]


def many_models(folder, count):
    stages = [f"{stage}_{end}_s" for stage in ("copy_in", "execution", "copy_out") for end in ("start", "end")]
    lines = [
        ",".join(["policy", "batch_id", "gpu", "model", "batch_size", "priority", "dispatch_s", *stages, "solo_s"])
    ]
    for n in range(count):
        start = 0.01 * n
        times = [start, start, start + 0.001, start + 0.001, start + 0.009, start + 0.009, start + 0.010, 0.008]
        lines.append(f"fifo,{n},0,model-{n:02d},1,low," + ",".join(f"{time:.6f}" for time in times))
    (folder / "batches.csv.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))


@pytest.mark.slow
def test_a_dozen_models_are_told_apart_without_colour(folder):
    many_models(folder, 12)
    figure = drawn(timeline, [read_results(folder)])
    assert_readable(figure)
    slots = [bar for bar in figure.axes[0].patches if bar.get_y() < 0]
    assert len(slots) == 12
    assert len({bar.get_hatch() for bar in slots}) == 12
    samples = figure.legends[0].get_patches()
    assert [sample.get_hatch() for sample in samples] == [bar.get_hatch() for bar in slots]


def test_hatches_are_whole_in_the_samples_of_a_legend(folder):
    many_models(folder, 12)
    figure = drawn(timeline, [read_results(folder)])
    points = 72 / figure.dpi
    for sample in figure.legends[0].get_patches():
        assert sample.get_window_extent().height * points >= 7
    # A hatch of n equal signs repeats n * 6 times per inch: at least twice within 7 points.
    assert all(len(hatch) * 6 * 7 / 72 >= 2 for hatch in style.HATCHES if hatch)
    assert not any(sign in hatch for hatch in style.HATCHES for sign in "oO*")


@pytest.mark.slow
def test_a_model_looks_the_same_in_every_window(folder):
    many_models(folder, 12)
    stored = [read_results(folder)]
    whole = drawn(timeline, stored, Options(from_s=0.0, to_s=0.2))
    part = drawn(timeline, stored, Options(from_s=0.0512, to_s=0.0589))
    (only,) = [bar for bar in part.axes[0].patches if bar.get_y() < 0]
    sixth = [bar for bar in whole.axes[0].patches if bar.get_y() < 0][5]
    assert only.get_facecolor() == sixth.get_facecolor()
    assert only.get_hatch() == sixth.get_hatch()
    assert [text.get_text() for text in part.legends[0].get_texts()] == ["model-05", "on top: high"]


def test_narrow_boxes_keep_their_colour(folder):
    # A 1 ms copy in a window of 4 s is all edge: white edges would hide it.
    figure = drawn(timeline, [read_results(folder)], Options(("fifo",), from_s=0.5, to_s=4.5))
    for bar in figure.axes[0].patches:
        if bar.get_width() < 20:
            assert bar.get_edgecolor() == bar.get_facecolor()
            assert bar.get_linewidth() > 0
