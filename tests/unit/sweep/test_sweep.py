"""Sweeps: errors name the path, rows are named by content, seeds are added by what the rows say and by nothing else."""

import csv
import json
import multiprocessing
import re
from collections import Counter
from dataclasses import fields, replace

import pytest

from stratsim.errors import OutputError, SpecError
from stratsim.model.codec import dump_profile, load_profile
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec, make_spec
from stratsim.stats.intervals import mean_interval
from stratsim.sweep import How, load_sweep, make_plan, make_sweep, read_sweeps, run_sweep, summarise, worker
from stratsim.sweep import table as table_module
from stratsim.sweep.estimate import times, total_s
from stratsim.sweep.figures import FIGURES, flat_figures
from stratsim.sweep.file import overridden
from stratsim.sweep.settings import MEANS
from stratsim.sweep.worker import COLUMNS

TINY = {
    "title": "tiny",
    "sweep": {"seeds": [1, 2]},
    "base": {"profile": "asymmetric-six", "max_batch": 2},
    "arrivals": {"requests": 60},
    "axes": {"load": [0.7, 1.1], "policy": ["fifo", "edf(max_batch={b})"], "settings.b": [1, 2]},
}


def run(data, out, **options):
    return run_sweep(make_sweep(data), data, out, How(**options))


def rows_of(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    return out, run(TINY, out)


# Rows ----------------------------------------------------------------------------------------------------------------


def test_there_is_a_row_per_run_in_the_order_of_the_plan(done):
    out, outcome = done
    rows = rows_of(out)
    policies = ["fifo", "edf(max_batch=1)", "edf(max_batch=2)"]
    expected = [(load, seed, policy) for load in ("0.7", "1.1") for seed in ("1", "2") for policy in policies]
    assert [(row["load"], row["seed"], row["policy"]) for row in rows] == expected
    assert (outcome.made, outcome.failures, next(iter(rows[0]))) == (12, [], "spec_sha256")
    assert [task.sha256 for task in outcome.plan.order()] == [row["spec_sha256"] for row in rows]
    assert len({row["spec_sha256"] for row in rows}) == 12


def test_all_policies_meet_the_same_requests(done):
    counts = {(row["load"], row["seed"], row["high_arrived"]) for row in rows_of(done[0])}
    assert len(counts) == 4
    assert all(int(row["high_arrived"]) + int(row["low_arrived"]) == 60 for row in rows_of(done[0]))


def test_a_row_says_every_setting_of_its_run(done):
    """But how the run was made: no byte of it depends on that."""
    assert ({entry.name for entry in fields(RunSpec)} - set(MEANS)) | set(FIGURES) <= set(COLUMNS)
    row = rows_of(done[0])[0]
    assert (row["gpus"], row["device_model"], row["profile"], row["max_batch"]) == (
        "1",
        "streams",
        "asymmetric-six",
        "2",
    )
    assert json.loads(row["arrivals"])["requests"] == 60
    assert row["profile_sha256"] == make_plan(make_sweep(TINY)).first()[0].settings.profile_sha256


def test_a_run_gives_what_replay_gives(tmp_path):
    """The known answer: the same settings through `stratsim replay`."""
    settings = {"limit": 200, "load": 0.9, "max_batch": 4, "warmup_s": 0.5, "workload": str(tmp_path / "rule.toml")}
    (tmp_path / "rule.toml").write_text("[priority]\nhigh_share = 0.5\n")
    data = {"title": "t", "sweep": {"seeds": [7]}, "base": settings, "axes": {"policy": ["edf", "priority-fifo"]}}
    rows = run(data, tmp_path / "out").rows.values()
    for row in rows:
        inputs = prepare(make_spec({**settings, "policy": row["policy"], "seed": 7}))
        (summary,) = replay(inputs).summaries
        found = {name: "" if value is None else str(value) for name, value in flat_figures(summary).items()}
        assert {name: row[name] for name in FIGURES} == found
        assert row["trace_sha256"] == inputs.trace.sha256
    assert len(rows) == 2


@pytest.mark.parametrize("trace", ["default", "limit"])
def test_a_trace_without_a_rate_is_named_by_the_load_that_it_gets(trace):
    base = {"limit": 50} if trace == "limit" else {}
    keys = [
        make_plan(make_sweep({"title": "t", "sweep": {}, "base": {**base, **more}})).first()[0].sha256
        for more in ({}, {"load": 0.7}, {"load": 0.8})
    ]
    assert keys[0] == keys[1] != keys[2]


def test_rows_are_named_by_content_and_not_by_file(tmp_path):
    text = dump_profile(load_profile("asymmetric-six"))
    (tmp_path / "copy.json").write_text(text)
    (tmp_path / "other.json").write_text(text.replace('"name": "asymmetric-six"', '"name": "another"'))

    def key(profile):
        data = {**TINY, "base": {**TINY["base"], "profile": str(profile)}}
        return make_plan(make_sweep(data)).first()[0].sha256

    assert key("asymmetric-six") == key(tmp_path / "copy.json") != key(tmp_path / "other.json")


def test_a_policy_of_a_file_is_named_by_its_content(tmp_path):
    file = tmp_path / "mine.py"
    text = "from stratsim.policy.queueing import Fifo\n\nclass Mine(Fifo):\n    pass\n"
    data = {**TINY, "axes": {"policy": [f"{file}:Mine"]}}
    file.write_text(text)
    first = make_plan(make_sweep(data)).first()[0]
    file.write_text(text + "# changed\n")
    assert make_plan(make_sweep(data)).first()[0].sha256 != first.sha256
    assert first.settings.policy_sha256 is not None


def test_the_same_run_by_two_ways_is_made_once(tmp_path):
    data = {**TINY, "axes": [{"load": [0.7], "policy": ["fifo", "edf"]}, {"load": [0.7, 0.9], "policy": ["fifo"]}]}
    outcome = run(data, tmp_path)
    assert outcome.made == len(rows_of(tmp_path)) == 2 * 3
    assert make_plan(make_sweep(data)).counts() == (6, 6)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("profile", ["asymmetric-six", "rtx3080-disb"]),
        ("max_batch", [1, 4]),
        ("max_concurrency", [1, 2]),
        ("topology", ["8x-h800"]),
        ("workload.priority.high_share", [0.1, 0.9]),
        ("arrivals.process", ["poisson", "periodic"]),
        ("transfers", [True, False]),
    ],
)
def test_any_setting_can_be_an_axis(tmp_path, axis, values):
    data = {**TINY, "sweep": {"seeds": [1]}, "axes": {axis: values}}
    data["base"] = {**TINY["base"], "policy": "fifo", "load": 3.0}
    outcome = run(data, tmp_path)
    assert (outcome.made, outcome.failures) == (len(values), [])
    assert len({row["spec_sha256"] for row in rows_of(tmp_path)}) == len(values)
    figures = [tuple(row[name] for name in FIGURES) for row in rows_of(tmp_path)]
    assert len(set(figures)) == len(values)


def test_a_profile_of_the_sweeps_own(tmp_path):
    small = {"base": "asymmetric-six", "models": ["wide-8", "narrow-4"]}
    data = {**TINY, "base": {"profile": "small", "policy": "fifo"}, "profiles": {"small": small}, "axes": {}}
    (row, _) = run(data, tmp_path).rows.values()
    assert set(load_profile(tmp_path / "profiles" / "small.json").observable.models) == {"wide-8", "narrow-4"}
    assert row["profile"] == "small"


# Going on ------------------------------------------------------------------------------------------------------------


def test_what_is_there_is_not_made_again(done):
    out, _ = done
    before = (out / "results.csv").read_bytes()
    assert run(TINY, out).made == 0
    assert (out / "results.csv").read_bytes() == before


def test_an_interrupted_sweep_loses_the_run_in_flight_alone(done, tmp_path):
    out, _ = done

    def stop(finished, total):
        if finished == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path, progress=stop)
    with (tmp_path / "results.csv").open("a") as file:
        file.write("3f2a9c,fi")  # as a process that is killed leaves it
    assert run(TINY, tmp_path).made == 12 - 5
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


def test_a_killed_process_loses_no_run_and_doubles_none(done, tmp_path):
    out, _ = done

    def kill(finished, total):
        if finished == 3:
            multiprocessing.active_children()[0].kill()

    assert run(TINY, tmp_path, jobs=2, progress=kill).made == 12
    assert (tmp_path / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    run(TINY, tmp_path)
    (tmp_path / ".results.csv.0123abcd.tmp").write_text("spec_")
    (tmp_path / ".notes.1.tmp").write_text("mine")
    run(TINY, tmp_path)
    assert [file.name for file in tmp_path.glob(".*.tmp")] == [".notes.1.tmp"]


def test_two_sweeps_share_a_folder(done, tmp_path):
    out, _ = done
    wider = {**TINY, "axes": {**TINY["axes"], "load": [1.1, 1.3]}}
    assert run(TINY, tmp_path).made == 12
    second = run(wider, tmp_path)
    assert (second.made, len(second.rows), len(rows_of(tmp_path))) == (6, 12, 18)
    assert run(TINY, tmp_path).made == 0
    assert (tmp_path / "results.csv").read_text().startswith((out / "results.csv").read_text())
    assert [len(each.rows) for each in read_sweeps(tmp_path)] == [12, 12]


def test_the_order_does_not_depend_on_which_of_two_sweeps_was_interrupted(tmp_path):
    wider = {**TINY, "axes": {**TINY["axes"], "load": [1.1, 1.3]}}

    def stop(finished, total):
        if finished == 2:
            raise KeyboardInterrupt

    for data in (TINY, wider):
        run(data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(TINY, tmp_path / "parts", progress=stop)
    for data in (wider, TINY):
        run(data, tmp_path / "parts")
    assert (tmp_path / "parts" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_rows_of_other_code_are_not_continued(done, tmp_path, monkeypatch):
    run(TINY, tmp_path)
    monkeypatch.setattr(table_module, "code_sha256", lambda code: "other")
    with pytest.raises(OutputError, match="made by other code than this; --fresh starts anew"):
        run(TINY, tmp_path)
    made = json.loads((tmp_path / "manifest.json").read_text())["code_sha256"]
    kept = [f"code {made[:12]}"]
    trusted = run(TINY, tmp_path, trust=True)
    assert (trusted.made, trusted.kept) == (0, kept)
    note = f"the folder keeps rows made with {kept[0]}: runs may differ by that alone"
    assert summarise(trusted)["notes"] == [note]
    assert run(TINY, tmp_path).kept == kept, "it is the same code now, and the rows are still the other's"
    (again,) = read_sweeps(tmp_path)
    assert summarise(again)["notes"] == [note]
    fresh = run(TINY, tmp_path, fresh=True)
    assert (fresh.made, fresh.kept) == (12, [])


@pytest.mark.parametrize("content", ['{"spec": {}}', '{"study": 1}', "[]", "not JSON"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(OutputError, match="exists already and is not a sweep's folder"):
        run(TINY, tmp_path, fresh=True)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("manifest.json", content)]


@pytest.mark.parametrize(
    ("manifest", "number"),
    [
        ({"sweep_format": 2, "stratsim_version": "9.9", "sweeps": []}, "2, made by stratsim 9.9"),
        ({"study": {}, "stratsim_version": "0.1"}, "none, made by stratsim 0.1"),
        ({"sweeps": []}, "none, made by stratsim of another version"),
    ],
)
def test_a_folder_of_another_format_is_refused_by_name_and_left_alone(tmp_path, manifest, number):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for use in (lambda: run(TINY, tmp_path, fresh=True), lambda: read_sweeps(tmp_path)):
        with pytest.raises(OutputError, match=f"is a sweep's folder of format {re.escape(number)}; .* another folder"):
            use()
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest


def test_the_folder_says_what_its_columns_are(done):
    """Every column of the table is said to be something, or names the run."""
    out, _ = done
    found = json.loads((out / "manifest.json").read_text())
    about = found["table"]
    assert (found["sweep_format"], about["axes"], about["choices"]) == (1, ["load"], ["setting"])
    others = {"spec_sha256", "policy", "phase", "seed", "rate_per_s", "solo_load", "cpu", "values_sha256", "row_sha256"}
    hashes = {f"{name}_sha256" for name in ("profile", "trace", "topology", "policy", "belief")}
    said = {*about["axes"], *about["conditions"], *about["choices"], *about["figures"]}
    assert {*rows_of(out)[0]} == said | others | hashes


def test_one_process_at_a_time_writes_to_a_folder(tmp_path):
    pytest.importorskip("fcntl", reason="needs POSIX locks")

    def again(finished, total):
        with pytest.raises(OutputError, match="another process is running this sweep"):
            run(TINY, tmp_path)

    assert run(TINY, tmp_path, progress=again).made == 12


@pytest.mark.usefixtures("_all_was_typed")
def test_a_failure_is_reported_and_loses_nothing_else(tmp_path):
    file = tmp_path / "failing.py"
    file.write_text(
        "from stratsim.policy.queueing import Fifo\n\n"
        "class Failing(Fifo):\n    def decide(self, view):\n        raise RuntimeError('broken')\n"
    )
    until = {"metric": "high_violation", "half_width": 1e-9, "most": 9}
    data = {**TINY, "sweep": {"seeds": [1, 2], "until": until}, "axes": {"policy": [f"{file}:Failing", "fifo"]}}
    outcome = run(data, tmp_path / "out")
    assert (len(outcome.rows), len(outcome.failures)) == (2, 2)  # no more seeds for an interval that cannot be had
    assert "broken" in str(outcome.failures[0])
    assert "seed 1" in str(outcome.failures[0])


# Seeds ---------------------------------------------------------------------------------------------------------------

UNTIL = {
    **TINY,
    "sweep": {"seeds": [5, 3], "until": {"metric": "high_violation", "half_width": 0.15, "most": 7}},
    "axes": {**TINY["axes"], "load": [0.7, 2.0, 3.0]},
}


def test_seeds_are_added_until_every_policy_is_narrow_or_the_cap_is_reached(tmp_path):
    outcome = run(UNTIL, tmp_path)
    counts = {}
    for cell in outcome.plan.cells:
        runs = [[task.sha256 for task in tasks.values()] for tasks in cell.runs]
        seeds = [next(iter(tasks.values())).settings.spec.seed for tasks in cell.runs]
        assert seeds == [5, 3, 6, 7, 8, 9, 10][: len(seeds)]
        widths = [
            [
                mean_interval([float(outcome.rows[t[k]]["high_violation"]) for t in runs[:n]]).half_width
                for k in range(3)
            ]
            for n in range(2, len(seeds) + 1)
        ]
        narrow = [max(each) <= 0.15 for each in widths]
        assert not any(narrow[:-1])
        assert narrow[-1] or len(seeds) == 7
        counts[cell.labels["load"]] = len(seeds)
    assert set(counts.values()) == {2, 6, 7}, "the case says nothing"


@pytest.mark.parametrize("step", [1, 3])
def test_bytes_do_not_depend_on_the_order_in_which_runs_end(tmp_path, monkeypatch, step):
    data = {**UNTIL, "sweep": {**UNTIL["sweep"], "until": {**UNTIL["sweep"]["until"], "step": step}}}
    run(data, tmp_path / "in-order")
    real = table_module.make_backend

    class Backwards:
        """Makes the newest call first."""

        def __init__(self, *args):
            self._real = real(*args)
            self._calls = []

        def submit(self, *call):
            self._calls.append(call)

        def next_completed(self):
            self._real.submit(*self._calls.pop())
            return self._real.next_completed()

        def close(self):
            self._real.close()

    monkeypatch.setattr(table_module, "make_backend", Backwards)
    run(data, tmp_path / "backwards")
    first, second = ((tmp_path / name / "results.csv").read_bytes() for name in ("in-order", "backwards"))
    assert first == second


def test_an_interrupted_sweep_adds_the_same_seeds(tmp_path):
    run(UNTIL, tmp_path / "whole")
    total = len(rows_of(tmp_path / "whole"))
    for after in (3, 9, total - 13):

        def stop(finished, whole, after=after):
            if finished == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(UNTIL, tmp_path / "parts", progress=stop, fresh=True)
        assert run(UNTIL, tmp_path / "parts").made == total - after
        assert (tmp_path / "parts" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_the_summary_has_means_over_the_seeds(done):
    _, outcome = done
    summary = summarise(outcome)
    assert [entry["seeds"] for entry in summary["cells"]] == [2] * 6
    first = summary["cells"][0]
    values = [
        float(row["high_violation"])
        for row in outcome.rows.values()
        if (row["load"], row["policy"]) == ("0.7", first["policy"])
    ]
    expected = mean_interval(values)
    figure = first["figures"]["high_violation"]
    assert (figure["mean"], figure["low"], figure["high"]) == (expected.mean, expected.low, expected.high)


# Plans ---------------------------------------------------------------------------------------------------------------


def test_the_plan_counts_runs_and_estimates_time():
    plan = make_plan(make_sweep(UNTIL))
    assert plan.counts() == (3 * 3 * 2, 3 * 3 * 7)
    least, most = total_s(plan, times(plan))
    assert 0 < least < most
    assert most == pytest.approx(least * 7 / 2)


def test_each_input_is_read_once(monkeypatch):
    from stratsim.sweep import resolve

    reads = Counter()
    for name in ("load_profile", "load", "load_topology"):
        real = getattr(resolve, name)
        monkeypatch.setattr(resolve, name, lambda *args, name=name, real=real: (reads.update([name]), real(*args))[1])
    axes = {"load": [0.5, 0.6, 0.7], "topology": ["8x-h800"], "limit": [10, 20]}
    make_plan(make_sweep({"title": "t", "sweep": {}, "axes": axes}))
    assert reads == {"load_profile": 1, "load": 1, "load_topology": 1}


def test_a_worker_parses_a_trace_once(monkeypatch, tmp_path):
    count = Counter()
    real = worker.parse_trace
    worker._read.cache_clear()
    worker._assembled.cache_clear()
    monkeypatch.setattr(worker, "parse_trace", lambda *args, **more: (count.update("n"), real(*args, **more))[1])
    axes = {"load": [0.5, 0.6, 0.7], "policy": ["fifo", "edf"]}
    outcome = run({"title": "t", "sweep": {"seeds": [1, 2]}, "base": {"limit": 40}, "axes": axes}, tmp_path)
    assert (outcome.made, count["n"]) == (12, 1)


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sweeps": 1}, "unknown field 'sweeps'"),
        ({"sweep": {"seeds": []}}, r"seeds must be different numbers >= 0, got \[\] - at \$\.sweep$"),
        ({"sweep": {"seeds": [1, 1]}}, r"seeds must be different numbers >= 0, got \[1, 1\] - at \$\.sweep$"),
        ({"sweep": {"seed": [1]}}, r"did you mean 'seeds'\? - at \$\.sweep$"),
        (
            {"sweep": {"until": {"metric": "high_violation", "half_width": 1, "most": 3}}},
            "an interval needs 2 to most = 3",
        ),
        (
            {"sweep": {"seeds": [1, 2], "until": {"metric": "high_violatio", "half_width": 1, "most": 3}}},
            r"unknown figure 'high_violatio'; did you mean 'high_violation'\? - at \$\.sweep\.until$",
        ),
        ({"base": {"lod": 1}}, r"unknown setting 'lod'; did you mean 'load'\? - at \$\.base$"),
        ({"base": {"load": -1}}, r"load must be > 0 and finite, got -1.* - at \$\.base"),
        ({"base": {"seed": 1}}, r"seeds are said in \[sweep\] - at \$\.base$"),
        ({"base": {"limit": 5}}, r"limit and the table \[arrivals\] exclude each other - at \$\.base$"),
        (
            {"base": {"workload": "w.toml"}, "axes": {"workload.priority.high_share": [0.5]}},
            r"workload and the table \[workload\] exclude each other - at \$\.base$",
        ),
        (
            {"axes": {"trace": ["default"], "load": [1]}},
            r"trace and the table \[arrivals\] exclude each other - at \$\.axes\['trace'\]$",
        ),
        (
            {"arrivals": None, "base": {"limit": 5}, "axes": {"arrivals.requests": [5]}},
            r"limit and the table \[arrivals\] exclude each other - at \$\.base$",
        ),
        ({"arrivals": {"process": "gamma"}}, r"process 'gamma' needs cv - at \$\.arrivals"),
        ({"workload": {"priority": {"high": 1}}}, r"unknown field `high` - at \$\.workload\.priority$"),
        ({"axes": {"load": []}}, r"an axis needs at least one value - at \$\.axes\['load'\]$"),
        ({"axes": {"lod": [1]}}, r"no setting 'lod'; did you mean 'load'\? - at \$\.axes\['lod'\]$"),
        ({"axes": {"load": [0.5, "x"]}}, r"\$\.axes\['load'\]"),
        ({"axes": {"seed": [1]}}, r"seeds are said in \[sweep\] - at \$\.axes\['seed'\]$"),
        ({"axes": [{"load": [1]}, {"drop": ["nevr"]}]}, r"did you mean 'never'\? - at \$\.axes\[1\]\['drop'\]"),
        ({"axes": {"arrivals.proces": ["poisson"]}}, r"\$\.axes\['arrivals\.proces'\]"),
        ({"axes": {"policy": ["edf(max_batch={b})"]}}, r"no axis 'settings\.b' .* - at \$\.axes\['policy'\]$"),
        ({"axes": {"settings.b": [1]}}, r"no policy has \{b\} - at \$\.axes\['settings\.b'\]$"),
        ({"axes": {"policy": ["fifo("]}}, r"cannot read .* - at \$\.axes\['policy'\]$"),
        ({"axes": {"policy": [3]}}, r"expected the text of a policy, got 3 - at \$\.axes\['policy'\]$"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(change, message):
    with pytest.raises(SpecError, match=message) as caught:
        make_sweep({**TINY, **change}, "sweep.toml")
    assert str(caught.value).startswith("sweep.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": {"policy": ["fifi"]}}, r"sweep\.toml: .*did you mean 'fifo'\? - at \$\.axes$"),
        ({"axes": {"profile": ["nobody"]}}, r"sweep\.toml: .* - at \$\.axes profile=nobody$"),
        ({"base": {"profile": "nobody"}, "axes": {}}, r"sweep\.toml: .* - at \$\.base$"),
        ({"base": {}, "axes": {"topology": ["nothing"]}}, r"sweep\.toml: nothing: .* - at \$\.axes topology=nothing$"),
    ],
)
def test_what_cannot_be_used_is_said_before_the_first_run(change, message):
    with pytest.raises(SpecError, match=message):
        make_plan(make_sweep({**TINY, **change}), "sweep.toml")


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("max_batch=4", ("base", "max_batch"), 4),
        ("load=0.5", ("axes", "load"), [0.5]),
        ("load=[0.5, 0.6]", ("axes", "load"), [0.5, 0.6]),
        ("max_batch=[1, 2]", ("axes", "max_batch"), [1, 2]),
        ("policy=edf(max_batch={b})", ("axes", "policy"), ["edf(max_batch={b})"]),
        ("settings.b=[3]", ("axes", "settings.b"), [3]),
        ("settings.b=3", ("axes", "settings.b"), [3]),
        ("sweep.seeds=[8, 9]", ("sweep", "seeds"), [8, 9]),
        ("arrivals.requests=10", ("arrivals", "requests"), 10),
        ("workload.priority.high_share=0.5", ("workload", "priority"), {"high_share": 0.5}),
        ("title=other", ("title",), "other"),
    ],
)
def test_settings_of_the_command_line_win(setting, path, value):
    changed = overridden(TINY, [setting])
    make_sweep(changed)
    for name in path:
        changed = changed[name]
    assert changed == value
    assert TINY["axes"]["load"] == [0.7, 1.1]


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(SpecError, match="--set takes KEY=VALUE, got 'load'"):
        overridden(TINY, ["load"])


def test_a_file_is_read_with_its_overrides(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('title = "t"\n[sweep]\nseeds = [1]\n[axes]\nload = [0.5]\n')
    sweep, record = load_sweep(path, ["load=[0.6, 0.7]"])
    assert record["axes"] == sweep.axes == {"load": [0.6, 0.7]}
    with pytest.raises(SpecError, match=re.escape(f"{path}: unknown field 'nonsense'")):
        load_sweep(path, ["nonsense=1"])
    assert replace(sweep, axes={}).axis_names() == ()


def test_a_belief_is_an_axis_and_known_by_its_content(tmp_path):
    slow = {"base": "asymmetric-six", "bytes_per_s": 1e8}
    axes = {"belief": ["asymmetric-six", "slow"]}
    data = {**TINY, "sweep": {"seeds": [1]}, "axes": axes, "profiles": {"slow": slow}}
    run({**data, "base": {**TINY["base"], "policy": "edf"}}, tmp_path / "own")
    plain = {**TINY, "sweep": {"seeds": [1]}, "axes": {"load": [0.7]}, "base": {**TINY["base"], "policy": "edf"}}
    outcome = run(plain, tmp_path / "none")
    rows = rows_of(tmp_path / "own")
    assert [row["belief"] for row in rows] == ["asymmetric-six", "slow"]
    assert len({row["belief_sha256"] for row in rows}) == len({row["spec_sha256"] for row in rows}) == 2
    assert (tmp_path / "own" / "profiles" / "slow.json").is_file()
    (task,) = outcome.plan.order()
    assert "belief_sha256" not in task.settings.requests_key
