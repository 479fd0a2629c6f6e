"""Logs of servers that are not ours: what is read of them, and what is refused."""

import gzip
import json

import numpy as np
import pytest

from stratsim.errors import OutsideProfileError, SpecError
from stratsim.fidelity.logs import Naming, observed, read_log, recorded
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile

PROFILE = make_profile({"small": {1: 0.004, 4: 0.008}, "large": {1: 0.010, 4: 0.022}})
STAGES = ("COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")
MS = 1_000_000


def served(number, model, arrival_ms, begin_ms, took_ms=4):
    """A request that was queued 0.1 ms after it came, and executed for `took_ms` between copies of half of one."""
    times = {
        "REQUEST_START": arrival_ms,
        "QUEUE_START": arrival_ms + 0.1,
        "COMPUTE_START": begin_ms,
        "COMPUTE_INPUT_END": begin_ms + 0.5,
        "COMPUTE_OUTPUT_START": begin_ms + 0.5 + took_ms,
        "COMPUTE_END": begin_ms + 1 + took_ms,
        "REQUEST_END": begin_ms + 1.2 + took_ms,
    }
    marks = [{"name": name, "ns": 7 * 10**17 + round(time * MS)} for name, time in times.items()]
    return {"id": number, "model_name": model, "model_version": 1, "timestamps": marks}


def one_by_one(count=60):
    return [served(number, "small", 10 * number, 10 * number + 1) for number in range(1, count + 1)]


def written(tmp_path, records, name="trace.json"):
    path = tmp_path / name
    path.write_text(json.dumps(records))
    return path


def refused(path, naming=None):
    with pytest.raises(SpecError) as caught:
        read_log(path, naming or Naming())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_requests_with_the_same_stamps_of_an_execution_are_a_batch(tmp_path):
    records = one_by_one()
    records += [served(1001, "small", 2000, 2010), served(1002, "small", 2005, 2010), served(1003, "large", 2006, 2010)]
    log = read_log(written(tmp_path, records), Naming())
    assert log.models == ("small", "large")
    assert log.stages.size.tolist() == [1] * 60 + [2, 1]
    assert log.batch.tolist() == [*range(60), 60, 60, 61]
    assert log.arrival_s[:2] == pytest.approx([0, 0.010])
    assert log.latency_s[0] == pytest.approx(0.0062)  # 1 ms in the queue, 0.5 + 4 + 0.5, and 0.2 to the reply
    took_s = np.array([log.stages.inputs_s[0], log.stages.executed_s[0], log.stages.done_s[0]]) - log.stages.begin_s[0]
    assert took_s == pytest.approx([0.0005, 0.0045, 0.005])


def test_both_shapes_of_the_trace_say_the_same(tmp_path):
    whole = one_by_one()
    split = [
        part
        for record in whole
        for part in (
            {name: record[name] for name in ("id", "model_name", "model_version")},
            *({"id": record["id"], "timestamps": [mark]} for mark in reversed(record["timestamps"])),
        )
    ]
    one, other = (read_log(written(tmp_path, records), Naming()) for records in (whole, split))
    for name in ("arrival_s", "finish_s", "queued_s", "batch"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert all(map(np.array_equal, one.stages, other.stages))


def test_lines_and_packed_files_are_read_too(tmp_path):
    lines = tmp_path / "trace.jsonl"
    lines.write_text("\n".join(json.dumps(record) for record in one_by_one()))
    packed = tmp_path / "trace.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(one_by_one()).encode()))
    assert len(read_log(lines, Naming()).arrival_s) == len(read_log(packed, Naming()).arrival_s) == 60


def test_a_byte_order_mark_is_no_part_of_a_log(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(one_by_one()), encoding="utf-8-sig")
    assert len(read_log(path, Naming()).arrival_s) == 60


def test_what_is_left_out_of_a_trace_is_counted(tmp_path):
    records = one_by_one()
    records[0]["parent_id"] = 2
    records[2]["timestamps"] = records[2]["timestamps"][:-1]
    records[3]["timestamps"] = [mark for mark in records[3]["timestamps"] if mark["name"] not in STAGES]
    log = read_log(written(tmp_path, records), Naming())
    assert len(log.arrival_s) == 59
    assert np.isnan(log.finish_s).sum() == 2
    assert [note.partition(" ")[0] for note in log.notes[:3]] == ["1", "1", "1"]
    assert len(log.stages.size) == 58  # what has no end was executed all the same


def test_names_are_those_of_the_profile_where_one_is_given(tmp_path):
    log = read_log(written(tmp_path, one_by_one()), Naming(names={"small": "large"}))
    assert log.models == ("large",)
    run = recorded(log, make_spec({"policy": "fifo"}), PROFILE)
    assert run.result.models == ("large",)
    with pytest.raises(OutsideProfileError, match="no model 'tiny'"):
        recorded(
            read_log(written(tmp_path, one_by_one()), Naming(names={"small": "tiny"})),
            make_spec({"policy": "fifo"}),
            PROFILE,
        )


def test_a_log_is_replayed_with_one_policy_on_one_gpu(tmp_path):
    log = read_log(written(tmp_path, one_by_one()), Naming())
    for settings, said in (({}, "--policy with the one policy"), ({"policy": "fifo", "gpus": 2}, "one GPU")):
        with pytest.raises(SpecError, match=said):
            recorded(log, make_spec(settings), PROFILE)


@pytest.mark.parametrize(
    "settings", [{"load": 0.5}, {"limit": 10}, {"warmup_s": 1.0}, {"belief_latency_scale": 1.2}, {"retries": 1}]
)
def test_a_setting_that_changes_nothing_about_a_log_is_refused(tmp_path, settings):
    log = read_log(written(tmp_path, one_by_one()), Naming())
    with pytest.raises(SpecError, match=f"without the setting '{next(iter(settings))}'"):
        recorded(log, make_spec({"policy": "fifo", **settings}), PROFILE)


def test_what_a_log_holds_is_said_with_what_it_cannot_tell(tmp_path):
    found = observed(read_log(written(tmp_path, one_by_one()), Naming()))
    assert found["models"]["small"] == pytest.approx({"requests": 60, "p50": 0.0062, "p95": 0.0062, "p99": 0.0062})
    assert found["batches"]["sizes"] == {1: 60}
    assert found["batches"]["median_s"] == pytest.approx(
        {"queue": 0.0009, "inputs": 0.0005, "execution": 0.004, "outputs": 0.0005}
    )
    assert any("client" in text for text in found["cannot"])


def aiperf(count=50, **changes):
    metadata = {"request_start_ns": 0, "request_end_ns": 0, "benchmark_phase": "profiling", "was_cancelled": False}
    return "\n".join(
        json.dumps(
            {
                "metadata": metadata
                | {"request_start_ns": 10**18 + at * 10 * MS, "request_end_ns": 10**18 + at * 10 * MS + 5 * MS}
                | changes.get(str(at), {}),
                "metrics": {},
                "error": None,
            }
        )
        for at in range(count)
    )


def test_aiperf_gives_latencies_and_no_batches(tmp_path):
    path = tmp_path / "profile_export.jsonl"
    path.write_text(aiperf(**{"0": {"benchmark_phase": "warmup"}, "1": {"was_cancelled": True}}))
    log = read_log(path, Naming("small"))
    assert log.stages is None
    assert np.isnan(log.latency_s[0])
    assert log.latency_s[1:] == pytest.approx(0.005)
    assert len(log.latency_s) == 49
    found = observed(log)
    assert found["batches"] is None
    assert "factors of single batch sizes: of a model all sizes have one" in found["cannot"]
    assert "names no model: --model" in refused(path)


def test_a_line_of_aiperf_ends_where_json_lines_end(tmp_path):
    """What an error says may hold separators of Unicode, which JSON need not escape."""
    path = tmp_path / "profile_export.jsonl"
    failed = json.loads(aiperf(1)) | {"error": {"message": "cut\u2028off\u0085"}}
    path.write_text(aiperf() + "\n" + json.dumps(failed, ensure_ascii=False) + "\r\n", encoding="utf-8")
    log = read_log(path, Naming("small"))
    assert (len(log.latency_s), int(np.isnan(log.latency_s).sum())) == (51, 1)


def test_a_plain_table_gives_latencies(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"{1_700_000_000 + at},small,0.005" for at in range(40)]
    path.write_text("\n".join(["arrival_s,model,latency_s", *rows, "1700000099,large,"]))
    log = read_log(path, Naming())
    assert log.models == ("small", "large")
    assert log.latency_s[:40] == pytest.approx(0.005)
    assert np.isnan(log.latency_s[40])
    path.write_text("\n".join(["arrival_s,model,latency_s", *rows, "1700000100,small,minus one"]))
    assert "line 42, latency_s: not a number: 'minus one'" in refused(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"resourceSpans": []}', "OpenTelemetry"),
        ('{"traceEvents": []}', "timeline"),
        ('{"experiments": [{"requests": []}]}', "profile import perf-analyzer"),
        ('{"input_config": {}, "metadata": {}}', "profile_export.jsonl has the requests"),
        ('{"schema_version": 2}', "file of our own"),
        ("time,latency\n1,2\n", "known are Triton's trace file"),
        ('[{"id": 1, "timestamps": 3}]', "is not a trace of Triton"),
        ('[{"id": 1, "model_name": "a", "timestamps": []}]', "level=TIMESTAMPS"),
        ('[{"id": 1, "timestamps": [{"name": "compute start", "ns": 5}]}]', "TensorRT Inference Server"),
        ('[{"id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 5}]}]', "none has COMPUTE_START"),
        ("", "is empty"),
    ],
)
def test_other_files_and_versions_are_called_by_name(tmp_path, content, said):
    path = tmp_path / "log"
    path.write_text(content)
    assert said in refused(path)


def test_too_little_times_that_run_backwards_and_no_file_are_refused(tmp_path):
    assert "39 requests were answered, and 40" in refused(written(tmp_path, one_by_one(39)))
    records = one_by_one()
    records[5]["timestamps"][3]["ns"], records[5]["timestamps"][4]["ns"] = 5, 4
    assert "id 6: an execution ends before it begins" in refused(written(tmp_path, records))
    records = one_by_one()
    records[5]["timestamps"][-1]["ns"] = 4
    assert "was answered at 4 ns" in refused(written(tmp_path, records))
    assert "no such file" in refused(tmp_path / "none.json").lower()
    assert "s apart" in refused(written(tmp_path, [*one_by_one(), served(99, "small", 3e15, 3e15 + 1)]))


def stamped(record, **times_ms):
    """Return a record with other times for some of its stamps."""
    marks = [
        {**mark, "ns": 7 * 10**17 + round(times_ms[mark["name"]] * MS)} if mark["name"] in times_ms else mark
        for mark in record["timestamps"]
    ]
    return {**record, "timestamps": marks}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            stamped(served(7, "small", 70, 71), QUEUE_START=60),
            "id 7: its stamps run backwards (did the clock jump?): REQ",
        ),
        (stamped(served(7, "small", 70, 71), COMPUTE_OUTPUT_START=70), "id 7: an execution ends before it begins (did"),
        (served(1, "small", 700, 701), "id 1: has two REQUEST_START, "),
    ],
)
def test_stamps_that_cannot_be_are_refused_with_their_request(tmp_path, record, said):
    others = [each for each in one_by_one() if each["id"] != 7]
    assert said in refused(written(tmp_path, [*others, record]))


def test_a_name_that_the_log_does_not_have_is_refused(tmp_path):
    path = written(tmp_path, one_by_one())
    assert "--name smal=large: no model 'smal'; did you mean 'small'?" in refused(path, Naming(names={"smal": "large"}))


def test_a_table_in_another_unit_or_with_other_separators_is_shown(tmp_path):
    path = tmp_path / "t.csv"
    for header in ("arrival_s,latency_ms,model", "arrival_s;latency_s;model"):
        path.write_text(f"{header}\n")
        assert f"begins with '{header}'" in refused(path)


def test_settings_under_which_the_server_cannot_have_executed_what_it_did_are_refused(tmp_path):
    both = [served(1000 + n, "large", 10 * n, 10 * n + 1, 4) for n in range(1, 61)]  # each beside one of `one_by_one`
    both = [stamped(each, COMPUTE_START=10 * n + 1.1) for n, each in enumerate(both, start=1)]
    log = read_log(written(tmp_path, [*one_by_one(), *both]), Naming())
    with pytest.raises(SpecError, match=r"for 100% of the time .* more than 1 batches do, up to 2: --set max_conc"):
        recorded(log, make_spec({"policy": "fifo", "max_concurrency": 1}), PROFILE)
    assert len(recorded(log, make_spec({"policy": "fifo", "max_concurrency": 2}), PROFILE).result.batches) == 120
