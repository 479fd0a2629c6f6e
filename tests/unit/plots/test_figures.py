"""What the figures show: the data behind them, and what is on their axes."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from stratsim.errors import SpecError
from stratsim.results import read_results
from stratsim_plots import latency_ccdf, latency_cdf, latency_curves, load, style, timeline, violations
from stratsim_plots.names import short_names
from stratsim_plots.series import Options, folder_names, origin, select

FIFO = Options(policies=("fifo",))


def drawn(module, folders, options=Options()):  # noqa: B008 (immutable)
    results = [read_results(folder) for folder in folders]
    frame = module.data(results, options)
    assert tuple(frame.columns) == module.COLUMNS
    with style.styled():
        figure = module.draw(frame, results, options)
        figure.canvas.draw()
    return frame, figure


def texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def inside(figure):
    """Whether all text lies on the page."""
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
    boxes += [axes.get_tightbbox(renderer) for axes in figure.axes]
    return all(page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1 for box in boxes)


class TestViolations:
    def test_data(self, folder):
        frame, _ = drawn(violations, [folder])
        assert frame["series"].tolist() == ["fifo", "fifo", "edf(max_batch=4)", "edf(max_batch=4)"]
        assert frame["class"].tolist() == ["high", "low"] * 2
        assert frame["violation"].tolist() == [0.4, 0.2] * 2
        assert frame["dropped"].tolist() == [3] * 4

    def test_bars_split_into_late_and_dropped(self, folder):
        _, figure = drawn(violations, [folder], FIFO)
        (axes,) = figure.axes
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == pytest.approx([10, 30, 10, 30])  # percent: 1 late and 3 dropped of 10, twice
        assert [bar.get_hatch() for bar in axes.patches[:2]] == ["", "/////"]
        assert axes.patches[1].get_x() == pytest.approx(10)
        assert [text.get_text() for text in axes.texts] == ["40.0", "20.0"]
        assert texts(figure) == ["high", "low", "late", "dropped"]
        assert inside(figure)

    @pytest.mark.parametrize(
        ("percent", "text"),
        [(0.0, "0"), (0.0123, "0.012"), (0.35, "0.35"), (0.3, "0.30"), (1.0, "1.0"), (9.94, "9.9"), (9.96, "10.0"),
         (40.04, "40.0"), (100.0, "100.0")],
    )  # fmt: skip
    def test_labels_have_two_significant_digits_at_least(self, percent, text):
        assert violations._percent(percent) == text

    def test_without_deadlines_it_says_so(self, folder_at, tmp_path):
        _, figure = drawn(violations, [folder_at(tmp_path / "x", violations=(None, 0.2))], FIFO)
        assert [text.get_text() for text in figure.axes[0].texts] == ["no deadlines", "20.0"]

    @pytest.mark.slow
    def test_several_folders_are_told_apart(self, folder, folder_at, tmp_path):
        frame, figure = drawn(violations, [folder, folder_at(tmp_path / "other")])
        assert frame["series"].unique().tolist() == [
            "demo: fifo", "demo: edf(max_batch=4)", "other: fifo", "other: edf(max_batch=4)",
        ]  # fmt: skip
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert labels[:2] == ["demo: fifo", "demo: edf(max_batch=4)"]


COMPLETED = Options(policies=("fifo",), of="completed")


class TestLatencyCcdf:
    @pytest.mark.slow
    def test_of_completed_requests(self, folder):
        frame, _ = drawn(latency_ccdf, [folder], COMPLETED)
        high = frame[frame["class"] == "high"]
        assert high["latency_s"].tolist() == [0.002, 0.004, 0.004, 0.008]
        assert high["fraction_at_least"].tolist() == [1.0, 0.75, 0.5, 0.25]  # 3 of 4 took 4 ms or longer

    @pytest.mark.slow
    def test_of_all_that_arrived_it_ends_at_the_share_that_was_never_answered(self, folder):
        frame, figure = drawn(latency_ccdf, [folder], FIFO)  # four of five were answered
        high = frame[frame["class"] == "high"]
        assert high["latency_s"].tolist() == [0.002, 0.004, 0.004, 0.008, np.inf]
        assert high["fraction_at_least"].tolist() == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
        (line,) = figure.axes[0].lines
        assert line.get_xdata()[-1] == pytest.approx(8 * 1.05)  # to the end of the axis
        assert figure.axes[0].get_ylim()[0] < 0.2

    def test_long_curves_are_thinned_but_keep_their_ends(self):
        latency, fraction = latency_ccdf._curve(np.arange(1, 50_001, 1.0), 50_000)
        assert 500 < len(latency) <= 1000
        assert (latency[0], fraction[0]) == (1.0, 1.0)
        assert latency[-10:].tolist() == list(range(49_991, 50_001))  # the tail is whole
        assert np.array_equal(fraction, (50_001 - latency) / 50_000)
        assert (fraction[1:] / fraction[:-1]).min() >= 0.5  # from 2 to 1 of n

    @pytest.mark.slow
    def test_a_panel_per_class_a_curve_per_policy(self, folder):
        _, figure = drawn(latency_ccdf, [folder], Options(of="completed"))
        high, low = figure.axes
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["high", "low"]
        assert high.get_window_extent().y0 > low.get_window_extent().y1
        for axes in figure.axes:
            assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
            fifo, edf = axes.lines
            for look in ("get_color", "get_marker", "get_linestyle"):
                assert getattr(fifo, look)() != getattr(edf, look)()
            assert fifo.get_drawstyle() == "steps-pre"
            assert fifo.get_xdata().tolist() == [2, 4, 4, 8]  # ms
            assert fifo.get_ydata().tolist() == [1.0, 0.75, 0.5, 0.25]
            assert axes.get_ylim()[0] < 0.25
            assert axes.get_ylabel().replace("\n", " ") == "Slower, of completed (fraction)"
        assert texts(figure) == ["fifo", "edf(max_batch=4)"]
        assert inside(figure)

    def test_a_class_without_completed_requests_has_no_panel(self, folder):
        table = "policy,arrival_s,priority,latency_s\nfifo,0.0,high,0.1\nfifo,0.0,low,\n"
        (folder / "requests.csv.gz").write_bytes(gzip.compress(table.encode()))
        _, figure = drawn(latency_ccdf, [folder], FIFO)
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["high"]

    @pytest.mark.parametrize("spread", [1.0, 1.2, 2.9, 3.0, 40.0, 600.0, 1e6])
    def test_a_log_axis_has_numbers_whatever_its_range(self, spread):
        with style.styled():
            figure = style.new_figure(2)
            axes = figure.subplots()
            axes.set_xscale("log")
            axes.set_xlim(13, 13 * max(spread, 1.05))
            axes.xaxis.set_major_locator(latency_curves.latency_ticks(spread))
            shown = [tick for tick in axes.get_xticks() if 13 <= tick <= 13 * max(spread, 1.05)]
        assert 1 <= len(shown) <= 9

    @pytest.mark.parametrize("module", [latency_ccdf, latency_cdf])
    def test_nothing_completed_is_an_error(self, folder, module):
        table = "policy,arrival_s,priority,latency_s\nfifo,0.0,high,\n"
        (folder / "requests.csv.gz").write_bytes(gzip.compress(table.encode()))
        with pytest.raises(SpecError, match="no request was completed"):
            module.data([read_results(folder)], FIFO)

    def test_it_is_of_arrived_or_completed(self, folder):
        with pytest.raises(SpecError, match="--of takes arrived or completed, got 'answered'"):
            latency_ccdf.data([read_results(folder)], Options(of="answered"))


class TestLatencyCdf:
    @pytest.mark.slow
    def test_of_all_that_arrived_it_stays_below_one(self, folder):
        frame, figure = drawn(latency_cdf, [folder], FIFO)
        high = frame[frame["class"] == "high"]
        assert high["latency_s"].tolist() == [0.002, 0.004, 0.004, 0.008]
        assert high["fraction_at_most"].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])  # one of five was dropped
        (line,) = figure.axes[0].lines
        assert line.get_drawstyle() == "steps-post"
        assert (line.get_xdata()[-1], line.get_ydata()[-1]) == pytest.approx((8 * 1.05, 0.8))
        assert figure.axes[0].get_ylim() == (0, 1.02)

    @pytest.mark.slow
    def test_both_add_up_to_one(self, folder):
        """P(latency <= t) + P(latency > t) = 1 at every t, whatever the points that are kept."""
        below, _ = drawn(latency_cdf, [folder], FIFO)
        above, _ = drawn(latency_ccdf, [folder], FIFO)
        for at in (0.001, 0.002, 0.003, 0.004, 0.007, 0.009):
            one = below[(below["class"] == "low") & (below["latency_s"] <= at)]["fraction_at_most"].max()
            other = above[(above["class"] == "low") & (above["latency_s"] > at)]["fraction_at_least"].max()
            assert (0 if np.isnan(one) else one) + other == pytest.approx(1)

    @pytest.mark.slow
    def test_of_completed_requests_it_ends_at_one(self, folder):
        frame, _ = drawn(latency_cdf, [folder], COMPLETED)
        assert frame[frame["class"] == "high"]["fraction_at_most"].tolist() == [0.25, 0.5, 0.75, 1.0]

    def test_long_curves_are_thinned_but_keep_their_ends(self):
        latency, fraction = latency_cdf._curve(np.arange(1, 50_001, 1.0), 100_000)
        assert 500 < len(latency) <= 1000
        assert (latency[0], latency[-1], fraction[-1]) == (1.0, 50_000.0, 0.5)
        assert np.array_equal(fraction, latency / 100_000)


class TestTimeline:
    def test_default_window_is_the_busiest(self, folder):
        frame, figure = drawn(timeline, [folder])
        assert frame["policy"].unique().tolist() == ["fifo"]  # the first policy
        assert frame["start_s"].max() < 1.3  # not the lone batch at 5 s
        slots = frame[frame["row"].str.startswith("slot")]
        assert slots[["gpu", "row", "batch_id"]].values.tolist() == [
            [0, "slot 0", 0], [0, "slot 1", 1], [0, "slot 0", 3], [1, "slot 0", 2],
        ]  # fmt: skip
        assert set(frame["row"]) == {"slot 0", "slot 1", "h2d", "d2h"}
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert labels == [
            "GPU 0 slot 0", "GPU 0 slot 1", "GPU 0 h2d", "GPU 0 d2h", "GPU 1 slot 0", "GPU 1 h2d", "GPU 1 d2h",
        ]  # fmt: skip
        assert texts(figure) == ["resnet50", "vgg19", "on top: high"]
        assert inside(figure)

    @pytest.mark.slow
    def test_a_window_shows_what_overlaps_it(self, folder):
        options = Options(("fifo",), from_s=1.035, to_s=1.045)
        frame, figure = drawn(timeline, [folder], options)
        assert set(frame["batch_id"]) == {1, 2, 3}
        boxes = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches]
        assert all(-1e-9 <= left <= right <= 10 + 1e-9 for left, right in boxes)  # cut at the window, ms
        assert sorted(text.get_text() for text in figure.axes[0].texts) == ["x2", "x4"]

    @pytest.mark.parametrize(("options", "window"), [({"from_s": 1.0}, (1.0, 1.2)), ({"to_s": 1.0}, (0.8, 1.0))])
    def test_one_end_means_200_ms(self, folder, options, window):
        batches = read_results(folder).batches()
        assert timeline._window(batches, Options(**options)) == pytest.approx(window)

    def test_an_idle_row_is_shown_idle(self, folder):
        options = Options(("fifo",), from_s=4.9, to_s=5.1)
        frame, figure = drawn(timeline, [folder], options)
        assert set(frame["gpu"]) == {0}
        assert len(figure.axes[0].get_yticklabels()) == 7  # slot 1 and GPU 1 stay in sight

    @pytest.mark.slow_cases("window1")
    @pytest.mark.parametrize("window", [(1.0, 1.06), (0.5, 5.5)])
    def test_colour_by_model_black_bar_by_class(self, folder, window):
        frame, figure = drawn(timeline, [folder], Options(("fifo",), *window))
        black = [bar for bar in figure.axes[0].patches if bar.get_facecolor() == (0, 0, 0, 1)]
        boxes = [bar for bar in figure.axes[0].patches if bar.get_facecolor() != (0, 0, 0, 1)]
        assert len(boxes) == len(frame)  # however narrow, each box has the colour of its model
        colours = {
            model: {box.get_facecolor() for box, name in zip(boxes, frame["model"], strict=True) if name == model}
            for model in ("resnet50", "vgg19")
        }
        assert all(len(found) == 1 for found in colours.values())
        assert colours["resnet50"] != colours["vgg19"]
        high = [box for box, name in zip(boxes, frame["class"], strict=True) if name == "high"]
        assert len(black) == len(high) == 3  # a copy in, an execution, a copy out
        for bar, box in zip(black, high, strict=True):
            assert (bar.get_x(), bar.get_width()) == (box.get_x(), box.get_width())
            assert bar.get_y() + bar.get_height() == pytest.approx(box.get_y())  # on top: the axis points down

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (Options(from_s=2.0, to_s=1.0), "--from must lie before --to, got 2 and 1 s"),
            (Options(from_s=3.0, to_s=4.0), r"nothing happens from 3 to 4 s; the batches run from 1 to 5\.003 s"),
            (Options(("fifo", "edf(max_batch=4)")), "shows one policy of one folder"),
        ],
    )
    def test_refusals(self, folder, options, message):
        with pytest.raises(SpecError, match=message):
            timeline.data([read_results(folder)], options)

    def test_two_folders_are_refused(self, folder):
        with pytest.raises(SpecError, match="got 2 folders"):
            timeline.data([read_results(folder)] * 2, FIFO)


class TestLoad:
    @pytest.mark.slow
    def test_replications_give_mean_and_interval(self, folder_at, tmp_path):
        folders = [
            folder_at(tmp_path / f"{x}-{seed}", load=x, seed=seed, violations=(x / 2 + seed / 10, 0.1))
            for x in (0.8, 0.4)
            for seed in range(3)
        ]
        frame, figure = drawn(load, folders, FIFO)
        assert frame["load"].tolist() == [0.4, 0.8, 0.4, 0.8]
        assert frame["replications"].tolist() == [3] * 4
        high = frame[frame["class"] == "high"]
        assert high["violation"].tolist() == pytest.approx([0.3, 0.5])
        # s = 0.1, t(0.975, 2) = 4.302653: half width 0.248414
        assert (high["high"] - high["violation"]).tolist() == pytest.approx([0.248414, 0.248414], abs=1e-6)
        assert frame["unit"].unique().tolist() == ["load"]
        assert [axes.get_ylabel() for axes in figure.axes] == ["high: violations (%)", "low: violations (%)"]
        assert figure.axes[-1].get_xlabel() == "Offered load (share of batch-1 saturation)"
        assert texts(figure) == ["fifo"]
        assert inside(figure)

    def test_intervals_stay_within_what_is_possible(self):
        assert load._mean([0.0, 0.3])[2:] == (0.0, 1.0)

    def test_without_a_load_the_arrival_rate_is_shown(self, folder_at, tmp_path):
        folders = [folder_at(tmp_path / str(x), load=x) for x in (0.4, None)]
        with pytest.raises(SpecError, match=r"at least two loads, got only 4\.5 \(requests/s\)"):
            drawn(load, folders, FIFO)  # both hold the same requests: 10 within 2 s
        results = [read_results(folder) for folder in folders]
        rates = iter((4.5, 9.0))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(load, "_arrival_rate", lambda _: next(rates))
            frame = load.data(results, FIFO)
        assert frame["unit"].unique().tolist() == ["requests/s"]
        assert sorted(set(frame["load"])) == [4.5, 9.0]

    @pytest.mark.parametrize(
        ("other", "message"),
        [
            ({"trace": "t1"}, "trace sha256 is t0 in one and t1 in the other"),
            ({"profile": "p1"}, "profile sha256 is p0 in one and p1 in the other"),
            ({"gpus": 4}, "gpus is 2 in one and 4 in the other"),
            ({"drop": "never"}, "drop is not set in one and never in the other"),
        ],
    )
    def test_different_experiments_are_not_one_curve(self, folder_at, tmp_path, other, message):
        folders = [folder_at(tmp_path / "a", load=0.4), folder_at(tmp_path / "b", load=0.8, **other)]
        with pytest.raises(SpecError, match=rf"/a and .*/b are different experiments: {message}; only seed and load"):
            drawn(load, folders, FIFO)

    @pytest.mark.slow
    def test_seeds_loads_rates_policies_and_paths_may_differ(self, folder_at, tmp_path):
        folders = [
            folder_at(tmp_path / "a", load=0.4, seed=0, policy="fifo", rate_scale=None),
            folder_at(tmp_path / "b", load=0.4, seed=1, policy="fifo,edf", rate_scale=2.0),
        ]
        for folder, path in zip(folders, ("x.csv", "/y/x.csv"), strict=True):
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["spec"]["trace"] = path
            (folder / "manifest.json").write_text(json.dumps(manifest))
        frame, _ = drawn(load, folders, FIFO)
        assert frame["load"].tolist() == [0.4, 0.8] * 2

    def test_replications_need_different_seeds(self, folder_at, tmp_path):
        folders = [folder_at(tmp_path / name, load=x, seed=3) for name, x in (("a", 0.4), ("b", 0.4), ("c", 0.8))]
        message = "/a and .*/b both hold fifo at load 0.4 with seed 3; replications need different seeds"
        with pytest.raises(SpecError, match=message):
            drawn(load, folders, FIFO)
        with pytest.raises(SpecError, match=r"/a and .*/a both hold"):  # one folder given twice
            drawn(load, [folders[0], folders[0], folders[2]], FIFO)

    @pytest.mark.slow
    def test_policies_of_one_load_may_lie_in_folders_of_their_own(self, folder_at, tmp_path):
        folders = [
            folder_at(tmp_path / f"{policy}-{x}", load=x, policies=(policy,))
            for policy in ("fifo", "edf")
            for x in (0.4, 0.8)
        ]
        frame, _ = drawn(load, folders)
        assert frame["replications"].tolist() == [1] * 8

    def test_seeds_of_a_trace_at_its_own_rate_are_one_load(self, folder_at, tmp_path):
        folders = []
        for scale, seed, offered in ((None, 0, 0.30), (None, 1, 0.32), (2.0, 0, 0.60), (2.0, 1, 0.64)):
            folder = folder_at(tmp_path / f"{scale}-{seed}", load=None, rate_scale=scale, seed=seed)
            manifest = json.loads((folder / "manifest.json").read_text())
            (folder / "manifest.json").write_text(json.dumps(manifest | {"offered_load": offered}))
            folders.append(folder)
        frame, _ = drawn(load, folders, FIFO)
        assert frame["load"].tolist() == pytest.approx([0.31, 0.62] * 2)
        assert frame["replications"].tolist() == [2] * 4

    def test_one_load_is_an_error(self, folder):
        with pytest.raises(SpecError, match=r"at least two loads, got only 0\.7 \(load\)"):
            load.data([read_results(folder)], FIFO)

    def test_no_deadlines_is_an_error(self, folder_at, tmp_path):
        results = [
            read_results(folder_at(tmp_path / str(x), load=x, violations=(None, None))) for x in (0.1, 0.2)
        ]  # fmt: skip
        with pytest.raises(SpecError, match="no request has a deadline"):
            load.data(results, FIFO)


class TestSeries:
    def test_unknown_policy_names_the_nearest(self, folder):
        with pytest.raises(SpecError, match=r"no run of policy 'fifoo' in .*demo; did you mean 'fifo'\?"):
            select([read_results(folder)], ["fifoo"])

    @pytest.mark.parametrize(
        ("policies", "names"),
        [
            (["fifo", "edf(max_batch=4)"], ["fifo", "edf(max_batch=4)"]),
            (["/home/a/my_policy.py:Mine(x=1)", "fifo"], ["my_policy.py:Mine(x=1)", "fifo"]),
            (["own/my_policy.py:Mine", r"C:\\own\\new.py:New"], ["my_policy.py:Mine", "new.py:New"]),
            (["edf(table=/a/b.py:x)"], ["edf(table=/a/b.py:x)"]),
            (["/a/p.py:P", "/b/p.py:P", "/b/p.py:Q"], ["/a/p.py:P", "/b/p.py:P", "p.py:Q"]),
        ],
    )
    def test_policies_from_files_have_short_names(self, policies, names):
        assert list(short_names(policies).values()) == names

    @pytest.mark.slow
    def test_figures_show_the_short_name_and_the_data_the_whole(self, folder_at, tmp_path):
        policy = "/home/someone/policies/my_policy.py:MyPolicy"
        folders = [folder_at(tmp_path / str(x), load=x, policies=(policy,)) for x in (0.4, 0.8)]
        frame, figure = drawn(violations, folders[:1])
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["my_policy.py:MyPolicy"]
        assert set(frame["policy"]) == {policy}
        frame, figure = drawn(load, folders)
        assert texts(figure) == ["my_policy.py:MyPolicy"]
        assert set(frame["policy"]) == {policy}
        batches = gzip.decompress((folders[0] / "batches.csv.gz").read_bytes()).decode()
        (folders[0] / "batches.csv.gz").write_bytes(gzip.compress(batches.replace("fifo", policy).encode()))
        frame, figure = drawn(timeline, folders[:1])
        assert figure.axes[0].get_title(loc="left") == "my_policy.py:MyPolicy"
        assert set(frame["policy"]) == {policy}

    def test_ambiguous_folders_show_their_whole_path(self, folder_at, tmp_path):
        results = [read_results(folder_at(tmp_path / x / "run")) for x in "ab"]
        assert folder_names(results) == [str(tmp_path / "a" / "run"), str(tmp_path / "b" / "run")]

    def test_small_print_names_the_profile_and_its_label(self, folder, folder_at, tmp_path):
        results = [read_results(folder), read_results(folder_at(tmp_path / "m", label="measured"))]
        assert origin(results) == "simulated; device profile: toy-gpu (published), toy-gpu (measured)"
        (tmp_path / "m" / "manifest.json").write_text(json.dumps({"profile": {"name": "x"}}))
        assert origin([read_results(tmp_path / "m")]) == ""

    @pytest.mark.slow_cases("stratsim_plots.latency_cdf", "stratsim_plots.timeline")
    @pytest.mark.parametrize("module", [violations, latency_cdf, timeline])
    def test_every_figure_carries_it(self, folder, module):
        _, figure = drawn(module, [folder])
        assert [text.get_text() for text in figure.texts] == ["simulated; device profile: toy-gpu (published)"]


class TestStyle:
    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("fifo", ["fifo"]),
            ("priority-edf(max_batch=4,guard=on)", ["priority-edf", "(max_batch=4,", "guard=on)"]),
            ("x" * 20, ["x" * 15, "x" * 5]),
            ("(" + "y" * 16, ["(" + "y" * 14, "yy"]),
        ],
    )
    def test_wrap(self, text, lines):
        assert style.wrap(text, 15).split("\n") == lines

    def test_global_settings_are_left_alone(self):
        import matplotlib as mpl

        before = mpl.rcParams["font.size"]
        with style.styled():
            assert mpl.rcParams["font.size"] == 7.5
        assert mpl.rcParams["font.size"] == before

    def test_colours_are_as_many_as_markers_and_differ(self):
        assert len(set(style.COLOURS)) == len(set(style.MARKERS)) == 8


def test_missing_values_stay_missing(folder_at, tmp_path):
    frame, _ = drawn(violations, [folder_at(tmp_path / "x", violations=(None, 0.2))], FIFO)
    assert pd.isna(frame["violation"][0])
