"""The curve of the fewest GPUs: what it shows, and what it refuses."""

import json

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from stratsim.errors import SpecError
from stratsim_plots import fleet, style
from stratsim_plots.figure import make_figure
from stratsim_plots.series import Options


def at(percentile_ms, share, spread=0.1):
    """Figures of a goal of 50 ms for the p99, and of one for violations."""

    def around(value):
        return {"mean": value, "low": value * (1 - spread), "high": value * (1 + spread)}

    percentile = None if percentile_ms is None else around(percentile_ms / 1e3)
    return {
        "p99": {"missed": around(share), "percentile_s": percentile, "infinite": 2 * (percentile is None)},
        "high": {"missed": around(share), "percentile_s": None, "infinite": 0},
    }


FIFO = [("misses", at(None, 0.5)), ("undecided", at(49, 0.0098)), ("meets", at(25, 0.002))]
EDF = [("misses", at(300, 0.2)), ("misses", at(90, 0.05)), ("misses", at(60, 0.02))]


@pytest.fixture
def result(tmp_path):
    """Write the result of `stratsim capacity --rate 900`; return the file."""

    def policy(name, gpus, headroom, points):
        described = [{"gpus": n, "verdict": verdict, "goals": goals} for n, (verdict, goals) in enumerate(points, 1)]
        return {"policy": name, "gpus": gpus, "headroom": headroom, "points": described}

    document = {
        "target": [
            {"name": "p99", "words": "p99 at most 50 ms", "share": 0.01, "limit_s": 0.05},
            {"name": "high", "words": "high violations at most 1 %", "share": 0.01, "limit_s": None},
        ],
        "level": 0.95, "seeds": [0, 1], "rate_per_s": 900.0,
        "fleets": [policy("fifo", 3, 0.5, FIFO), policy("edf", None, None, EDF)],
        "manifest": {"profile": {"name": "toy-gpu", "label": "synthetic"}},
    }  # fmt: skip
    (tmp_path / "f.json").write_text(json.dumps(document))
    return tmp_path / "f.json"


def texts(figure):
    shown = (text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))
    return " ".join(shown).replace("\n", " ")


def test_a_panel_per_goal_with_the_target_and_the_headroom(result):
    frame = fleet.read([result], Options())
    assert tuple(frame.columns) == fleet.COLUMNS
    first = frame[(frame["policy"] == "fifo") & (frame["gpus"] == 3) & (frame["goal"] == "p99")].iloc[0]
    assert first[["value", "low", "high", "bound", "headroom"]].tolist() == pytest.approx([25, 22.5, 27.5, 50, 50])
    with style.styled():
        figure = fleet.draw(frame, Options())
        figure.canvas.draw()
    latency, violations = figure.axes
    assert (latency.get_ylabel(), violations.get_ylabel()) == ("p99 (ms)", "high violations (%)")
    assert latency.get_ylim()[1] == 150  # three times the target, whatever is beyond
    shown = texts(figure)
    for words in (
        "fifo: 3 GPUs, headroom 50 %",
        "edf: more than 3 GPUs",
        "target 50 ms",
        "target 1 %",
        "900 requests/s",
    ):
        assert words in shown
    assert "triangles: the percentile falls among dropped requests" in shown
    (headroom,) = [line for line in latency.lines if list(line.get_ydata()) == [25, 50]]
    assert np.allclose(headroom.get_xdata(), 3, atol=0.1)


def test_what_misses_the_target_is_hollow(result):
    with style.styled():
        figure = fleet.draw(fleet.read([result], Options(policies=("fifo",))), Options())
    marks = {
        tuple(line.get_xdata()): line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() == "o"
    }
    assert marks == {(3.0,): style.COLOURS[0], (1.0, 2.0): "white"}


@pytest.mark.slow
def test_kind_capacity_draws_it_and_writes_the_data(result, tmp_path):
    figure, table = make_figure([result], "capacity", tmp_path / "curve.png")
    assert figure.stat().st_size > 10_000
    assert table.read_text().startswith(",".join(fleet.COLUMNS))
    make_figure([result], "capacity", tmp_path / "curve.png")  # its own data may be replaced


def test_what_is_no_such_result_is_refused(result, tmp_path):
    with pytest.raises(SpecError, match="shows one result, got 2"):
        fleet.read([result, result], Options())
    with pytest.raises(SpecError, match=r"no result of policy 'edff'; did you mean 'edf'\?"):
        fleet.read([result], Options(policies=("edff",)))
    document = json.loads(result.read_text())
    del document["fleets"][0]["points"][0]["goals"]["p99"]
    (tmp_path / "x.json").write_text(json.dumps(document))
    with pytest.raises(SpecError, match=r"x\.json: fifo, 1 GPUs: no goal 'p99'"):
        fleet.read([tmp_path / "x.json"], Options())
    document["fleets"] = "many"
    (tmp_path / "x.json").write_text(json.dumps(document))
    with pytest.raises(SpecError, match=r"x\.json: "):
        fleet.read([tmp_path / "x.json"], Options())
