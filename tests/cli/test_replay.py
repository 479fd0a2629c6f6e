"""`stratsim replay`: where settings come from, what each one does, and the table."""

import csv
import gzip
import math
from pathlib import Path

import pytest

from stratsim.cli.run_table import print_summaries

POLICIES = ["fifo", "priority-fifo", "edf", "priority-edf"]
OPTIONS = {
    ("--policy", "edf"): ("policy", "edf"),
    ("--profile", "rtx3080-disb"): ("profile", "rtx3080-disb"),
    ("--gpus", "3"): ("gpus", 3),
    ("--load", "0.4"): ("load", 0.4),
    ("--rate-scale", "2"): ("rate_scale", 2.0),
    ("--limit", "12"): ("limit", 12),
    ("--warmup", "0"): ("warmup_s", 0.0),
    ("--seed", "5"): ("seed", 5),
    ("--device-model", "exclusive"): ("device_model", "exclusive"),
    ("--max-concurrency", "1"): ("max_concurrency", 1),
    ("--max-batch", "2"): ("max_batch", 2),
    ("--drop", "never"): ("drop", "never"),
    ("--no-transfers",): ("transfers", False),
    ("--trace-format", "csv"): ("trace_format", "csv"),
    ("--strict",): ("strict", True),
}


@pytest.fixture
def requests(call, here):
    """Replay into a folder; return the rows of its request table, of the first policy if there are several."""
    number = iter(range(100))

    def run(*argv):
        folder = here / f"out{next(number)}"
        ran = call("replay", "--policy", "fifo", *argv, "--out", folder, "--quiet", "--no-timeline")
        assert ran.status == 0, ran.err
        assert call("trace", "convert", folder / "requests.parquet", "rows.csv.gz").status == 0
        with gzip.open("rows.csv.gz", "rt") as file:
            converted = list(csv.DictReader(file))
        (here / "rows.csv.gz").unlink()
        return converted

    return run


@pytest.fixture
def busy(write):
    """A trace with real times, classes and deadlines that keeps one A100 busy: 400 requests, 3 ms apart."""
    models = ("resnet50", "bert", "vgg19", "densenet121")
    rows = [
        f"{0.003 * i:.3f},{models[i * 7 % 11 % 4]},{('low', 'high', 'low')[i % 3]},{0.03 + 0.02 * (i % 5):.2f}"
        for i in range(400)
    ]
    return write("busy.csv", "arrival_s,model,priority,slo_s\n" + "\n".join(rows) + "\n")


def arrivals(rows):
    return [float(row["arrival_s"]) for row in rows]


# Where settings come from ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_every_option_reaches_the_spec(replay, option):
    argv = option if option[0] == "--limit" else (*option, "--limit", "40")
    spec = replay("--policy", "fifo", *argv).document["manifest"]["spec"]
    key, value = OPTIONS[option]
    assert spec[key] == value


def test_defaults_then_config_then_options_then_set(replay, write):
    def seed(*argv):
        return replay("--limit", 5, "--policy", "fifo", *argv).document["manifest"]["spec"]["seed"]

    write("run.toml", "seed = 1\n")
    assert seed() == 0
    assert seed("--config", "run.toml") == 1
    assert seed("--config", "run.toml", "--seed", 2) == 2
    assert seed("--config", "run.toml", "--seed", 2, "--set", "seed=3") == 3
    assert seed("--set", "seed=3", "--seed", 2) == 3


def test_zero_on_the_command_line_wins_over_the_file(replay, write):
    write("run.toml", "seed = 5\nwarmup_s = 0.1\n")
    spec = replay("--limit", 60, "--config", "run.toml", "--seed", 0, "--warmup", 0).document["manifest"]["spec"]
    assert (spec["seed"], spec["warmup_s"]) == (0, 0.0)


def test_set_can_undo_a_flag(replay):
    assert replay("--limit", 5, "--no-transfers", "--set", "transfers=true").document["manifest"]["spec"]["transfers"]


def test_a_config_may_name_the_trace_and_everything_else(replay, write, busy):
    write("run.toml", f'trace = "{busy}"\npolicy = "edf(max_batch=2)"\ndrop = "never"\nlimit = 50\ngpus = 2\n')
    document = replay("--config", "run.toml").document
    assert document["trace"]["name"] == "busy.csv"
    assert [run["policy"] for run in document["runs"]] == ["edf(max_batch=2)"]
    assert len(document["runs"][0]["gpu"]) == 2
    assert replay("default", "--config", "run.toml").document["trace"]["name"].startswith("default")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("polcy = 'fifo'\n", "unknown setting 'polcy'; did you mean 'policy'?"),
        ("gpus = 0\n", "gpus must be at least 1, got 0"),
        ("load = nan\n", "load must be > 0 and finite, got nan"),
        ("gpus = 'two'\n", "Expected `int | null`, got `str` - at $.gpus"),
        ("drop = 'expird'\n", "unknown drop mode 'expird'; did you mean 'expired'?"),
        ("seed = 1\nseed = 2\n", "not a TOML file: Cannot overwrite a value"),
        ("gpus 2\n", "not a TOML file: "),
        ("[replay]\ngpus = 2\n", "unknown setting 'replay'"),
    ],
)
def test_a_mistake_in_the_config_names_the_file(refused, write, text, message):
    # Even if an option would replace the wrong value: the file is wrong, and will be next time.
    line = refused("replay", "--config", write("run.toml", text), "--gpus", 1, "--load", 0.5, "--drop", "never")
    assert line.startswith(f"run.toml: {message}")


def test_an_absent_config_names_the_file(refused):
    assert refused("replay", "--config", "gone.toml") == "gone.toml: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("polcy=fifo", "--set: unknown setting 'polcy'; did you mean 'policy'?"),
        ("gpus", "--set takes KEY=VALUE, got 'gpus'"),
        ("gpus=0", "--set gpus must be at least 1, got 0"),
        ("policy=fifoo", "unknown policy 'fifoo'; did you mean 'fifo'?"),
        ("device_model=stream", "unknown device model 'stream'; did you mean 'streams'?"),
    ],
)
def test_a_mistake_in_set_names_the_key_or_value(refused, setting, message):
    assert refused("replay", "--set", setting) == message


# What each does -------------------------------------------------------------------------------------------------------


def test_load_changes_the_rate_in_proportion(requests):
    usual = arrivals(requests("--limit", 50))
    assert arrivals(requests("--limit", 50, "--load", 0.7)) == usual
    assert arrivals(requests("--limit", 50, "--load", 0.35)) == [2 * at for at in usual]
    assert arrivals(requests("--limit", 50, "--load", 1.4)) == [at / 2 for at in usual]


def test_load_rescales_a_trace_that_has_a_rate(replay, requests, busy):
    """The mean gap becomes the mean solo latency over the load: (5.107 + 14.49 + 1.788 + 11.92) ms, by share."""
    ran = replay(busy, "--load", 0.5, "--policy", "fifo")
    assert "note: time rescaled: rate (load 0.5 of the batch-1 exclusive saturation" in ran.err
    rows = requests(busy, "--load", 0.5)
    latency = {"resnet50": 5.107e-3, "bert": 14.49e-3, "vgg19": 1.788e-3, "densenet121": 11.92e-3}
    solo = sum(latency[row["model"]] for row in rows) / len(rows)
    at = arrivals(rows)
    assert (at[-1] - at[0]) / (len(at) - 1) == pytest.approx(solo / 0.5, rel=1e-3)


def test_rate_scale_doubles_the_rate_and_leaves_deadlines(requests, busy):
    usual, twice = requests(busy), requests(busy, "--rate-scale", 2)
    assert arrivals(twice) == [at / 2 for at in arrivals(usual)]

    def given(rows):
        return [float(row["deadline_s"]) - float(row["arrival_s"]) for row in rows]

    assert given(twice) == pytest.approx(given(usual))


def test_limit_keeps_the_first_requests(requests, busy):
    assert arrivals(requests(busy, "--limit", 7)) == arrivals(requests(busy))[:7]
    assert len(requests(busy, "--limit", 10_000)) == 400


@pytest.mark.slow
def test_seed_changes_the_draws_not_the_arrivals(requests):
    first, same, other = (requests("--limit", 80, "--seed", seed) for seed in (1, 1, 2))
    assert first == same
    assert [row["model"] for row in first] != [row["model"] for row in other]
    assert [row["priority"] for row in first] != [row["priority"] for row in other]
    assert arrivals(first) == arrivals(other)


def test_a_second_gpu_lowers_latency_under_load(replay, busy):
    def mean(gpus):
        (run,) = replay(busy, "--policy", "fifo(max_batch=1)", "--gpus", gpus, "--drop", "never").document["runs"]
        assert len(run["gpu"]) == len(run["pcie"]) == gpus
        return run["classes"]["low"]["latency_s"]["mean"]

    assert mean(1) > 2 * mean(2)


def test_without_transfers_copies_take_no_time(replay, busy):
    (with_copies,) = replay(busy, "--policy", "fifo").document["runs"]
    (without,) = replay(busy, "--policy", "fifo", "--no-transfers").document["runs"]
    assert with_copies["pcie"][0]["h2d_utilization"] > 0
    assert (without["pcie"][0]["h2d_utilization"], without["pcie"][0]["d2h_utilization"]) == (0.0, 0.0)
    latency = [run["classes"]["high"]["latency_s"]["p50"] for run in (with_copies, without)]
    assert latency[0] > latency[1]


def test_a_shared_uplink_slows_copies(replay, busy):
    free, shared = (
        replay(busy, "--policy", "fifo", "--gpus", 2, *more).document["runs"][0]["pcie"][0]["h2d_utilization"]
        for more in ((), ("--set", "uplink_bytes_per_s=1e9"))
    )
    assert shared > 5 * free


def test_warmup_measures_the_later_requests_only(replay, busy):
    """Arrivals lie 3 ms apart up to 1.197 s, the largest SLO is 0.11 s: measured are those of 0.5 to 1.087 s."""
    (whole,) = replay(busy, "--policy", "fifo").document["runs"]
    (later,) = replay(busy, "--policy", "fifo", "--warmup", 0.5).document["runs"]
    assert sum(figures["arrived"] for figures in whole["classes"].values()) == 400
    assert sum(figures["arrived"] for figures in later["classes"].values()) == 196
    assert whole["window_s"] is None
    assert later["window_s"] == pytest.approx([0.5, 1.087])
    assert later["events"] == whole["events"], "the run itself is the same"


@pytest.mark.parametrize("mode", ["never", "expired", "infeasible"])
def test_drop_modes_differ(replay, busy, mode):
    (run,) = replay(busy, "--policy", "fifo(max_batch=1)", "--drop", mode, "--rate-scale", 2).document["runs"]
    reasons = set().union(*(figures["drop_reasons"] for figures in run["classes"].values()))
    late = sum(figures["late"] for figures in run["classes"].values())
    expected = {"never": set(), "expired": {"expired"}, "infeasible": {"expired", "infeasible"}}[mode]
    assert reasons <= expected
    assert bool(reasons) == bool(expected)
    assert (late > 100) == (mode == "never")


def test_a_policy_of_its_own_mind_overrides_the_run(replay, busy):
    runs = replay(busy, "--policy", "fifo,fifo(drop=never, max_batch=1)", "--rate-scale", 2).runs
    assert runs["fifo"]["gpu"][0]["mean_batch_size"] > 1
    own = runs["fifo(drop=never, max_batch=1)"]
    assert own["gpu"][0]["mean_batch_size"] == 1
    assert all(figures["dropped"] == 0 for figures in own["classes"].values())


def test_device_models_differ_as_they_should(replay, busy):
    figures = {
        name: replay(busy, "--policy", "fifo", "--device-model", name).document["runs"][0]["gpu"][0]
        for name in ("exclusive", "processor-sharing", "streams")
    }
    assert figures["exclusive"]["mean_concurrency"] <= 1
    assert figures["exclusive"]["max_slowdown"] == pytest.approx(1)
    assert figures["processor-sharing"]["max_slowdown"] == pytest.approx(2, rel=0.05)
    assert figures["exclusive"]["mean_slowdown"] < figures["streams"]["mean_slowdown"]
    assert len({entry["mean_slowdown"] for entry in figures.values()}) == 3


def test_one_slot_is_exclusive(replay, busy):
    (run,) = replay(busy, "--policy", "fifo", "--max-concurrency", 1).document["runs"]
    assert run["gpu"][0]["mean_concurrency"] == pytest.approx(run["gpu"][0]["utilization"])


@pytest.mark.slow
def test_a_batch_beyond_the_profile_is_clamped_with_a_note(replay):
    note = "note: max batch 8 is clamped to the profile's largest: "
    clamped = [line for line in replay("--profile", "rtx3080-disb", "--limit", 20).err.splitlines() if "clamp" in line]
    assert clamped == [f"{note}densenet201 1, distilbert 1, inceptionv3 1, resnet152 1, vgg19 1"]
    assert "clamped" not in replay("--profile", "rtx3080-disb", "--limit", 20, "--max-batch", 1).err
    assert "max batch 200 is clamped to the profile's largest: " in replay("--limit", 100, "--max-batch", 200).err


def test_the_default_trace_has_a_name(replay):
    unnamed, named = replay("--limit", 50).document, replay("default", "--limit", 50).document
    assert [run["classes"] for run in unnamed["runs"]] == [run["classes"] for run in named["runs"]]


def test_a_users_file_of_a_bundled_name_needs_its_path(replay, write):
    write("default", "arrival_s,model,priority,slo_s\n0.0,vgg19,high,1\n")
    assert replay("default", "--limit", 5).document["trace"]["requests"] == 5
    assert replay("./default").document["trace"]["requests"] == 1


def test_a_workload_rule_fills_the_trace(replay, write):
    write("bare.csv", "arrival_s\n" + "".join(f"{0.05 * i}\n" for i in range(60)))
    write("mix.toml", "[models]\nmix = {vgg19 = 1}\n[priority]\nhigh_share = 1.0\n[slo]\nhigh_s = 0.5\n")
    (run,) = replay("bare.csv", "--workload", "mix.toml", "--policy", "fifo").document["runs"]
    assert [run["classes"][label]["arrived"] for label in ("high", "low")] == [60, 0]
    assert run["classes"]["high"]["latency_s"]["p50"] == pytest.approx(1.83e-3, rel=0.02)


@pytest.mark.slow
def test_equal_classes_make_priority_fifo_fifo(replay, write, busy):
    text = Path(busy).read_text().replace(",high,", ",low,")
    runs = replay(write("equal.csv", text)).runs
    for one, other in (("fifo", "priority-fifo"), ("edf", "priority-edf")):
        assert runs[one]["classes"] == runs[other]["classes"]
    runs = replay(busy).runs
    for one, other in (("fifo", "priority-fifo"), ("edf", "priority-edf")):
        assert runs[one]["classes"] != runs[other]["classes"]


# Closed loops and the table -------------------------------------------------------------------------------------------


def test_closed_loop_clients_make_arrivals_depend_on_the_policy(call, write, closed_loop):
    """A lower rate for the loop's rival lets the loop go round more often, and `arrived` says so."""
    write("loop.json", closed_loop(time=2.0))
    ran = call("replay", "loop.json", "--profile", "rtx3080-disb", "--quiet", "--policy", "fifo,priority-fifo")
    assert ran.status == 0
    *_, last = ran.out.splitlines()
    assert last == "clients that wait send more the sooner they are answered: `arrived` differs between policies"
    assert "clients that wait" not in call("replay", "--limit", 10).out


def test_a_closed_loop_has_one_request_in_the_system(replay, write, closed_loop):
    """One client that never thinks: throughput is the inverse of its latency."""
    write("loop.json", closed_loop(time=2.0, frequency=1e-3))
    (run,) = replay("loop.json", "--profile", "rtx3080-disb", "--policy", "fifo").document["runs"]
    low = run["classes"]["low"]
    assert low["arrived"] == low["met"]
    assert low["arrived"] == math.ceil(2.0 / low["latency_s"]["mean"])
    assert low["latency_s"]["mean"] == pytest.approx(4.211e-3, rel=0.01)


def test_the_tables_show_the_figures_of_the_json(call, replay, busy):
    requests, machines = (block.splitlines() for block in call("replay", busy, "--quiet").out.split("\n\n"))
    names = "policy class arrived late dropped viol % p50 ms p95 ms p99 ms completed p99"
    assert " ".join(requests[0].split()) == names
    rows = requests[1:9]
    for index, run in enumerate(replay(busy).document["runs"]):
        for offset, label in enumerate(("high", "low")):
            cells = rows[2 * index + offset].split()
            figures = run["classes"][label]
            if label == "high":
                assert cells.pop(0) == run["policy"]
            assert cells[:4] == [label, *(str(figures[key]) for key in ("arrived", "late", "dropped"))]
            assert cells[4] == f"{100 * figures['violation']:.2f}"
            arrived = [figures["latency_arrived_s"][key] for key in ("p50", "p95", "p99")]
            assert cells[5:8] == ["dropped" if value is None else f"{1e3 * value:.2f}" for value in arrived]
            assert cells[8] == f"{1e3 * figures['latency_s']['p99']:.2f}"
    assert " ".join(machines[0].split()) == "policy met/s GPU % batch size PCIe % sim req/s"
    assert len(machines) == 5
    for row, run in zip(machines[1:], replay(busy).document["runs"], strict=True):
        (gpu,), met = run["gpu"], sum(figures["goodput_per_s"] for figures in run["classes"].values())
        shown = [run["policy"], f"{met:.1f}", f"{100 * gpu['utilization']:.1f}", f"{gpu['mean_batch_size']:.2f}"]
        assert row.split()[:4] == shown


def test_the_batch_size_is_the_mean_over_the_batches_of_all_gpus(capsys):
    run = {
        "policy": "edf",
        "classes": {},
        "gpu": [
            {"utilization": 0.5, "batches": 3, "mean_batch_size": 2.0},  # 6 requests
            {"utilization": 0.1, "batches": 1, "mean_batch_size": 4.0},  # 4 requests: 10 in 4 batches
            {"utilization": 0.0, "batches": 0, "mean_batch_size": None},
        ],
        "pcie": [{"h2d_utilization": 0.01, "d2h_utilization": 0.0}] * 3,
    }
    print_summaries([run], {})
    assert capsys.readouterr().out.splitlines()[-1].split() == ["edf", "0.0", "20.0", "2.50", "1.0"]


def test_the_table_has_a_dash_where_there_is_no_figure(call, write):
    write("free.csv", "arrival_s,model,priority,slo_s\n0.0,vgg19,low,\n")
    high = call("replay", "free.csv", "--quiet", "--policy", "fifo").out.splitlines()[1].split()
    assert high[:10] == ["fifo", "high", "0", "0", "0", "-", "-", "-", "-", "-"]
    assert "nan" not in high


def test_the_tables_fit_100_columns_whatever_the_policy_is_called(call, policy_file):
    long = policy_file("a_rather_long_name_of_a_file_with_a_policy.py")
    out = call("replay", "--limit", 200, "--policy", f"edf,{long},'strait'".replace("'", "")).out
    assert long in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_percentile_is_not_met_by_dropping(replay, call, write):
    # One every 10 ms, each takes vgg19 about 5 ms alone; every second one has no time at all and is dropped.
    rows = "".join(f"{i / 100},vgg19,high,{0.0001 if i % 2 else 1}\n" for i in range(100))
    write("half.csv", "arrival_s,model,priority,slo_s\n" + rows)
    (run,) = replay("half.csv", "--policy", "fifo").document["runs"]
    high = run["classes"]["high"]
    assert (high["met"], high["dropped"]) == (50, 50)
    assert high["latency_s"]["p99"] < 0.02
    assert high["latency_arrived_s"] == {"p50": None, "p95": None, "p99": None, "beyond": "dropped"}
    _, row, _, of_all, of_completed, *_ = call("replay", "half.csv", "--policy", "fifo", "--quiet").out.splitlines()
    assert row.split()[6:9] == ["dropped"] * 3
    assert (of_all.split(":")[0], of_completed.split(":")[0]) == ("p50, p95, p99", "completed p99")


def test_notes_go_to_stderr_and_not_when_quiet(call):
    assert call("replay", "--limit", 5).err.startswith("note: filled by the default rule: ")
    assert call("replay", "--limit", 5, "--quiet").err == ""


def test_everything_dropped_at_one_instant_has_no_utilisation(replay, call, write):
    name = write("hopeless.csv", "arrival_s,model,slo_s\n0,bert,0.0001\n")
    ran = replay(name, "--policy", "edf")
    assert ran.document["runs"][0]["gpu"][0]["utilization"] is None
    assert call("replay", name, "--policy", "edf").status == 0  # the table shows a dash
