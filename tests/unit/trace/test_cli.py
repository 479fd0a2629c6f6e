"""`stratsim trace`: what a person types, sees, and is told when it is wrong."""

import hashlib
import json

import numpy as np
import pytest

from stratsim.cli import main
from stratsim.model.codec import dump_profile
from stratsim.trace import read_trace
from stratsim.trace.fetch import PUBLIC, Download


@pytest.fixture
def run(capsys):
    def _run(*arguments, status=0):
        found = main(["trace", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert found == status, err
        if status:
            assert err.startswith("stratsim: ")
            assert err.count("\n") == 1
        return err if status else out

    return _run


@pytest.fixture
def profile_file(profile, tmp_path):
    path = tmp_path / "two.json"
    path.write_text(dump_profile(profile))
    return path


def test_inspect_shows_the_bundled_default(run):
    text = run("inspect")
    assert "21294" in text
    assert "the rule fills" in text
    assert "model, priority, deadline" in text


def test_inspect_json_is_one_object(run, write):
    figures = json.loads(run("inspect", write("arrival_s,model\n1,a\n0,b\n"), "--json"))
    assert figures["requests"] == 2
    assert figures["models"] == {"b": 1, "a": 1}
    assert figures["missing"] == ["priority", "deadline", "bytes_in", "bytes_out"]
    assert "sorted by arrival" in figures["notes"][0]


def test_inspect_shows_many_models_and_notes(run, write):
    rows = "".join(f"{n},model-{n},high,0.5\n" for n in range(10))
    text = run("inspect", write("arrival_s,model,priority,slo_s\n" + rows))
    assert "and 2 more" in text
    assert "10 requests, 0 without; after 500 / 500 / 500 ms" in text
    assert "none, and the default rule adds none" in run("inspect", write("arrival_s,slo_s\n0,\n"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trace-format", "azur-llm"], "unknown trace format 'azur-llm'; did you mean 'azure-llm'?"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["no-such.csv"], "no such file"),
        (["--jsn"], "No such option"),
    ],
)
def test_inspect_refuses(run, arguments, message):
    assert message in run("inspect", *arguments, status=2)


def test_strict(run, write):
    path = write("arrival_s\n1\n0\n")
    assert "row 3, column 'arrival_s'" in run("inspect", path, "--strict", status=2)


def test_convert_keeps_the_gaps(run, write, tmp_path):
    source = write("TIMESTAMP,GeneratedTokens\n2023-11-16 00:00:01,7\n2023-11-16 00:00:03.5,9\n")
    assert run("convert", source, tmp_path / "out.csv") == f"{tmp_path}/out.csv: 2 requests, 0.4 requests/s\n"
    assert (tmp_path / "out.csv").read_text() == "arrival_s,GeneratedTokens\n0.0,7\n2.5,9\n"


def test_convert_completes_for_a_profile(run, write, tmp_path, profile_file):
    rule = write("[models]\ncolumn = 'tokens'\nedges = [8]\nnames = ['slow', 'fast']\n[slo]\nhigh_ms = 50\nlow_s = 1\n",
                 "rule.toml")  # fmt: skip
    source = write("arrival_s,tokens,priority\n0,7,high\n1,9,low\n")
    out = tmp_path / "out.parquet"
    run("convert", source, out, "--profile", profile_file, "--workload", rule, "--load", "0.5")
    trace = read_trace(out)
    assert trace.model.decode() == ["slow", "fast"]
    assert trace.arrival_s.tolist() == pytest.approx([0, 0.04])
    assert (trace.deadline_s - trace.arrival_s).tolist() == pytest.approx([0.05, 1])
    assert trace.bytes_in.tolist() == [2_000_000, 1_000_000]
    assert trace.extra["tokens"].tolist() == [7, 9]


def test_convert_refuses(run, write, tmp_path):
    source, out = write("arrival_s\n0\n"), tmp_path / "out.csv"
    assert "need --profile" in run("convert", source, out, "--workload", "x.toml", status=2)
    assert "the name must end in" in run("convert", source, tmp_path / "out.xls", status=2)
    out.write_text("mine")
    assert "exists already" in run("convert", source, out, status=2)
    assert out.read_text() == "mine"
    run("convert", source, out, "--overwrite")
    assert out.read_text() == "arrival_s\n0.0\n"


def test_convert_disb_needs_json(run, write, tmp_path):
    task = {"id": "a_be", "load": {"type": "continuous"}, "client": {"model_name": "fast"}}
    source = write(json.dumps({"time": 5, "tasks": [task]}))
    assert "closed-loop clients need the suffix .json" in run("convert", source, tmp_path / "c.csv", status=2)
    assert run("convert", source, tmp_path / "c.json") == f"{tmp_path}/c.json: 1 closed-loop client\n"
    assert read_trace(tmp_path / "c.json").closed_loop == read_trace(source).closed_loop


def test_convert_keeps_who_sends_one_at_a_time(run, write, tmp_path):
    task = {"id": "a_rt", "load": {"type": "periodic", "frequency": 2}, "client": {"model_name": "fast"}}
    source = write(json.dumps({"time": 5, "tasks": [task]}))
    message = "clients that send one request at a time need the suffix .json"
    assert message in run("convert", source, tmp_path / "c.csv", status=2)
    run("convert", source, tmp_path / "c.json")
    assert read_trace(tmp_path / "c.json").one_at_a_time == read_trace(source).one_at_a_time
    assert json.loads(run("inspect", source, "--json"))["one_at_a_time_clients"] == 1


def test_generate_for_a_profile(run, tmp_path, profile_file):
    out = tmp_path / "g.csv.gz"
    line = run("generate", "-n", 2000, "--load", 0.8, "--profile", profile_file, "--seed", 3, "--out", out)
    trace = read_trace(out)
    assert line == f"{out}: 2000 requests, {trace.rate:.6g} requests/s\n"
    assert len(trace) == 2000
    # 0.8 / 20 ms = 40 requests/s; Poisson, so the relative error is 1/sqrt(2000): four of them.
    assert trace.rate == pytest.approx(40, rel=4 / 2000**0.5)
    assert set(trace.model.names) == {"fast", "slow"}
    solo = np.where(np.asarray(trace.model.decode()) == "fast", 0.0115, 0.0325)
    assert np.allclose(trace.slo_s, np.where(trace.priority == 0, 5, 10) * solo)
    assert trace.bytes_in is None


def test_generate_is_reproducible(run, tmp_path):
    outs = [tmp_path / name for name in ("a.csv.gz", "b.csv.gz", "c.csv.gz")]
    for out, seed in zip(outs, (1, 1, 2), strict=True):
        run("generate", "-n", 50, "--rate", 5, "--models", "a,b", "--seed", seed, "--out", out)
    one, two, three = (out.read_bytes() for out in outs)
    assert one == two != three


@pytest.mark.parametrize(
    "options",
    [
        ["--arrivals", "gamma", "--cv", 4],
        ["--arrivals", "gamma"],
        ["--arrivals", "onoff", "--on", 10, "--off", 30, "--off-share", 0.1],
        ["--arrivals", "periodic"],
        ["--arrivals", "diurnal", "--period", 100, "--amplitude", 0.9],
        ["--arrivals", "diurnal", "--period", 100],
    ],
)
def test_generate_shapes(run, tmp_path, options):
    out = tmp_path / "s.jsonl"
    assert run("generate", "-n", 500, *options, "--out", out) == f"{out}: 500 requests, a shape without a rate\n"
    trace = read_trace(out)
    assert trace.normalised
    assert len(trace) == 500


def test_generate_closed_loop_clients(run, tmp_path, profile_file):
    out = tmp_path / "c.json"
    command = ["generate", "-n", 10, "--arrivals", "closed-loop", "--clients", 2, "--think", 0.01, "--stop", 60]
    run(*command, "--profile", profile_file, "--models", "fast-imagenet", "--out", out)
    one, two = read_trace(out).closed_loop
    assert (one.model, one.limit, one.think_s, one.stop_s, two.limit) == ("fast", 5, 0.01, 60, 5)
    assert one.slo_s == pytest.approx({0: 5, 1: 10}[one.priority] * 0.0115)
    run(*command, "--out", tmp_path / "bare.json")
    assert read_trace(tmp_path / "bare.json").closed_loop[0].model is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--load", 0.5], "--load needs --profile"),
        (["--models", "a,b"], "--models without --profile needs --rate"),
        (["--models", "a,,b", "--rate", 1], "--models holds an empty name"),
        (["--rate", -1], "rate must be > 0 and finite, got -1.0"),
        (["--cv", 2], "--cv belongs to --arrivals gamma, not poisson"),
        (["--off-share", 0.5], "--off-share belongs to --arrivals onoff, not poisson"),
        (["--arrivals", "onoff"], "--on is needed"),
        (["--arrivals", "diurnal"], "--period is needed"),
        (["--arrivals", "gamma", "--cv", 0], "cv must be > 0 and finite, got 0.0"),
        (["--arrivals", "closed-loop", "--rate", 1], "closed-loop clients have no rate of their own"),
        (["--arrivals", "closed-loop"], "closed-loop clients need the suffix .json"),
        (["--arrivals", "posson"], "Invalid value for '--arrivals'"),
    ],
)
def test_generate_refuses_and_leaves_nothing(run, tmp_path, options, message):
    assert message in run("generate", "-n", 5, *options, "--out", tmp_path / "g.csv", status=2)
    assert list(tmp_path.iterdir()) == []


def test_generate_refuses_what_the_profile_lacks(run, tmp_path, profile_file):
    command = ["generate", "-n", 5, "--profile", profile_file, "--out", tmp_path / "g.csv"]
    assert "no model 'fsat'; did you mean 'fast'?" in run(*command, "--models", "fsat", status=2)
    assert "load must be > 0 and finite, got 0.0" in run(*command, "--load", 0, status=2)
    assert "--load and --rate exclude each other" in run(*command, "--load", 1, "--rate", 1, status=2)


def test_fetch_lists(run):
    text = run("fetch", "--list")
    assert all(name in text for name in PUBLIC)
    assert "CC-BY-4.0" in text


def test_fetch_a_file(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    served = tmp_path / "served.csv"
    served.write_bytes(b"arrival_s\n0\n")
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    monkeypatch.setitem(PUBLIC, "local", Download(served.as_uri(), digest, 12, "one", "CC0-1.0", "here @ 0"))
    assert run("fetch", "local") == ("local.csv: 1 request; 12 bytes, sha256 as expected; here @ 0, CC0-1.0\n")
    assert len(read_trace(tmp_path / "local.csv")) == 1
    assert "exists already" in run("fetch", "local", status=2)
    run("fetch", "local", "--out", "other.csv")
    assert (tmp_path / "other.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either a NAME or --list"),
        (["azure-conv", "--list"], "give either a NAME or --list"),
        (["azure-cov"], "did you mean 'azure-conv'?"),
    ],
)
def test_fetch_refuses(run, arguments, message):
    assert message in run("fetch", *arguments, status=2)


@pytest.mark.parametrize("command", ["inspect", "convert", "generate", "fetch"])
def test_help_teaches_with_examples(run, command):
    text = run(command, "--help")
    assert "Examples:" in text
    assert f"stratsim trace {command}" in text
