"""Files and plans of sweeps: errors name the path, settings of the command line win, each input is read once."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from stratsim.errors import SpecError
from stratsim.sweep import load_sweep, make_plan, make_sweep, worker
from stratsim.sweep.estimate import times, total_s
from stratsim.sweep.file import overridden
from tests.unit.sweep.tiny import TINY, UNTIL, run


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
