"""Mean parts of latencies as stacked bars."""

from itertools import pairwise

import pytest

from stratsim.errors import SpecError
from stratsim.results import read_results, write_results
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec
from stratsim_plots import latency_parts, style
from stratsim_plots.figure import make_figure
from stratsim_plots.series import Options


def written(folder, **settings):
    outcome = replay(prepare(make_spec({"limit": 300, "load": 0.9, **settings})))
    summaries = list(outcome.summaries)
    write_results(list(outcome.results), folder, manifest=outcome.manifest(), summaries=summaries, timeline=False)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return written(tmp_path_factory.mktemp("made") / "out", policy="edf,fifo(max_batch=2)", profile="rtx3080-disb")


def test_data_are_the_means(made):
    stored = read_results(made)
    frame = latency_parts.data([stored], Options())
    assert tuple(frame.columns) == latency_parts.COLUMNS
    requests = stored.requests()
    for (policy, name), own in frame[frame["of"] == "all"].groupby(["policy", "class"]):
        latency_s = requests["latency_s"][(requests["policy"] == policy) & (requests["priority"] == name)]
        assert own["mean_s"].sum() == pytest.approx(latency_s.mean())
        assert set(own["requests"]) == {latency_s.notna().sum()}
    slowest = frame[frame["of"] == "slowest 1 %"].groupby(["policy", "class"])["mean_s"].sum()
    assert (slowest > frame[frame["of"] == "all"].groupby(["policy", "class"])["mean_s"].sum()).all()


def test_bars_end_at_the_mean_latency(made):
    results = [read_results(made)]
    frame = latency_parts.data(results, Options(("edf",)))
    with style.styled():
        figure = latency_parts.draw(frame, results, Options())
        figure.canvas.draw()
    every, _ = figure.axes
    assert [label.get_text() for label in every.get_yticklabels()] == ["edf, high", "edf, low"]
    ends = [bar.get_x() + bar.get_width() for bar in every.patches if abs(bar.get_y() + bar.get_height() / 2) < 0.1]
    own = frame[(frame["of"] == "all") & (frame["class"] == "high")]
    assert max(ends) == pytest.approx(own["mean_s"].sum() * 1e3)
    legend = [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]
    assert "slowed by other batches" in legend
    assert "loading weights" not in legend


@pytest.mark.slow
def test_labels_of_several_lines_do_not_overlap(made):
    results = [read_results(made)]
    frame = latency_parts.data(results, Options())
    frame["series"] = frame["series"].replace("edf", "aware-edf(predictor=constant(slowdown=2))")
    with style.styled():
        figure = latency_parts.draw(frame, results, Options())
        figure.canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert axes.get_yticklabels()[0].get_text().count("\n") == 2
        assert all(below.y1 <= above.y0 for above, below in pairwise(boxes))


def test_every_part_is_drawn_once():
    drawn = [part for parts in latency_parts._GROUPS.values() for part in parts]
    from stratsim.explain.parts import PARTS

    assert sorted(drawn) == sorted(PARTS)
    assert set(latency_parts._LOOKS) == set(latency_parts._GROUPS)


@pytest.mark.slow
def test_files_are_written(made, tmp_path):
    figure, table = make_figure([made], "latency-parts", tmp_path / "parts.svg")
    assert figure.read_text(encoding="utf-8").startswith("<?xml")
    assert table.read_text(encoding="utf-8").startswith("series,policy,class,of,requests,part,mean_s")


def test_without_answers_there_is_nothing_to_draw(made):
    with pytest.raises(SpecError, match="no run of policy"):
        latency_parts.data([read_results(made)], Options(("nobody",)))
