"""The benchmarks' figures draw what their tables say."""

import figures
import growth
import pandas as pd
import peers
import pytest
from matplotlib.container import BarContainer

from stratsim_plots import style


def test_a_bar_per_simulator_as_long_as_it_is_fast():
    names = {"machine": [False, False, True], "ours": [False, True, True]}
    speeds = {"requests_per_s": [500_000.0, 250_000.0, 20_000.0], "ratio": [2.0, 1.0, 0.08]}
    reach = {"least_per_s": [4e5, 2e5, 1e4], "most_per_s": [6e5, 3e5, 3e4]}
    frame = pd.DataFrame({"label": ["heapq loop", "stratsim, this queue", "stratsim, fifo"]} | names | speeds | reach)
    with style.styled():
        (axes,) = figures.peers(frame).axes
    bars = [bar for group in axes.containers if isinstance(group, BarContainer) for bar in group]
    assert sorted(bar.get_width() for bar in bars) == sorted(speeds["requests_per_s"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["heapq loop", "stratsim", "fifo"]
    assert axes.get_xscale() == "log"


@pytest.mark.slow
def test_a_panel_per_axis_and_a_line_per_policy():
    found = {"wall_s": 1.0, "cpu_s": 1.0, "before_mb": 100.0, "peak_mb": 150.0, "events": 2_000, "longest_queue": 7}
    frame = growth.summarize(pd.DataFrame([point._asdict() | found for point in growth.points(1)]))
    with style.styled():
        figure = figures.growth(frame)
    assert len(figure.axes) == 2 * len(growth.AXES)
    assert all(len(axes.get_lines()) >= len(growth.POLICIES) for axes in figure.axes)


@pytest.mark.parametrize(("value", "text"), [(50, "50"), (1_000, "1k"), (1_024, "1024"), (1e6, "1M"), (1e7, "10M")])
def test_numbers_on_axes(value, text):
    assert figures._short(value) == text


def test_every_figure_belongs_to_a_command():
    assert figures.FIGURES.keys() == {"growth", "peers"}
    assert peers.MOST_EVENTS == growth.MOST_EVENTS
