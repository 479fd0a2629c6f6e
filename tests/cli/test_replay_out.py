"""`stratsim replay --out DIR`: what the folder holds, that it is all or nothing, and that it replays to itself."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

FOUR = ["fifo", "priority-fifo", "edf", "priority-edf"]
STAGES = ["dispatch_s", "copy_in_start_s", "copy_in_end_s", "execution_start_s", "execution_end_s", "copy_out_start_s",
          "copy_out_end_s"]  # fmt: skip


@pytest.fixture(params=["parquet", "csv.gz"])
def suffix(request, monkeypatch):
    """Tables as Parquet, and as CSV where pyarrow is not installed."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    else:
        monkeypatch.setattr("stratsim.results.write.has_parquet", lambda: False)
    return request.param


def read(folder, table, suffix):
    if suffix == "csv.gz":
        return pd.read_csv(folder / f"{table}.{suffix}")
    frame = pd.read_parquet(folder / f"{table}.{suffix}")
    return frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))


def summary(folder):
    runs = json.loads((folder / "summary.json").read_text())["runs"]
    for run in runs:
        run.pop("wall_s")
    return runs


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_the_folder_is_complete_and_agrees_with_the_json(call, here, suffix):
    ran = call("replay", "--limit", 300, "--load", 1.3, "--gpus", 2, "--out", "deep/results", "--json")
    assert ran.status == 0
    folder = here / "deep" / "results"
    expected = ["manifest.json", "summary.json", "timeline.json", f"batches.{suffix}", f"requests.{suffix}"]
    assert names(folder) == sorted(expected)
    assert names(here / "deep") == ["results"]
    document = ran.document
    assert json.loads((folder / "summary.json").read_text())["runs"] == document["runs"]
    assert json.loads((folder / "manifest.json").read_text()) == document["manifest"]
    requests, batches = read(folder, "requests", suffix), read(folder, "batches", suffix)
    assert list(dict.fromkeys(requests["policy"])) == FOUR
    for run in document["runs"]:
        check_rows(run, requests[requests["policy"] == run["policy"]], batches[batches["policy"] == run["policy"]])


def check_rows(run, requests, batches):
    """Every figure of a summary follows from the rows."""
    for label, figures in run["classes"].items():
        rows = requests[requests["priority"] == label]
        assert len(rows) == figures["arrived"]
        for status in ("met", "late", "dropped", "unfinished"):
            assert (rows["status"] == status).sum() == figures[status]
        latency = rows["latency_s"].dropna()
        assert len(latency) == figures["met"] + figures["late"]
        assert latency.mean() == pytest.approx(figures["latency_s"]["mean"])
        assert np.quantile(latency, 0.5) == pytest.approx(figures["latency_s"]["p50"])
        assert rows["reason"].value_counts().to_dict() == figures["drop_reasons"]
        never = rows[rows["status"] == "dropped"]
        assert never[[*STAGES, "latency_s"]].isna().all().all()
        assert never["dropped_s"].notna().all()
    for gpu, entry in enumerate(run["gpu"]):
        rows = batches[batches["gpu"] == gpu]
        assert len(rows) == entry["batches"]
        assert rows["batch_size"].mean() == pytest.approx(entry["mean_batch_size"])
        moved = requests[requests["batch_id"].isin(rows["batch_id"])]
        assert moved["bytes_in"].sum() == run["pcie"][gpu]["h2d_bytes"]
    assert (np.diff(batches[STAGES], axis=1) >= 0).all()
    served = requests.dropna(subset=["latency_s"])
    assert ((served["arrival_s"] + served["latency_s"]) - served["copy_out_end_s"]).abs().max() < 1e-9


def test_the_manifest_holds_the_spec_and_the_checksums(call, here):
    assert call("replay", "--limit", 20, "--seed", 3, "--out", "results", "--quiet").status == 0
    manifest = json.loads((here / "results" / "manifest.json").read_text())
    assert manifest["spec"]["limit"] == 20
    assert manifest["seed"] == manifest["spec"]["seed"] == 3
    assert all(len(manifest[part]["sha256"]) == 64 for part in ("trace", "profile"))


def test_the_table_says_where_it_was_written(call):
    last = call("replay", "--limit", 10, "--out", "results").out.splitlines()[-1]
    assert last == "written to results"


@pytest.mark.slow
def test_the_timeline_is_optional_and_is_chrome_trace_json(call, here):
    call("replay", "--limit", 30, "--policy", "fifo", "--out", "with", "--quiet")
    call("replay", "--limit", 30, "--policy", "fifo", "--out", "without", "--quiet", "--no-timeline")
    assert {event["ph"] for event in json.loads((here / "with" / "timeline.json").read_text())["traceEvents"]} >= {"X"}
    assert set(names(here / "with")) - set(names(here / "without")) == {"timeline.json"}


def test_a_window_of_the_timeline_is_chosen_and_repeated(call, here):
    argv = ("replay", "--limit", 60, "--policy", "fifo", "--quiet", "--out")
    assert call(*argv, "part", "--timeline-from", 0.1, "--timeline-to", 0.4).status == 0
    content = json.loads((here / "part" / "timeline.json").read_text())
    assert content["otherData"]["window_s"] == [0.1, 0.4]
    (stretch,) = (event for event in content["traceEvents"] if event.get("cat") == "stretch")
    assert (stretch["ts"], stretch["dur"]) == (100_000, 300_000)
    repeated = call("replay", "--again", "part")
    assert (repeated.status, repeated.out) == (0, "the same bytes\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--timeline-from", 2, "--timeline-to", 1, "--out", "o"), "must start (--timeline-from) before it ends"),
        (("--timeline-from", "nan", "--out", "o"), "must be finite"),
        (("--timeline-from", 2), "choose what --out writes into timeline.json"),
        (("--timeline-to", 2, "--no-timeline", "--out", "o"), "choose what --out writes into timeline.json"),
        (("--timeline-to", 2, "--again", "o"), "no setting and no trace goes with it"),
    ],
)
def test_a_window_that_means_nothing_is_refused(call, here, words, said):
    ran = call("replay", "--limit", 10, *words)
    assert ran.status == 2
    assert said in ran.err
    assert names(here) == []


@pytest.mark.slow
def test_two_runs_write_identical_bytes_except_wall_time(call, here, suffix):
    argv = ("replay", "--limit", 200, "--load", 1.2, "--quiet", "--out")
    assert call(*argv, "a").status == call(*argv, "b").status == 0
    first, second = here / "a", here / "b"
    assert names(first) == names(second)
    for name in names(first):
        if name == "summary.json":
            assert summary(first) == summary(second)
        else:
            assert (first / name).read_bytes() == (second / name).read_bytes(), name


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def raises(policy_file):
    """A policy that fails as soon as it runs: a refusal that names something else came before."""
    return policy_file(prepare="raise RuntimeError('it ran')")


def test_an_existing_folder_is_refused_before_anything_runs(refused, here, raises):
    (here / "results").mkdir()
    (here / "results" / "mine.txt").write_text("keep me")
    line = refused("replay", "--limit", 5, "--policy", raises, "--out", "results")
    assert line == "results: exists already; choose another folder or pass --overwrite"
    assert (here / "results" / "mine.txt").read_text() == "keep me"


def test_a_folder_that_is_no_result_is_never_overwritten(refused, here, raises):
    (here / "photos").mkdir()
    (here / "photos" / "one.jpg").write_text("x")
    line = refused("replay", "--policy", raises, "--out", "photos", "--overwrite")
    assert line == "photos: is not a stratsim result (it has no manifest.json), so it is not overwritten"


def test_a_file_is_refused(refused, write, raises):
    assert refused("replay", "--policy", raises, "--out", write("f", "x")) == "f: exists and is not a folder"


def test_a_folder_under_a_file_is_refused_before_anything_runs(refused, write, raises, here):
    write("f", "x")
    assert (
        refused("replay", "--policy", raises, "--out", "f/results") == f"{here / 'f'}: '{here / 'f'}' is not a folder"
    )


def test_a_folder_without_permission_is_refused_before_anything_runs(refused, here, raises):
    locked = here / "locked"
    locked.mkdir(mode=0o500)
    try:
        (locked / "probe").mkdir()
    except PermissionError:
        line = refused("replay", "--policy", raises, "--out", "locked/results")
        assert line == "locked/results: cannot be written: Permission denied"
    else:
        pytest.skip("this user may write everywhere")


def test_overwrite_replaces_the_result_and_keeps_what_the_user_put_there(call, here):
    assert call("replay", "--limit", 10, "--out", "results", "--quiet").status == 0
    (here / "results" / "notes.txt").write_text("mine")
    assert call("replay", "--limit", 20, "--out", "results", "--quiet", "--overwrite", "--no-timeline").status == 0
    assert json.loads((here / "results" / "manifest.json").read_text())["trace"]["requests"] == 20
    assert (here / "results" / "notes.txt").read_text() == "mine"
    assert "timeline.json" not in names(here / "results")
    assert names(here) == ["results"]


def test_a_failed_run_keeps_the_older_result(call, refused, here, policy_file):
    assert call("replay", "--limit", 10, "--out", "results", "--quiet").status == 0
    before = {path.name: path.read_bytes() for path in (here / "results").iterdir()}
    policy = policy_file(decide="raise RuntimeError('broken')")
    refused("replay", "--limit", 10, "--policy", policy, "--out", "results", "--overwrite")
    assert {path.name: path.read_bytes() for path in (here / "results").iterdir()} == before


def test_a_failure_while_writing_leaves_nothing(call, here, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stratsim.results.write.Timeline.close", full)
    ran = call("replay", "--limit", 10, "--out", "deep/results", "--quiet")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "stratsim: deep/results: cannot be written: No space left on device\n"
    assert names(here) == []


# A run equals the replay of its own requests --------------------------------------------------------------------------


def same_rows(one, other):
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True)


def same_runs(one, other, suffix):
    """Compare both tables, column by column and as bytes."""
    for table in ("requests", "batches"):
        same_rows(read(one, table, suffix), read(other, table, suffix))
        assert (one / f"{table}.{suffix}").read_bytes() == (other / f"{table}.{suffix}").read_bytes()


@pytest.mark.slow_cases("csv.gz-edf", "csv.gz-fifo", "parquet-fifo", "parquet-priority-edf", "parquet-priority-fifo")
@pytest.mark.parametrize("policy", FOUR)
def test_a_run_equals_the_replay_of_its_own_requests(call, here, suffix, policy):
    argv = ("--policy", policy, "--quiet", "--no-timeline", "--out")
    assert call("replay", "--limit", 250, "--load", 1.1, *argv, "first").status == 0
    assert call("replay", f"first/requests.{suffix}", *argv, "again").status == 0
    same_runs(here / "first", here / "again", suffix)
    assert summary(here / "first") == summary(here / "again")


@pytest.mark.slow
def test_the_first_policy_of_several_is_replayed(call, here, suffix):
    assert call("replay", "--limit", 100, "--out", "first", "--quiet").status == 0
    ran = call("replay", f"first/requests.{suffix}", "--policy", "edf", "--out", "again")
    assert "note: holds 4 policies; took the requests of the first, 'fifo'" in ran.err
    first, again = read(here / "first", "requests", suffix), read(here / "again", "requests", suffix)
    same_rows(first[first["policy"] == "edf"], again)


@pytest.mark.slow_cases("csv.gz-fifo", "csv.gz-priority-edf", "parquet-edf", "parquet-priority-fifo")
@pytest.mark.parametrize("policy", FOUR)
def test_a_closed_loop_run_equals_its_open_loop_replay(call, here, suffix, write, closed_loop, policy):
    """Once recorded, the arrivals are given: every request must end as it did."""
    write("loop.json", closed_loop(time=1.0))
    argv = ("--profile", "rtx3080-disb", "--policy", policy, "--quiet", "--no-timeline", "--out")
    assert call("replay", "loop.json", *argv, "first").status == 0
    assert call("replay", f"first/requests.{suffix}", *argv, "again").status == 0
    same_runs(here / "first", here / "again", suffix)


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_a_link_to_a_folder_is_followed(call, here):
    (here / "real").mkdir()
    (here / "link").symlink_to(here / "real", target_is_directory=True)
    assert call("replay", "--limit", 5, "--out", "link/results", "--quiet").status == 0
    assert "summary.json" in names(here / "real" / "results")


class TestWindows:
    @pytest.mark.slow
    def test_a_table_says_where_in_the_trace_policies_fail(self, call, here):
        argv = ["replay", "--limit", 300, "--policy", "fifo,edf", "--out", "r"]
        ran = call(*argv, "--windows", 2)
        assert ran.status == 0
        assert ran.out.endswith("written to r; windows.csv has 2 s in a row\n")
        table = pd.read_csv(here / "r" / "windows.csv")
        assert set(table["policy"]) == {"fifo", "edf"}
        assert table.groupby("policy")[["high_arrived", "low_arrived"]].sum().sum(axis=1).tolist() == [300, 300]
        assert call(*argv, "--windows", 4, "--overwrite").status == 0
        assert len(pd.read_csv(here / "r" / "windows.csv")) < len(table)
        assert call(*argv, "--overwrite").status == 0
        assert not (here / "r" / "windows.csv").exists(), "an older table must not stay beside newer results"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--windows", 5], "--windows writes a table, windows.csv, into a result folder: say which with --out DIR"),
            (["--windows", 0, "--out", "r"], "--windows must be > 0 s and finite, got 0"),
            (["--windows", 1e-9, "--out", "r"], "at most 100000 can be shown"),
        ],
    )
    def test_what_cannot_be_is_said_before_the_run(self, call, here, options, message):
        ran = call("replay", "--limit", 300, "--policy", "fifo", *options)
        assert ran.status == 2
        assert message in ran.err
        assert not (here / "r").exists()

    @pytest.mark.slow
    def test_they_are_repeated_too(self, call, here):
        assert call("replay", "--limit", 60, "--policy", "fifo", "--quiet", "--out", "r", "--windows", 0.3).status == 0
        repeated = call("replay", "--again", "r", "--out", "s", "--json")
        assert repeated.document["files"]["windows.csv"] == "same"
        table = here / "r" / "windows.csv"
        assert table.read_bytes() == (here / "s" / "windows.csv").read_bytes()
        table.write_text(table.read_text().replace("fifo", "edf"))
        repeated = call("replay", "--again", "r")
        assert (repeated.status, repeated.out) == (1, "windows.csv: has other bytes\nnot the same\n")

    def test_again_takes_no_setting_of_them(self, call, here):
        ran = call("replay", "--again", "r", "--windows", 5, "--out", "s")
        assert ran.status == 2
        assert "--again repeats a folder as it was run" in ran.err
