"""The figures of a fidelity report: complete, nothing clipped, the same bytes every time."""

from itertools import combinations

import pandas as pd
import pytest

from stratsim_plots import fidelity, style

ORIGIN = "some-gpu: measured"
LOADS, POLICIES = (0.5, 0.7, 0.85), ("fifo", "priority-edf", "strait(belief=rls(forgetting=0.98))")


def frames(loads=LOADS, policies=POLICIES):
    cells = [(load, policy) for load in loads for policy in policies]
    cdf = [
        (load, policy, run, repeat, fraction / 100, 0.01 * repeat + 0.001 * fraction * (1 + (run == "live")), ORIGIN)
        for load, policy in cells
        for run in ("live", "simulated")
        for repeat in (1, 2)
        for fraction in range(101)
    ]
    errors = [
        (*cell, name, -0.2 + 0.05 * n, None if n == 0 else 0.03, "pass", ORIGIN)
        for cell in cells
        for n, name in enumerate(("p50", "p95", "p99"))
    ]
    companies = [
        (*cell, "+".join(f"model-{k}" for k in range(n)) or "alone", 10 + n, 0.05, -0.04, 0.01, ORIGIN)
        for cell in cells
        for n in range(5)
    ]
    slowdowns = [(f"model-{n}", n + 1, "alone", 10 * n + 1, 1 + n / 3, 1 + n / 4, *cells[0], ORIGIN) for n in range(7)]
    return {
        "fidelity-cdf": pd.DataFrame(
            cdf, columns=["load", "policy", "run", "repeat", "fraction", "latency_s", "origin"]
        ),
        "fidelity-errors": pd.DataFrame(
            errors, columns=["load", "policy", "figure", "error", "floor", "verdict", "origin"]
        ),
        "fidelity-corunners": pd.DataFrame(
            companies, columns=["load", "policy", "company", "n", "error", "median", "bias", "origin"]
        ),
        "fidelity-slowdowns": pd.DataFrame(
            slowdowns, columns=["model", "size", "company", "n", "measured", "predicted", "load", "policy", "origin"]
        ),
    }


def drawn(name, **options):
    with style.styled():
        figure = fidelity.FIGURES[name](frames(**options)[name])
        figure.canvas.draw()
    return figure


@pytest.mark.slow_cases(
    "size0-fidelity-cdf",
    "size0-fidelity-errors",
    "size1-fidelity-errors",
    "size1-fidelity-slowdowns",
    "size2-fidelity-cdf",
)
@pytest.mark.parametrize("name", fidelity.FIGURES)
@pytest.mark.parametrize(
    "size", [{}, {"loads": (0.7,), "policies": ("fifo",)}, {"loads": (None,), "policies": ("edf",)}]
)
def test_nothing_is_clipped_or_on_top_of_another(name, size):
    figure = drawn(name, **size)
    renderer = figure.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    boxes.append(figure._supxlabel.get_window_extent(renderer))
    for box in boxes:
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for one, other in combinations(boxes, 2):
        overlap_x = min(one.x1, other.x1) - max(one.x0, other.x0)
        overlap_y = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert overlap_x <= 1 or overlap_y <= 1
    assert ORIGIN in figure._supxlabel.get_text().replace("\n", " ")


@pytest.mark.slow
def test_distributions_lie_over_each_other_and_fit():
    figure = drawn("fidelity-cdf")
    assert len(figure.axes) == 9
    for axes in figure.axes:
        assert len(axes.lines) == 4
        assert max(line.get_xdata().max() for line in axes.lines) <= axes.get_xlim()[1]
    live = [line for line in figure.axes[0].lines if line.get_color() == style.BLUE]
    assert live[0].get_xdata()[50] == pytest.approx(1e3 * (0.01 + 0.001 * 50 * 2))


def test_the_floor_is_the_error_bar():
    figure = drawn("fidelity-errors", loads=(0.7,), policies=("fifo",))
    none, bar, _ = (axes.containers[0] for axes in figure.axes)
    assert bar[2][0].get_segments()[0][:, 1] == pytest.approx([-15 - 3, -15 + 3])
    assert none[2][0].get_segments()[0][:, 1] == pytest.approx([-20, -20])


def test_corunners_are_weighted_by_batches():
    frame = frames(loads=(0.7,), policies=("fifo",))["fidelity-corunners"].iloc[[0, 0]].copy()
    frame["n"], frame["median"] = [1, 3], [0.0, 0.04]
    with style.styled():
        figure = fidelity.corunners(frame)
    (axes,) = figure.axes
    (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert marks.get_xdata() == pytest.approx([3.0])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["alone (4)"]


@pytest.mark.slow
def test_files_are_the_same_every_time(tmp_path):
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        for name, frame in frames().items():
            frame.to_csv(tmp_path / run / f"{name}.csv", index=False)
        assert set(fidelity.draw(tmp_path / run, frames())) == set(fidelity.FIGURES)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
