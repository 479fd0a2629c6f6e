"""Traces, profiles, rules and policies that cannot be used: one line that names the place, nothing left behind."""

import gzip
import json

import pytest

from stratsim import bundled

HEAD = "arrival_s,model,priority,slo_s\n"
GOOD = "0.0,vgg19,high,0.1\n0.1,resnet50,low,0.2\n"

BAD_TRACES = {
    "missing column": ("model,priority\nvgg19,high\n", "row 1, column 'arrival_s': column is missing"),
    "misspelt column": ("arival_s,model\n0.0,vgg19\n", "row 1, column 'arrival_s': column is missing"),
    "duplicate column": (
        "arrival_s,model,model\n0.0,vgg19,vgg19\n",
        "row 1, column 'model': column occurs twice",
    ),
    "two deadlines": (
        "arrival_s,slo_s,deadline_s\n0.0,1,1\n",
        "row 1, column 'deadline_s': columns slo_s and deadline_s exclude each other",
    ),
    "NaN": (HEAD + GOOD + "nan,vgg19,high,0.1\n", "row 4, column 'arrival_s': "),
    "infinity": (HEAD + GOOD + "inf,vgg19,high,0.1\n", "row 4, column 'arrival_s': must be finite (got inf)"),
    "negative arrival": (
        HEAD + "-1.5,vgg19,high,0.1\n" + GOOD,
        "row 2, column 'arrival_s': must not be negative (got -1.5)",
    ),
    "empty arrival": (HEAD + GOOD + ",vgg19,high,0.1\n", "row 4, column 'arrival_s': is empty"),
    "a word for a number": (HEAD + GOOD + "soon,vgg19,high,0.1\n", "row 4, column 'arrival_s': is not a number"),
    "infinite SLO": (HEAD + GOOD + "0.2,vgg19,high,inf\n", "row 4, column 'slo_s': must be finite; leave the cell"),
    "negative SLO": (HEAD + GOOD + "0.2,vgg19,high,-2\n", "row 4, column 'slo_s': must not be negative (got -2.0)"),
    "deadline before arrival": (
        "arrival_s,model,deadline_s\n0.0,vgg19,1\n5.0,vgg19,4.5\n",
        "row 3, column 'deadline_s': deadline lies before the arrival (got 4.5)",
    ),
    "unknown model": (HEAD + GOOD + "0.2,resnet5,high,0.1\n", "row 4, column 'model': "),
    "empty model": (HEAD + GOOD + "0.2,,high,0.1\n", "row 4, column 'model': is empty"),
    "unknown priority": (
        HEAD + GOOD + "0.2,vgg19,urgent,0.1\n",
        "row 4, column 'priority': unknown priority, must be high or low;",
    ),
    "priority by another name": (
        "arrival_s,Priority\n0.0,high\n",
        "column 'Priority': looks like 'priority': rename it to 'priority'",
    ),
    "SLO in milliseconds": (
        "arrival_s,slo_ms\n0.0,50\n",
        "column 'slo_ms': looks like 'slo_s': --column slo=slo_ms:ms reads it",
    ),
    "semicolons": ("arrival_s;model\n0.0;vgg19\n", "row 1: fields are separated by semicolons, must be by commas"),
    "arrivals in milliseconds": (
        "arrival_ms,model\n0,vgg19\n",
        "column 'arrival_s': column is missing; column 'arrival_ms' looks like it, milliseconds: --column arrival=",
    ),
    "half a byte": ("arrival_s,model,bytes_in\n0.0,vgg19,0.5\n", "row 2, column 'bytes_in': must be a whole number"),
    "negative bytes": ("arrival_s,model,bytes_out\n0.0,vgg19,-1\n", "row 2, column 'bytes_out': must not be negative"),
    "short row": (HEAD + "0.0,vgg19,high,0.1\n0.1,vgg19\n", "row 3"),
    "long row": (HEAD + "0.0,vgg19,high,0.1,more\n", "row 2"),
    "header only": (HEAD, "has no requests"),
    "empty file": ("", "is empty"),
    "blank lines": ("\n\n  \n", "is empty"),
    "binary junk": (bytes(range(256)) * 4, "row 1: is neither text nor Parquet: it holds "),
    "Latin-1 text": (HEAD.encode() + b"0.0,caf\xe9,high,0.1\n", "row 2: is not UTF-8 text"),
    "truncated gzip": (gzip.compress((HEAD + GOOD * 50).encode())[:40], "is a damaged or truncated gzip file"),
    "gzip of nothing": (gzip.compress(b""), "is empty"),
    "damaged Parquet": (b"PAR1" + b"\x00" * 40, "Parquet"),
    "damaged JSON": ('{"arrival_s": 0.0,', "is not valid JSON"),
    "JSON without arrivals": ('{"when": 1}\n', "row 1"),
    "JSON line that breaks": (
        '{"arrival_s": 0.0, "model": "vgg19"}\n{"arrival_s": "x", "model": "vgg19"}\n',
        "row 2, column 'arrival_s'",
    ),
    "DISB of another shape": ('{"time": 0, "tasks": []}', "is not a DISB workload: "),
    "DISB with an unknown load": (
        '{"time": 1, "tasks": [{"id": "a_rt", "load": {"type": "poison"}, "client": {"model_name": "vgg19"}}]}',
        "type must be one of periodic, poisson, trace, continuous, got 'poison'",
    ),
}


@pytest.mark.parametrize("what", BAD_TRACES)
def test_a_bad_trace_is_one_line_with_the_place(refused, write, here, what):
    content, message = BAD_TRACES[what]
    name = write("bad.trace", content)
    line = refused("replay", name, "--out", here / "results" / "run")
    assert line.startswith("bad.trace")
    assert message in line


def test_an_unknown_model_is_answered_with_the_nearest(refused, write):
    name = write("bad.csv", HEAD + GOOD + "0.2,resnet5,high,0.1\n")
    line = refused("replay", name)
    assert line.startswith("bad.csv, row 4, column 'model': ")
    assert "'resnet5'" in line
    assert "did you mean 'resnet50'?" in line


def test_a_model_of_another_profile_is_refused(refused, write):
    name = write("t.csv", "arrival_s,model\n0.0,distilbert\n")
    line = refused("replay", name)
    assert line.startswith("t.csv, row 2, column 'model': ")
    assert "'distilbert'" in line


def test_an_unsorted_trace_is_sorted_with_a_note_or_refused(replay, refused, write):
    name = write("t.csv", HEAD + "0.5,vgg19,high,0.1\n0.2,vgg19,low,0.1\n0.9,vgg19,low,0.1\n")
    ran = replay(name, "--policy", "fifo")
    assert "note: sorted by arrival: 1 rows were out of order, the first is row 3" in ran.err
    assert ran.runs["fifo"]["classes"]["low"]["met"] == 2
    line = refused("replay", name, "--strict")
    assert line == "t.csv, row 3, column 'arrival_s': arrives before the row above it (got 0.2)"


def test_a_trace_that_is_not_there(refused, here):
    assert refused("replay", "gone.csv").startswith("gone.csv: no such file, and no bundled trace of that name")
    assert refused("replay", "defalt").endswith("did you mean 'default'?")
    folders = "(of folders, those with one CSV file per model are read)"
    assert refused("replay", here) == f"{here}: is a directory, not a trace file {folders}"


def test_a_forced_format_that_does_not_fit(refused, write):
    name = write("t.csv", HEAD + GOOD)
    assert refused("replay", name, "--trace-format", "parquet") == "t.csv: is not in the format parquet"
    for other in ("disb", "mooncake", "azure-llm", "jsonl", "clients", "azure-functions-2019", "azure-functions-2021"):
        assert refused("replay", name, "--trace-format", other).startswith("t.csv")


# Profiles, rules, policies --------------------------------------------------------------------------------------------


def profile(**changes):
    data = json.loads(bundled.find("profiles", "rtx3080-disb").read_text(encoding="utf-8"))
    return json.dumps({**data, **changes})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (profile(schema_version=99), "schema_version is 99; this stratsim reads versions 1 and 2"),
        (profile(schema_version=None), "schema_version is missing"),
        (profile(colour="red"), "unknown field 'colour'; known: "),
        (profile(nmae="x"), "unknown field 'nmae'; did you mean 'name'?"),
        ("", "the file is empty"),
        ("{", "not valid JSON: "),
        ("[]", "a profile is a JSON object"),
        (b"\x00\xff\x80", "not a JSON file"),
        ('{"schema_version": NaN}', "not valid JSON: NaN is not a JSON number"),
    ],
)
def test_a_bad_profile_is_one_line(refused, write, here, content, message):
    line = refused("replay", "--profile", write("p.json", content), "--out", here / "results")
    assert line.startswith(f"p.json: {message}")


def test_a_profile_that_is_a_folder_or_not_there(refused, here):
    assert refused("replay", "--profile", here) == f"{here}: is a directory, not a profile"
    assert refused("replay", "--profile", "gone.json").startswith("gone.json: neither a file nor a bundled profile")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[models]\nmix = {vgg91 = 1}\n", "workload rule, models.mix: "),
        ("[modles]\nmix = {vgg19 = 1}\n", "rule.toml: Object contains unknown field `modles`"),
        ("[priority]\nhigh_share = 2\n", "rule.toml: high_share must be within [0, 1], got 2"),
        ("[slo]\nhigh_s = -1\n", "rule.toml: high_s must be > 0 and finite, got -1"),
        ("models = = 1\n", "rule.toml: "),
    ],
)
def test_a_bad_workload_rule_is_one_line(refused, write, content, message):
    write("bare.csv", "arrival_s\n0.0\n0.1\n")
    assert message in refused("replay", "bare.csv", "--workload", write("rule.toml", content))


def test_an_absent_workload_rule(refused):
    assert refused("replay", "--workload", "gone.toml") == "gone.toml: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("fifoo", "unknown policy 'fifoo'; did you mean 'fifo'?"),
        ("fifo,edf,fifo", "policy 'fifo' is listed twice"),
        ("edf(max_bach=2)", "policy 'edf' has no parameter 'max_bach'; did you mean 'max_batch'?"),
        ("edf(max_batch=0)", "policy 'edf(max_batch=0)': max_batch must be a whole number, at least 1, got 0"),
        ("edf(", "cannot read the policy list 'edf('"),
        ("edf(2)", "cannot read policy 'edf(2)'"),
        ("", "cannot read the policy list ''"),
        ("gone.py:Mine", "policy 'gone.py:Mine': there is no file 'gone.py'"),
    ],
)
def test_a_policy_that_cannot_be_used(refused, policy, message):
    assert refused("replay", "--policy", policy).startswith(message)


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        ("raise KeyError('lost')", "KeyError: 'lost' ("),
        ("yield 3", "not a decision: yield Start, Drop, SetTimer, Suspend or Resume in 3"),
        ("yield Start(())", "an empty batch in Start(requests=(), gpu=0, expected_s=None)"),
        ("yield Start((self.waiting[0],), 7)", "there is no GPU 7, only 0 to 0 in Start("),
        ("yield Start((self.waiting[0],) * 2)", "request 0 is not waiting in Start("),
        ("yield Drop(self.waiting[0], 'x'); yield Drop(self.waiting[0], 'x')", "request 0 is not waiting in Drop("),
    ],
)
def test_a_policy_that_fails_names_itself_and_the_time(refused, policy_file, here, decide, message):
    name = policy_file(decide=decide)
    line = refused("replay", "--limit", 50, "--policy", f"fifo,{name}", "--out", here / "deep" / "results")
    assert line.startswith(f"policy '{name}' at t=0 s: ")
    assert message in line


def test_a_policy_that_fails_to_prepare_is_named(refused, policy_file):
    name = policy_file(prepare="raise RuntimeError('no way')")
    line = refused("replay", "--limit", 5, "--policy", name)
    assert line.startswith("policy 'mine.py:Mine' at t=0 s: RuntimeError: no way (")
    assert "mine.py:6)" in line


def test_load_on_a_closed_loop_is_refused(refused, write):
    client = {"id": "a_be", "load": {"type": "continuous"}, "client": {"model_name": "vgg19"}}
    name = write("loop.json", json.dumps({"time": 1, "tasks": [client]}))
    message = "load and rate scale change arrivals; this trace has closed-loop clients only"
    assert refused("replay", name, "--load", 0.5) == message
    assert refused("replay", name, "--rate-scale", 2) == message


def test_a_trace_without_a_rate_cannot_be_rescaled(refused, write):
    name = write("burst.csv", "arrival_s,model\n1.0,vgg19\n1.0,vgg19\n")
    line = refused("replay", name, "--load", 0.5)
    assert line == "burst.csv: all requests arrive at one instant: the trace has no rate to rescale"
