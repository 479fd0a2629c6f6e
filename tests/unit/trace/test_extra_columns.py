"""Columns of a trace that are not ours: read when asked for, and by rules of the workload."""

import pickle

import pandas as pd
import pytest

from stratsim.cli import main
from stratsim.errors import TraceError
from stratsim.model.request import Priority
from stratsim.trace import read_trace
from stratsim.trace.rule import complete
from stratsim.trace.spec import load_rule
from stratsim.trace.summary import summarise
from stratsim.trace.write import write_trace


def test_extra_columns_are_not_read_until_they_are_asked_for(write, monkeypatch):
    path = write('{"arrival_s": 0, "hash_ids": [1, 2]}\n{"arrival_s": 1, "hash_ids": []}\n')
    trace = read_trace(path)
    read = []
    table = type(trace.extra._table)
    before = table.read
    monkeypatch.setattr(table, "read", lambda self, kinds: read.append(sorted(kinds)) or before(self, kinds))
    summarise(trace)
    assert list(trace.extra) == ["hash_ids"]
    assert read == []
    write_trace(trace, path.parent / "out.jsonl")
    assert read == [["hash_ids"]]
    assert (
        path.parent / "out.jsonl"
    ).read_text() == '{"arrival_s":0.0,"hash_ids":[1, 2]}\n{"arrival_s":1.0,"hash_ids":[]}\n'


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_trace_goes_to_another_process_with_its_columns(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write_trace(read_trace(pd.DataFrame({"arrival_s": [0.0, 1.0], "tokens": [5, 6]})), path)
    there = pickle.loads(pickle.dumps(read_trace(path).head(1)))
    assert there.arrival_s.tolist() == [0]
    assert there.extra["tokens"].tolist() == [5]


def test_a_rule_reads_numbers_out_of_kept_text(write, profile):
    path = write("arrival_s,code,share\n0,007,0.50\n1,010,nan\n2,100,2.5\n")
    rule = load_rule(write('[models]\ncolumn = "code"\nedges = [8]\nnames = ["fast", "slow"]\n', "rule.toml"))
    workload = complete(read_trace(path), profile.for_scheduler(), rule, resolve=profile.resolve)
    assert [workload.models[code] for code in workload.model] == ["fast", "slow", "slow"]
    bad = load_rule(write('[priority]\ncolumn = "share"\nhigh_below = 1\n', "rule.toml"))
    with pytest.raises(TraceError, match="row 3, column 'share': is empty, and the workload rule needs a number"):
        complete(read_trace(path), profile.for_scheduler(), bad, resolve=profile.resolve)


def test_a_rule_maps_the_column_model_and_leaves_known_names(write, profile):
    path = write("arrival_s,model\n0,GPT-4\n1,fast\n2,GPT-4\n")
    rule = load_rule(write('[models]\ncolumn = "model"\nvalues = { GPT-4 = "slow" }\n', "rule.toml"))
    workload = complete(read_trace(path), profile.for_scheduler(), rule, resolve=profile.resolve)
    assert [workload.models[code] for code in workload.model] == ["slow", "fast", "slow"]


def test_a_name_outside_the_profile_is_refused_with_a_line_that_maps_it(write, profile):
    path = write("arrival_s,model\n0,fast\n1,GPT-4\n2,GPT-3\n")
    with pytest.raises(TraceError) as caught:
        complete(read_trace(path), profile.for_scheduler(), resolve=profile.resolve)
    line = str(caught.value).rpartition("a workload file maps names: ")[2]
    assert line == '[models] column = "model", values = { "GPT-4" = "fast", "GPT-3" = "slow" }'
    head, _, values = line.partition(" column")
    rule = load_rule(write(f"{head}\ncolumn{values}".replace(", values", "\nvalues"), "rule.toml"))
    assert len(complete(read_trace(path), profile.for_scheduler(), rule, resolve=profile.resolve)) == 3


@pytest.mark.slow
def test_a_workload_file_names_columns_and_maps_other_priorities(write, profile_file, tmp_path, capsys):
    path = write("t_ms,net,priority\n500,fast,critical\n750,slow,batch\n")
    rule = write(
        '[columns]\narrival = "t_ms:ms"\nmodel = "net"\n[priority]\ncolumn = "priority"\nhigh_values = ["critical"]\n',
        "rule.toml",
    )
    out = tmp_path / "out.csv"
    assert main(["trace", "convert", str(path), str(out), "--profile", str(profile_file), "--workload", str(rule)]) == 0
    trace = read_trace(out)
    assert trace.arrival_s.tolist() == [0.5, 0.75]
    assert trace.priority.tolist() == [Priority.HIGH, Priority.LOW]
    assert main(["replay", str(path), "--profile", str(profile_file), "--workload", str(rule), "--policy", "fifo"]) == 0
    words = ["--column", "arrival=t_ms:ms", "--column", "model=net", "--column", "priority=", "--policy", "fifo"]
    assert main(["replay", str(path), "--profile", str(profile_file), *words]) == 0
    capsys.readouterr()


@pytest.fixture
def profile_file(profile, tmp_path):
    from stratsim.model.codec import dump_profile

    path = tmp_path / "two.json"
    path.write_text(dump_profile(profile))
    return path
