"""Figures of differences, equity, capacities and grids: their data by hand, and that all of it is drawn."""

import gzip
import json
from itertools import combinations

import pandas as pd
import pytest

from stratsim.cli import main
from stratsim.errors import SpecError
from stratsim_plots import capacity, differences, equity, heatmap, style
from stratsim_plots.series import Options

TABLE = {
    "axes": ["profile", "load"],
    "conditions": ["profile", "load"],
    "choices": ["setting"],
    "figures": ["high_arrived", "high_violation", "low_violation", "high_p99_s"],
}
HEAD = "spec_sha256,phase,profile,load,policy,setting,seed,high_arrived,high_violation,low_violation,high_p99_s"
VIOLATIONS = {"fifo": (0.10, 0.20, 0.30), "edf": (0.05, 0.16, 0.24)}
POINT = {"rate_per_s": 100.0, "low": 99.0, "high": 101.0, "concurrency": 2, "max_batch": 4, "solo_load": 1.0}
POINT |= dict.fromkeys(("topology", "uplink_bytes_per_s", "memory", "mix"))
ORIGIN = {"p": POINT | {"profile": "toy-gpu", "origin": "synthetic"}}


@pytest.fixture
def sweep(tmp_path):
    """A sweep of two profiles, two loads, two policies and three seeds; violations grow with the load."""

    def run(profiles=("a", "b"), loads=("0.9", "10.5"), policies=VIOLATIONS):
        folder = tmp_path / "sweep"
        folder.mkdir()
        lines = [HEAD]
        for profile in profiles:
            for load in loads:
                for policy, values in policies.items():
                    for seed, value in enumerate(values):
                        figures = (100, value * float(load) / 10.5, value / 2, 0.05)
                        row = (f'"{profile}{load}{policy}{seed}"', "results", profile, load, f'"{policy}"',
                               f'"{policy}"', seed, *figures)  # fmt: skip
                        lines.append(",".join(map(str, row)))
        (folder / "results.csv").write_text("\n".join([*lines, ""]))
        (folder / "saturation.json").write_text(json.dumps(ORIGIN))
        (folder / "manifest.json").write_text(json.dumps({"sweep_format": 1, "table": TABLE, "sweeps": []}))
        return folder

    return run


def interval(mean, low, high):
    return {"mean": mean, "low": low, "high": high}


def found(policy, rate=80.0, expected=90.0, above=100.0):
    goodput = None if rate is None else interval(rate * 0.99, rate * 0.98, rate)
    return {
        "policy": policy, "rate_per_s": rate, "load": None if rate is None else rate / 100, "expected_per_s": expected,
        "above_per_s": above, "goodput_per_s": {"all": goodput, "high": None, "low": None}, "probes": [],
    }  # fmt: skip


@pytest.fixture
def capacities(tmp_path):
    """Write the result of `stratsim capacity`; return the file."""

    def run(name, *policies, target=0.01):
        document = {
            "target": [{"name": "high", "words": f"high violations at most {100 * target:g} %", "share": target}],
            "level": 0.95, "seeds": [0, 1, 2], "capacities": list(policies),
            "manifest": {"profile": {"name": "toy-gpu", "label": "synthetic"}},
        }  # fmt: skip
        (tmp_path / name).write_text(json.dumps(document))
        return tmp_path / name

    return run


def drawn(module, paths, options=Options()):  # noqa: B008 (immutable)
    frame = module.read(paths, options)
    assert tuple(frame.columns) == module.COLUMNS
    with style.styled():
        figure = module.draw(frame, options)
        figure.canvas.draw()
    assert_all_is_there(figure)
    return frame, figure


def assert_all_is_there(figure):
    """Nothing is cut off at the page's edge, and nothing lies on top of anything else."""
    renderer = figure.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    for box in boxes:
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for one, other in combinations(boxes, 2):
        overlap_x, overlap_y = (
            min(one.x1, other.x1) - max(one.x0, other.x0),
            min(one.y1, other.y1) - max(one.y0, other.y0),
        )
        assert overlap_x <= 1 or overlap_y <= 1


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))).replace(
        "\n", " "
    )


class TestDifferences:
    @pytest.mark.slow
    def test_of_a_study_by_hand(self, sweep):
        frame, figure = drawn(differences, [sweep(loads=("10.5",))])
        high = frame[(frame["class"] == "high") & (frame["cell"] == "profile a")].iloc[0]
        assert (high["policy"], high["baseline"]) == ("edf", "fifo")
        # -0.05, -0.04, -0.06: mean -0.05, s 0.01, t(0.975, 2) 4.30265
        assert high[["difference", "low", "high"]].tolist() == pytest.approx([-0.05, -0.0748414, -0.0251586], abs=1e-6)
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["high priority", "low priority"]
        bar, point = (line for line in figure.axes[0].lines[1:3] if len(line.get_xdata()) <= 2)
        assert point.get_xdata()[0] == pytest.approx(-5)  # percentage points
        assert list(bar.get_xdata()) == pytest.approx([-7.48414, -2.51586], abs=1e-4)
        assert "95 % t interval over 3 seeds" in texts(figure)
        assert "toy-gpu (synthetic)" in texts(figure)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["edf"]

    @pytest.mark.slow
    def test_filled_where_holm_is_sure(self, sweep):
        sure = {"fifo": (0.1, 0.2, 0.3), "edf": (0.05, 0.1501, 0.25), "lax": (0.0, 0.25, 0.29)}
        frame, figure = drawn(differences, [sweep(("a",), ("10.5",), sure)])
        points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
        assert [point.get_markerfacecolor() != "white" for point in points] == [True, False]
        assert (frame[frame["class"] == "high"]["p_holm"] < 0.05).tolist() == [True, False]

    @pytest.mark.slow
    def test_another_metric_and_baseline(self, sweep):
        frame, figure = drawn(differences, [sweep()], Options(metric="p99_s", baseline="edf", where=("load=0.9",)))
        assert set(frame["class"]) == {"high"}  # the table has p99 of high only
        assert set(frame["baseline"]) == {"edf"}
        assert "p99 latency of completed requests: difference to edf (ms)" in texts(figure)

    @pytest.mark.slow
    @pytest.mark.parametrize("count", [2, 7])
    def test_long_names_and_many(self, sweep, count):
        policies = {f"priority-edf(max_batch={n}, guard=true)": (0.1 * n, 0.2, 0.3) for n in range(count)}
        frame, _ = drawn(differences, [sweep(policies=policies)])
        assert frame["policy"].nunique() == count - 1


class TestEquity:
    def test_of_a_study(self, sweep):
        frame, figure = drawn(equity, [sweep()], Options(where=("load=10.5", "profile=a")))
        assert frame[frame["policy"] == "edf"][["violation_high", "violation_low"]].to_numpy().tolist() == [
            pytest.approx([0.05, 0.025]), pytest.approx([0.16, 0.08]), pytest.approx([0.24, 0.12]),
        ]  # fmt: skip
        (axes,) = figure.axes
        assert axes.get_xlim() == axes.get_ylim()
        mean = [line for line in axes.lines if line.get_markersize() == 6]
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in mean] == [
            pytest.approx((20, 10)),
            pytest.approx((15, 7.5)),
        ]
        assert "Small: a run each; large: their mean; simulated; device profile: toy-gpu (synthetic)" in texts(figure)

    @pytest.mark.slow
    def test_ten_policies_are_told_apart(self, sweep):
        policies = {f"p{n}": (0.1, 0.02 * n, 0.3) for n in range(10)}
        path = sweep(policies=policies)
        for module in (equity, differences):
            _, figure = drawn(module, [path])
            samples = figure.legends[0].get_lines()
            looks = {(s.get_color(), s.get_marker(), s.get_linestyle(), s.get_markerfacecolor()) for s in samples}
            assert len(looks) == len(samples) >= 9

    @pytest.mark.slow
    def test_of_folders_of_several_seeds(self, folder_at, tmp_path):
        folders = [folder_at(tmp_path / f"s{seed}", seed=seed, violations=(0.1 * seed, 0.2)) for seed in (1, 2)]
        frame, _ = drawn(equity, folders)
        assert frame[["policy", "seed", "violation_high"]].to_numpy().tolist() == [
            ["fifo", 1, 0.1], ["edf(max_batch=4)", 1, 0.1], ["fifo", 2, 0.2], ["edf(max_batch=4)", 2, 0.2],
        ]  # fmt: skip

    def test_refused(self, folder_at, tmp_path):
        folders = [folder_at(tmp_path / "a", violations=(0.1, None)), folder_at(tmp_path / "b", gpus=3)]
        with pytest.raises(SpecError, match="no run has violations of both classes"):
            equity.read(folders[:1], Options())
        with pytest.raises(SpecError, match="different experiments: gpus"):
            equity.read(folders, Options())


class TestCapacity:
    @pytest.mark.slow
    def test_bars(self, capacities):
        path = capacities("c.json", found("fifo"), found("edf", 120.0, None, None), found("lax", None, None, 0.1))
        frame, figure = drawn(capacity, [path])
        assert frame["rate_per_s"].tolist()[:2] == [80, 120]
        assert frame["target"].tolist() == ["high violations at most 1 %"] * 3
        (axes,) = figure.axes
        assert [bar.get_width() for bar in axes.patches] == pytest.approx([80, 79.2, 120, 118.8])
        assert [bar.get_hatch() for bar in axes.patches] == [None, "////"] * 2
        shown = texts(figure)
        assert "misses the target at every rate" in shown
        assert "Target: high violations at most 1 %, by the upper 95 % limit of the mean of 3 seeds" in shown
        (line,) = [each for each in axes.lines if list(each.get_xdata()) == [80, 100]]
        assert line.get_ydata()[0] == pytest.approx(-0.18)

    def test_several_files_are_told_apart_and_one_target_is_needed(self, capacities):
        one, two = capacities("one.json", found("fifo")), capacities("two-gpus.json", found("fifo", 160.0))
        frame, _ = drawn(capacity, [one, two])
        assert frame["series"].tolist() == ["one: fifo", "two-gpus: fifo"]
        other = capacities("other.json", found("fifo"), target=0.05)
        with pytest.raises(
            SpecError, match="no common axis: high violations at most 1 % and high violations at most 5 %"
        ):
            capacity.read([one, other], Options())
        with pytest.raises(SpecError, match=r"no capacity of policy 'fiffo'; did you mean 'fifo'\?"):
            capacity.read([one], Options(policies=("fiffo",)))

    def test_something_else_is_refused(self, tmp_path, folder):
        (tmp_path / "x.json").write_text("[]")
        with pytest.raises(SpecError, match=r"x\.json: is not the result of `stratsim capacity --out`"):
            capacity.read([tmp_path / "x.json"], Options())
        with pytest.raises(SpecError, match="cannot be read"):
            capacity.read([folder], Options())


class TestHeatmap:
    @pytest.mark.slow
    def test_a_panel_per_policy(self, sweep):
        frame, figure = drawn(heatmap, [sweep()])
        assert frame["x_name"].unique().tolist() == ["profile"]
        assert frame["y_name"].unique().tolist() == ["load"]
        at = frame.set_index(["policy", "x", "y"])
        assert at.loc[("fifo", "a", "10.5"), "value"] == pytest.approx(0.2)
        assert at.loc[("edf", "b", "0.9"), "value"] == pytest.approx(0.15 * 0.9 / 10.5)
        assert set(frame["runs"]) == {3}
        fifo, edf, _bar = figure.axes
        assert (fifo.get_title(), edf.get_title()) == ("fifo", "edf")
        grid = fifo.images[0].get_array()
        assert grid[1].tolist() == pytest.approx([20, 20])  # 10.5 above 0.9: by number, not by letter
        assert fifo.images[0].get_clim() == edf.images[0].get_clim()
        assert [text.get_text() for text in edf.texts] == ["1.29", "1.29", "15.0", "15.0"]

    def test_one_axis_is_set_against_the_policies(self, sweep):
        frame, figure = drawn(heatmap, [sweep(("a",))], Options(metric="high_p99_s"))
        assert frame[["x_name", "y_name"]].drop_duplicates().to_numpy().tolist() == [["load", "policy"]]
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["edf", "fifo"]  # from below
        assert figure.axes[0].images[0].get_array().ravel().tolist() == pytest.approx([50] * 4)  # ms

    @pytest.mark.slow
    def test_axes_can_be_chosen(self, sweep):
        options = Options(x="policy", y="profile", where=("load=0.9",))
        frame, _ = drawn(heatmap, [sweep()], options)
        assert frame[["x_name", "y_name"]].drop_duplicates().to_numpy().tolist() == [["policy", "profile"]]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (Options(x="load", y="policy"), r"profile varies too \(a, b\): choose one by --where profile=VALUE"),
            (Options(x="laod"), "no axis 'laod'; did you mean 'load'?"),
            (Options(x="load", y="load"), "a heat map needs two axes, got load and load"),
            (Options(metric="high_violatoin"), "has no figure 'high_violatoin'; did you mean 'high_violation'?"),
            (Options(policies=("fiffo",)), "no run of policy 'fiffo'"),
        ],
    )
    def test_refused(self, sweep, options, message):
        with pytest.raises(SpecError, match=message.replace("?", r"\?")):
            heatmap.read([sweep()], options)

    def test_two_settings_at_one_place_are_not_averaged(self, sweep):
        table = sweep() / "results.csv"
        frame = pd.read_csv(table)
        pd.concat([frame, frame.assign(setting="fifo(max_batch=2)")]).to_csv(table, index=False)
        with pytest.raises(SpecError, match="choose one by --where setting=VALUE"):
            heatmap.read([table], Options())
        rows = equity.read([table], Options(where=("load=0.9", "profile=a")))
        assert sorted(set(rows["policy"])) == [
            "edf, edf",
            "edf, fifo(max_batch=2)",
            "fifo, fifo",
            "fifo, fifo(max_batch=2)",
        ]

    def test_result_folders_are_no_grid(self, folder):
        with pytest.raises(SpecError, match="takes one sweep"):
            heatmap.read([folder], Options())


# The short run has each kind once, and each format.
WRITTEN = [
    pytest.param(kind, suffix, marks=[] if number == own else pytest.mark.slow)
    for number, kind in enumerate(("differences", "equity", "heatmap"))
    for own, suffix in enumerate((".pdf", ".svg", ".png"))
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "suffix"), WRITTEN)
def test_the_command_writes_figure_and_data(sweep, tmp_path, kind, suffix):
    out = tmp_path / f"f{suffix}"
    for _ in range(2):  # its own data is replaced
        assert main(["plot", str(sweep()) if not (tmp_path / "sweep").exists() else str(tmp_path / "sweep"),
                     "--kind", kind, "--out", str(out)]) == 0  # fmt: skip
    assert out.stat().st_size > 1000
    assert len(pd.read_csv(out.with_suffix(".csv"))) > 1


def test_an_option_of_another_kind_is_refused(folder, tmp_path, capsys):
    argv = ["plot", str(folder), "--kind", "violations", "--out", str(tmp_path / "f.png")]
    for option in ("baseline", "metric", "x", "y"):
        assert main([*argv, f"--{option}", "load=1"]) == 2
        assert f"--{option} belongs to --kind" in capsys.readouterr().err
    assert main([*argv, "--where", "load=1"]) == 2
    assert "--where choose among the runs of a sweep" in capsys.readouterr().err
    with gzip.open(folder / "requests.csv.gz", "rt") as file:
        assert file.readline()  # the folder is as it was
