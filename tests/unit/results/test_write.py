import gzip
import hashlib
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stratsim.engine import columns as tables_module
from stratsim.errors import MissingExtraError, OutputError, SpecError
from stratsim.model.columns import BATCH_KINDS, REQUEST_KINDS
from stratsim.results import check_target, read_results, summarize, write_results
from stratsim.results import formats as formats_module
from stratsim.results import write as write_module
from stratsim.results.read_table import _exact_floats

MANIFEST = {"stratsim_version": "0.1.0", "seed": 7, "note": "Ü"}
FORMATS = pytest.mark.parametrize("parquet", [True, False], ids=["parquet", "csv"])


@pytest.fixture
def results(make_result):
    return [make_result(5, gpus=2), make_result(6, gpus=2, policy="edf(max_batch=4)")]


def write(results, folder, **options):
    summaries = [summarize(result) for result in results]
    write_results(results, folder, manifest=MANIFEST, summaries=summaries, **options)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def only(path):
    """The folder and nothing beside it: no temporary left."""
    return [entry.name for entry in path.parent.iterdir()] == [path.name]


@FORMATS
def test_every_file_is_there(results, tmp_path, parquet):
    write(results, tmp_path / "run", parquet=parquet)
    suffix = "parquet" if parquet else "csv.gz"
    assert set(digests(tmp_path / "run")) == {
        "manifest.json", "summary.json", "timeline.json", f"requests.{suffix}", f"batches.{suffix}",
    }  # fmt: skip
    assert only(tmp_path / "run")


@FORMATS
def test_requests_come_back_exactly(results, tmp_path, parquet):
    write(results, tmp_path / "run", parquet=parquet)
    frame = read_results(tmp_path / "run").requests()
    assert list(frame.columns) == list(REQUEST_KINDS)
    for result in results:
        rows = frame[frame["policy"] == result.policy]
        requests, batches = result.requests, result.batches
        for name in ("arrival_s", "deadline_s", "dropped_s"):
            assert np.array_equal(rows[name], getattr(requests, name), equal_nan=True)
        assert rows["request_id"].tolist() == list(range(len(requests)))
        assert rows["bytes_in"].tolist() == requests.bytes_in.tolist()
        assert rows["model"].tolist() == [result.models[model] for model in requests.model]
        assert rows["priority"].tolist() == [("high", "low")[p] for p in requests.priority]
        assert rows["status"].tolist() == [("unfinished", "met", "late", "dropped")[s] for s in requests.status]
        assert np.array_equal(rows["batch_id"].fillna(-1), requests.batch)
        assert np.array_equal(rows["latency_s"], requests.finish_s - requests.arrival_s, equal_nan=True)
        known = rows["batch_id"].notna().to_numpy()
        batch = requests.batch[known]
        assert rows["gpu"][known].tolist() == batches.gpu[batch].tolist()
        assert rows["batch_size"][known].tolist() == batches.size[batch].tolist()
        for name in ("dispatch_s", "copy_in_end_s", "execution_start_s", "copy_out_end_s"):
            assert np.array_equal(rows[name][known], getattr(batches, name)[batch])
            assert rows[name][~known].isna().all()
        assert rows["reason"].isna().tolist() == (requests.reason < 0).tolist()
        assert rows["client"].isna().tolist() == (requests.client < 0).tolist()


@FORMATS
def test_batches_come_back_exactly(results, tmp_path, parquet):
    write(results, tmp_path / "run", parquet=parquet)
    frame = read_results(tmp_path / "run").batches()
    assert list(frame.columns) == list(BATCH_KINDS)
    rows, batches = frame[frame["policy"] == "fifo"], results[0].batches
    for name in ("dispatch_s", "execution_end_s", "solo_s"):
        assert np.array_equal(rows[name], getattr(batches, name))
    assert rows["batch_size"].tolist() == batches.size.tolist()
    executed = batches.execution_end_s - batches.execution_start_s
    assert np.array_equal(rows["slowdown"], executed / batches.solo_s)


@pytest.mark.slow
@FORMATS
def test_chunks_change_nothing(results, tmp_path, parquet, monkeypatch):
    write(results, tmp_path / "whole", parquet=parquet)
    monkeypatch.setattr(tables_module, "CHUNK_ROWS", 37)
    write(results, tmp_path / "chunked", parquet=parquet)
    for name in ("requests", "batches"):
        whole, chunked = (getattr(read_results(tmp_path / folder), name)() for folder in ("whole", "chunked"))
        pd.testing.assert_frame_equal(whole, chunked)


def test_both_formats_hold_the_same(results, tmp_path):
    frames = {}
    for parquet in (True, False):
        write(results, tmp_path / str(parquet), parquet=parquet)
        frames[parquet] = read_results(tmp_path / str(parquet)).requests(["policy", "latency_s", "gpu"])
    pd.testing.assert_frame_equal(frames[True], frames[False], check_categorical=False)


def test_no_deadline_is_empty(make_result, tmp_path):
    write([make_result(deadlines=False)], tmp_path / "run", parquet=False)
    assert read_results(tmp_path / "run").requests()["deadline_s"].isna().all()
    assert b"inf" not in gzip.decompress((tmp_path / "run" / "requests.csv.gz").read_bytes()).replace(b"infeas", b"")


@FORMATS
def test_equal_runs_give_equal_bytes(results, tmp_path, parquet):
    for name in ("one", "another"):
        write(results, tmp_path / name, parquet=parquet)
    assert digests(tmp_path / "one") == digests(tmp_path / "another")


def test_summary_and_manifest(results, tmp_path):
    write(results, tmp_path / "run")
    stored = read_results(tmp_path / "run")
    assert stored.manifest == MANIFEST
    assert stored.runs == [summarize(result) for result in results]
    assert stored.policies == ["fifo", "edf(max_batch=4)"]


def test_a_run_without_batches(make_result, tmp_path):
    result = make_result(requests=1)
    empty = type(result.batches)(*(getattr(result.batches, name)[:0] for name in result.batches.__slots__))
    write_results([_replace(result, batches=empty)], tmp_path / "run", manifest={}, summaries=[summarize(result)])
    assert read_results(tmp_path / "run").batches().empty


def _replace(result, batches):
    import dataclasses

    requests = dataclasses.replace(result.requests, batch=np.array([-1]), finish_s=np.array([np.nan]))
    return dataclasses.replace(result, batches=batches, requests=requests)


def test_the_timeline_is_optional(results, tmp_path):
    write(results, tmp_path / "run", timeline=False)
    assert not (tmp_path / "run" / "timeline.json").exists()


def test_an_existing_folder_is_refused(results, tmp_path):
    (tmp_path / "run").mkdir()
    for attempt in (lambda: write(results, tmp_path / "run"), lambda: check_target(tmp_path / "run")):
        with pytest.raises(OutputError, match="run: exists already; choose another folder or pass --overwrite"):
            attempt()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_file_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not a folder"):
        check_target(tmp_path / "run", overwrite=True)
    with pytest.raises(OutputError, match=r"run' is not a folder"):
        check_target(tmp_path / "run" / "sub")


def test_a_folder_that_is_no_result_is_never_overwritten(results, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="is not a stratsim result"):
        check_target(home, overwrite=True)
    with pytest.raises(OutputError, match="is not a stratsim result"):
        write(results, home, overwrite=True)
    assert (home / "thesis.tex").read_text() == "years of work"


def test_overwriting_replaces_our_files_and_keeps_the_users(results, make_result, tmp_path):
    write(results, tmp_path / "run", parquet=False)
    (tmp_path / "run" / "figure.pdf").write_text("a figure")
    check_target(tmp_path / "run", overwrite=True)
    write([make_result(9, policy="new")], tmp_path / "run", overwrite=True, parquet=True, timeline=False)
    assert set(digests(tmp_path / "run")) == {
        "manifest.json", "summary.json", "requests.parquet", "batches.parquet", "figure.pdf",
    }  # fmt: skip
    assert read_results(tmp_path / "run").policies == ["new"]
    assert only(tmp_path / "run")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), RuntimeError("bug")])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupt_leaves_no_half_result(results, tmp_path, monkeypatch, error, existing):
    target = tmp_path / "deep" / "run"
    if existing:
        write(results, target)
        before = digests(target)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(write_module.Timeline, "close", fail)
    expected = OutputError if isinstance(error, OSError) else type(error) if isinstance(error, Exception) else error
    with pytest.raises(expected) as caught:
        write(results, target, overwrite=True)
    if expected is OutputError:
        assert str(caught.value) == f"{target}: cannot be written: No space left on device"
    if existing:
        assert digests(target) == before
        assert only(target)
    else:
        assert list(tmp_path.iterdir()) == []  # the parent that we made is gone too


def test_a_failed_swap_puts_the_old_result_back(results, tmp_path, monkeypatch):
    target = tmp_path / "run"
    write(results, target)
    before = digests(target)
    rename = type(target).rename

    def fail_for_the_new_one(self, to):
        if self.name.endswith(".tmp"):
            raise PermissionError(13, "Permission denied")
        return rename(self, to)

    monkeypatch.setattr(type(target), "rename", fail_for_the_new_one)
    with pytest.raises(OutputError, match="Permission denied"):
        write(results, target, overwrite=True)
    monkeypatch.undo()
    assert digests(target) == before
    assert only(target)


def test_check_target_leaves_nothing_behind(tmp_path):
    check_target(tmp_path / "a" / "b" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_result_stays_a_link(results, tmp_path):
    write(results, tmp_path / "real")
    (tmp_path / "latest").symlink_to("real")
    write(results[:1], tmp_path / "latest", overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    assert read_results(tmp_path / "real").policies == ["fifo"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_an_unwritable_parent_is_found_before_the_run(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            check_target(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_takes_no_folder_is_found_before_the_run():
    with pytest.raises(OutputError, match="is not a folder"):
        check_target("/dev/null/run")
    with pytest.raises(OutputError, match="name too long"):
        check_target("x" * 300)


def test_the_permissions_are_the_users_own(results, tmp_path):
    write(results, tmp_path / "run")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "run").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_one_policy_twice_is_refused(results, tmp_path):
    with pytest.raises(SpecError, match="two runs of the same policy"):
        write([results[0], results[0]], tmp_path / "run")
    with pytest.raises(SpecError, match="2 runs need as many summaries, got 0"):
        write_results(results, tmp_path / "run", manifest={}, summaries=[])


def test_nan_never_reaches_a_json_file(results, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(results, tmp_path / "run", manifest={"x": float("nan")}, summaries=[{}, {}])
    assert list(tmp_path.iterdir()) == []


class TestReading:
    def test_no_folder(self, tmp_path):
        with pytest.raises(SpecError, match="no such folder"):
            read_results(tmp_path / "none")

    def test_no_result_folder(self, tmp_path):
        with pytest.raises(SpecError, match=r"is not a result folder \(it has no manifest.json\)"):
            read_results(tmp_path)

    @pytest.mark.parametrize("text", ["{", "[]", '{"runs": 3}', '{"runs": [{}]}'])
    def test_broken_summary(self, tmp_path, text):
        (tmp_path / "manifest.json").write_text("{}")
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(SpecError, match=r"summary\.json"):
            read_results(tmp_path)

    @FORMATS
    def test_broken_or_missing_table(self, results, tmp_path, parquet):
        write(results, tmp_path / "run", parquet=parquet)
        stored = read_results(tmp_path / "run")
        path = tmp_path / "run" / ("requests.parquet" if parquet else "requests.csv.gz")
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(SpecError, match="cannot be read"):
            stored.requests()
        path.unlink()
        with pytest.raises(SpecError, match=r"has neither requests.parquet nor requests.csv.gz"):
            stored.requests()

    @FORMATS
    def test_unknown_column(self, results, tmp_path, parquet):
        write(results, tmp_path / "run", parquet=parquet)
        with pytest.raises(SpecError, match="nonsense"):
            read_results(tmp_path / "run").requests(["arrival_s", "nonsense"])

    def test_parquet_without_pyarrow(self, results, tmp_path, monkeypatch):
        write(results, tmp_path / "run", parquet=True)
        monkeypatch.setattr("stratsim.results.read_table.find_spec", lambda _: None)
        with pytest.raises(MissingExtraError, match=r"stratsim\[parquet\]"):
            read_results(tmp_path / "run").requests()

    def test_without_pyarrow_csv_is_written(self, results, tmp_path, monkeypatch):
        monkeypatch.setattr(formats_module, "find_spec", lambda _: None)
        write(results, tmp_path / "run")
        assert (tmp_path / "run" / "requests.csv.gz").is_file()


def test_every_pandas_reads_floats_exactly():
    assert _exact_floats("2.2.3") == _exact_floats("3.0.0rc1") == {"float_precision": "round_trip"}
    assert _exact_floats("3.1.1") == _exact_floats("4.0.dev1") == {}


def test_manifest_is_readable_text(results, tmp_path):
    write(results, tmp_path / "run")
    text = (tmp_path / "run" / "manifest.json").read_text(encoding="utf-8")
    assert '"note": "Ü"' in text
    assert json.loads(text) == MANIFEST


KILLED = """
import os, pathlib, pickle, signal, sys
from stratsim.results import write, write_results

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
write.Timeline.close = lambda *_, **__: os.kill(os.getpid(), getattr(signal, sys.argv[3]))
results = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
write_results(results, sys.argv[2], manifest={}, summaries=[{"policy": r.policy} for r in results], overwrite=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "left"), [("SIGINT", 0), ("SIGKILL", 1)])
def test_a_killed_process_leaves_the_old_result_whole(results, tmp_path, name, left):
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "run"
    write(results, target)
    before = digests(target)
    (tmp_path / "results.pickle").write_bytes(pickle.dumps(results))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "results.pickle"), str(target), name]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
    assert digests(target) == before
    others = [path.name for path in target.parent.iterdir() if path != target]
    assert len(others) == left  # a kill cannot be cleaned up after, and what stays has another name
    assert all(name == "run.tmp" for name in others)
    write(results[:1], target, overwrite=True)
    assert read_results(target).policies == ["fifo"]
