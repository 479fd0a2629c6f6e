"""No text on top of another, and none outside the page: every kind, at both widths of a paper, with twenty policies."""

import gzip
import json
from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from stratsim.results import read_results
from stratsim_plots import (
    capacity,
    differences,
    equity,
    heatmap,
    latency_ccdf,
    latency_cdf,
    latency_parts,
    load,
    over_time,
    style,
    sweep_lines,
    timeline,
    violations,
)
from stratsim_plots.layout import Layout
from stratsim_plots.series import Options

TWENTY = tuple(
    f"{name}(max_batch={size}, guard=true, slack_s=0.005)"
    for name in ("priority-edf", "fewest-late", "/home/someone/policies/mine.py:Reserving", "strait")
    for size in (1, 2, 4, 8, 16)
)
PARTS = ("queueing", "copy_in", "execution", "interference", "slot_wait", "preemption", "weights", "copy_out_wait")
POINT = {"rate_per_s": 100.0, "low": 99.0, "high": 101.0, "concurrency": 2, "max_batch": 4, "solo_load": 1.0}
POINT |= dict.fromkeys(("topology", "uplink_bytes_per_s", "memory", "mix"))
TABLE = {
    "axes": ["load", "profile"],
    "conditions": ["load", "profile"],
    "choices": [],
    "figures": ["high_violation", "low_violation", "high_p99_arrived_s"],
}


def texts_of(figure):
    """All texts that are seen, by what they say."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    shown = [each for each in figure.findobj(Text) if each.get_visible() and each.get_text().strip()]
    ticks = {label for axis in figure.findobj(Axis) for tick in axis.majorTicks + axis.minorTicks
             for label in (tick.label1, tick.label2)}  # fmt: skip
    seen = {
        label for axis in figure.findobj(Axis) for tick in axis._update_ticks() for label in (tick.label1, tick.label2)
    }
    return [each for each in shown if each not in ticks or each in seen]


def problems(figure):
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = [(each.get_text(), each.get_window_extent(renderer)) for each in texts_of(figure)]
    page = figure.bbox
    found = [
        f"{text!r} leaves the page" for text, box in boxes
        if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > page.x1 + 0.5 or box.y1 > page.y1 + 0.5
    ]  # fmt: skip
    for (text, one), (other_text, other) in combinations(boxes, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        down = min(one.y1, other.y1) - max(one.y0, other.y0)
        if across > 0.5 and down > 0.5:
            found.append(f"{text!r} meets {other_text!r}")
    return found


def sweep(folder, policies):
    """A sweep of five loads, two profiles with long names, three seeds."""
    folder.mkdir()
    lines = ["phase,load,profile,policy,seed,high_violation,low_violation,high_p99_arrived_s"]
    lines += [
        f'results,{load},{profile},"{policy}",{seed},{n * load / 99 + seed / 50},{load / 3},{"inf" if n > 15 else n}'
        for n, policy in enumerate(policies)
        for load in (0.25, 0.5, 0.75, 1.0, 1.25)
        for profile in ("a100-80gb-parvagpu", "rtx3080-disb-published")
        for seed in (1, 2, 3)
    ]
    (folder / "results.csv").write_text("\n".join([*lines, ""]))
    points = {"p": POINT | {"profile": "a100-80gb-parvagpu", "origin": "published, parts synthetic"}}
    (folder / "saturation.json").write_text(json.dumps(points))
    (folder / "manifest.json").write_text(json.dumps({"sweep_format": 1, "table": TABLE, "sweeps": []}))
    return folder


def runs(folder_at, folder, policies, **spec):
    """A result folder of many policies, with latencies from 3 ms to 3 s and a tenth of the requests dropped."""
    folder_at(folder, policies=policies, violations=(0.5, 0.123), **spec)
    lines = ["policy,arrival_s,priority,latency_s"]
    rng = np.random.default_rng(1)
    for policy in policies:
        for name in ("high", "low"):
            for n, latency_s in enumerate(0.003 * 10 ** (3 * rng.random(60))):
                lines.append(f'"{policy}",{0.1 * n},{name},{"" if n % 10 == 0 else latency_s}')
    (folder / "requests.csv.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return folder


def parts(stored, policies):
    import pandas as pd

    rows = [
        (policy, policy, name, of, 10, part, 0.001 * (at + 1))
        for policy in policies
        for name in ("high", "low")
        for of in ("all", "slowest 1 %")
        for at, part in enumerate(PARTS)
    ]
    return pd.DataFrame(rows, columns=list(latency_parts.COLUMNS))


def windows(policies):
    import pandas as pd

    rows = [
        (policy, policy, 5.0 * n, 5.0 * n + 5, 40, 80, n, 2 * n, n, n, 12.5 * n, 0.019 * n, 30, 1.0 + n / 7)
        for policy in policies
        for n in range(50)
    ]
    return pd.DataFrame(rows, columns=list(over_time.COLUMNS))


def capacities(path, policies):
    def found(n, policy):
        at = 80.0 + n
        mean = {"mean": 0.99 * at, "low": 0.98 * at, "high": at}
        none = n == 3
        return {
            "policy": policy, "rate_per_s": None if none else at, "load": at / 100, "probes": [],
            "expected_per_s": None if none else at + 9, "above_per_s": None if n == 4 else at + 20,
            "goodput_per_s": {"all": None if none else mean},
        }  # fmt: skip

    document = {
        "target": [{"name": "high", "words": "high violations at most 1 %", "share": 0.01}],
        "level": 0.95, "seeds": [0, 1, 2],
        "capacities": [found(n, policy) for n, policy in enumerate(policies)],
        "manifest": {"profile": {"name": "a100-80gb-parvagpu", "label": "published, parts synthetic"}},
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


def busy(folder_at, folder, models):
    folder_at(folder, policies=(TWENTY[0],))
    stages = [f"{stage}_{end}_s" for stage in ("copy_in", "execution", "copy_out") for end in ("start", "end")]
    lines = [
        ",".join(["policy", "batch_id", "gpu", "model", "batch_size", "priority", "dispatch_s", *stages, "solo_s"])
    ]
    for n in range(64):
        start = 0.0007 * n
        times = [start, start, start + 1e-3, start + 1e-3, start + 9e-3, start + 9e-3, start + 0.01, 8e-3]
        head = f'"{TWENTY[0]}",{n},{n % 8},{models[n % len(models)]},{n % 40 + 1},{("low", "high")[n % 2]},'
        lines.append(head + ",".join(f"{time:.6f}" for time in times))
    (folder / "batches.csv.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return folder


def drawn(kind, count, options, folder_at, tmp_path):
    """The figure of a kind with so many policies."""
    policies = TWENTY[:count]
    if kind == "timeline":
        stored = [read_results(busy(folder_at, tmp_path / "run", [f"efficientnet-v2-large-{n}" for n in range(20)]))]
        return timeline.draw(options.layout.arranged(timeline.data(stored, options)), stored, options)
    if kind == "load":
        stored = [read_results(runs(folder_at, tmp_path / f"at-{at}", policies, load=at)) for at in (0.3, 0.6, 0.9)]
        return load.draw(load.data(stored, options), stored, options)
    if kind in ("violations", "latency-cdf", "latency-ccdf", "latency-parts", "over-time"):
        modules = {"violations": violations, "latency-cdf": latency_cdf, "latency-ccdf": latency_ccdf}
        stored = [read_results(runs(folder_at, tmp_path / "run", policies))]
        if kind == "over-time":
            return over_time.draw(windows(policies), stored, options)
        if kind == "latency-parts":
            return latency_parts.draw(parts(stored, policies), stored, options)
        return modules[kind].draw(modules[kind].data(stored, options), stored, options)
    if kind == "capacity":
        return capacity.draw(capacity.read([capacities(tmp_path / "c.json", policies)], options), options)
    path = sweep(tmp_path / "sweep", policies)
    module, asked = {
        "sweep": (sweep_lines, {"where": ("profile=a100-80gb-parvagpu",), "metric": "p99_arrived_s"}),
        "sweep-names": (sweep_lines, {"where": ("load=0.5",), "x": "profile"}),
        "differences": (differences, {"where": ("load=0.5", "profile=a100-80gb-parvagpu")}),
        "differences-cells": (differences, {"where": ("profile=a100-80gb-parvagpu",)}),
        "equity": (equity, {"where": ("profile=a100-80gb-parvagpu",)}),
        "heatmap": (heatmap, {}),
        "heatmap-policies": (heatmap, {"x": "policy", "where": ("profile=a100-80gb-parvagpu",)}),
        "heatmap-rows": (heatmap, {"x": "load", "y": "policy", "where": ("profile=a100-80gb-parvagpu",)}),
    }[kind]  # fmt: skip
    options = options._replace(**asked)
    return module.draw(module.read([path], options), options)


KINDS = (
    *("violations", "latency-cdf", "latency-ccdf", "latency-parts", "timeline", "over-time", "load", "capacity"),
    *("sweep", "sweep-names", "differences", "differences-cells", "equity"),
    *("heatmap", "heatmap-policies", "heatmap-rows"),
)


QUICK = ("violations", "sweep")

# The short run has two kinds in the narrow column, where room is scarce, and one place of the legend.
CASES = [
    pytest.param(kind, width_in, marks=[] if kind in QUICK and width_in == 3.3 else pytest.mark.slow)
    for kind in KINDS
    for width_in in (3.3, 7.0)
]
LEGENDS = [
    pytest.param(kind, legend, marks=[] if (kind, legend) == ("violations", "below") else pytest.mark.slow)
    for kind in ("violations", "sweep", "equity")
    for legend in ("above", "below", "right", "none")
]


@pytest.mark.parametrize(("kind", "width_in"), CASES)
def test_twenty_policies_with_long_names_have_room(kind, width_in, folder_at, tmp_path):
    with style.styled():
        figure = drawn(kind, 20, Options(layout=Layout(width_in=width_in)), folder_at, tmp_path)
        assert figure.get_figwidth() == pytest.approx(width_in)
        assert problems(figure) == []


@pytest.mark.parametrize(("kind", "legend"), LEGENDS)
def test_a_large_font_a_title_and_every_place_of_the_legend_have_room(kind, legend, folder_at, tmp_path):
    layout = Layout(width_in=3.3 if legend != "right" else 7.0, font_size=12, title="A long title " * 6, legend=legend)
    with style.styled(12):
        figure = drawn(kind, 5, Options(layout=layout), folder_at, tmp_path)
        assert problems(figure) == []
        assert len(figure.legends) == (legend != "none")
        assert sorted({round(text.get_fontsize(), 6) for text in figure.texts}) == pytest.approx([0.73 * 12, 13.2])
