"""Further inputs of every kind of fault that small cases stand for (tests/cases/traces), each worked out by hand."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratsim.cli import main
from stratsim.errors import LimitError, SpecError, TraceError
from stratsim.model.request import Priority
from stratsim.trace import read_trace
from stratsim.trace.containers import unpacked
from stratsim.trace.rule import complete
from stratsim.trace.spec import load_rule
from stratsim.trace.summary import dispersion, summarise
from stratsim.trace.ticks import resolution
from stratsim.trace.write import write_trace

PLAIN = b"arrival_s,model\n0.0,resnet50\n0.5,bert\n"


def packed(data):
    return gzip.compress(data, mtime=0)


def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
    return file.getvalue()


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


# Containers.


@pytest.mark.parametrize(
    "data",
    [
        packed(packed(PLAIN)),
        packed(PLAIN[:20]) + packed(PLAIN[20:]),
        bz2.compress(PLAIN),
        lzma.compress(PLAIN),
        zstd(PLAIN),
        zipped(("a/", b""), ("a/requests.csv", PLAIN), ("__MACOSX/a/._requests.csv", b"x")),
        zipped(("requests.csv.gz", packed(PLAIN))),
        codecs.BOM_UTF16_LE + PLAIN.decode().encode("utf-16-le"),
        codecs.BOM_UTF16_BE + PLAIN.decode().encode("utf-16-be"),
        PLAIN.decode().encode("utf-16-le"),
        packed(codecs.BOM_UTF16_LE + PLAIN.decode().encode("utf-16-le")),
        b"\xef\xbb\xbf\r\n# exported\n\nsep=,\n" + PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        b'[{"arrival_s": 0.0, "model": "resnet50"},\n {"arrival_s": 0.5, "model": "bert"}]',
        b'\n{"arrival_s": 0.0, "model": "resnet50"}\r\n\r\n{"arrival_s": 0.5, "model": "bert"}',
        b'{"arrival_s": [0.0, 0.5], "model": ["resnet50", "bert"], "rate": 2.0}',
        b'{\n "arrival_s": [0.0, 0.5],\n "model": ["resnet50", "bert"]\n}',
    ],
)
def test_containers_are_read(write, data):
    trace = read_trace(write(data, "trace.bin"))
    assert trace.arrival_s.tolist() == [0, 0.5]
    assert trace.model.decode() == ["resnet50", "bert"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(("a.csv", PLAIN), ("b.csv", PLAIN)), r"is a zip archive of 2 files \(a.csv, b.csv\): unpack it"),
        (
            zipped(("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"y")),
            "is an Excel workbook: save the sheet as CSV",
        ),
        (zipped(), "is a zip archive of 0 files"),
        (bz2.compress(PLAIN)[:-8], "is a damaged or truncated bzip2 file"),
        (lzma.compress(PLAIN)[:-8], "is a damaged or truncated xz file"),
        (zstd(PLAIN)[:-3], "is a damaged or truncated zstd file"),
        (zipped(("a.csv", PLAIN))[:-30], "is a damaged or truncated zip file"),
        (b"\x80\x04\x95\x00", "is a Python pickle"),
        (b"ARROW1\x00\x00", "is an Arrow .Feather. file: write it as Parquet"),
        (b"a" * 257 + b"ustar\x00", "is a tar archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (codecs.BOM_UTF32_LE + PLAIN.decode().encode("utf-32-le"), "is text in UTF-32"),
        (b"sep=;\narrival_s;model\n0;a\n", "row 1: fields are separated by semicolons"),
        (b"# nothing else\n", "has no header line, and no requests"),
        (b"0.5\n1.5\n", "has no header line, but numbers: add a line 'arrival_s'"),
        (b"0.5,a\n1.5,b\n", "has no header line, but numbers: add a header, or name columns by position"),
        (b"arrival_s,model\n0,a\n# later\n", "row 3: is a comment; comments may stand before the header only"),
        (b"[[0.5], [1.5]]", "is a JSON array, and not one of objects"),
        (b'{"arrival_s": 0}\n{"arrival_s": 1e400}', "row 2, column 'arrival_s': is out of range"),
        (b"TIMESTAMP,ContextTokens\n9999-05-12 00:00:00,1\n", "row 2, column 'TIMESTAMP': is not a time stamp"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(write, data, message):
    with pytest.raises(TraceError, match=message):
        read_trace(write(data))


def test_unpacking_stops_at_its_budget():
    bomb = packed(b"0" * 10_000_000)
    with pytest.raises(LimitError, match="unpacks to more than 1000000; STRATSIM_MEMORY="):
        unpacked("bomb", bomb, budget=1_000_000)
    layers = PLAIN
    for _ in range(5):
        layers = packed(layers)
    with pytest.raises(TraceError, match="is packed more than 4 times"):
        unpacked("onion", layers)


def test_standard_input_and_output(monkeypatch, capsysbinary):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed(PLAIN))))
    assert main(["trace", "convert", "-", "-"]) == 0
    out, err = capsysbinary.readouterr()
    assert out == PLAIN
    assert err.startswith(b"-: 2 requests")


# Lines, and rows of the wrong length.


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ("arrival_s,model,note\n0,a,x\n1,b\n", 3, "has 2 fields, the header has 3"),
        ('arrival_s,note\n0,"a\n\nb"\n\n1\n', 6, "has 1 field, the header has 2"),
        ('arrival_s,note\n0,"a\nb",c\n', 2, "has 3 fields, the header has 2"),
        ('arrival_s,note\n0,5 inch\n1,5" disk, blue\n', 3, "has 3 fields, the header has 2"),
        ('arrival_s,"a\nnote"\n0,"x\ny"\nz,\n', 5, "is not a number"),
        ('arrival_s,note\r\n0,"a\r\nb"\r\nz,\r\n', 4, "is not a number"),
        ('arrival_s,note\n0,"say ""x"",\nand"\nz,\n', 4, "is not a number"),
        ('# a comment, "quoted\n\narrival_s\n0\nz\n', 5, "is not a number"),
    ],
)
def test_the_line_in_a_message_is_the_line_of_an_editor(write, text, row, message):
    with pytest.raises(TraceError, match=message) as caught:
        read_trace(write(text))
    assert caught.value.row == row


def test_a_quote_inside_an_unquoted_cell_is_a_character(write):
    trace = read_trace(write('arrival_s,note\n0,5" disk\n1,"a\nb"\n\n2,6" disk\n'))
    assert trace.extra["note"].decode() == ['5" disk', "a\nb", '6" disk']
    assert [trace.row_of(index) for index in range(3)] == [2, 3, 6]


def test_rows_are_found_over_many_blocks(write, monkeypatch):
    monkeypatch.setattr("stratsim.trace.tables.lines._BLOCK", 64)
    lines = ["arrival_s,model", *(f"{n},m" for n in range(100))]
    lines.insert(50, "")
    assert [read_trace(write("\n".join(lines))).row_of(n) for n in (0, 48, 49, 99)] == [2, 50, 52, 102]
    lines[90] = "5"
    with pytest.raises(TraceError, match="row 91: has 1 field"):
        read_trace(write("\n".join(lines)))


# Units and dates.


@pytest.mark.parametrize(
    ("per_s", "unit", "factor"), [(10**3, "milli", "1000"), (10**6, "micro", r"1e\+06"), (10**9, "nano", r"1e\+09")]
)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_times_past_the_year_5000_are_refused_with_their_factor(write, tmp_path, per_s, unit, factor, kind):
    stamps = [1_715_472_000 * per_s, 1_715_472_001 * per_s]
    if kind == "parquet":
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table({"arrival_s": stamps}), path)
    else:
        text = "arrival_s\n{}\n{}\n" if kind == "csv" else '{{"arrival_s": {}}}\n{{"arrival_s": {}}}\n'
        path = write(text.format(*stamps))
    message = rf"column 'arrival_s': cannot be seconds .* {unit}seconds since 1970: divide by {factor}"
    with pytest.raises(TraceError, match=message):
        read_trace(path)


def test_nanoseconds_are_subtracted_before_they_become_floats(write):
    rows = [
        "1760000000000000001,1760000000000000501",
        "1760000000000250001,",
        "1760000000000250002,1760000000000250003",
    ]
    text = "\n".join(["t,due", *rows])
    trace = read_trace(write(text), columns=["arrival=t:ns", "deadline=due:ns"])
    assert trace.arrival_s.tolist() == [0, 250_000 / 1e9, 250_001 / 1e9]
    assert trace.deadline_s.tolist() == [500 / 1e9, np.inf, 250_002 / 1e9]


def test_deadlines_may_be_in_another_unit_than_arrivals(write):
    text = "t,due\n2024-05-12T00:00:00Z,1715472000050\n2024-05-12T00:00:01Z,1715472001080\n"
    trace = read_trace(write(text), columns={"arrival": "t:iso", "deadline": "due:ms"})
    assert trace.deadline_s.tolist() == [0.05, 1.08]


@pytest.mark.parametrize(
    ("column", "cells", "seconds"),
    [
        ("t_ms", "5 40", [0.005, 0.04]),
        ("when", "1715472000123 1715472000223", [0, 0.1]),
        ("when", "2024-05-12T00:00:00.1+02:00 2024-05-11T22:00:00.35Z", [0, 0.25]),
        ("durationNs", "5000 7000", [5e-6, 7e-6]),
    ],
)
def test_a_unit_is_known_from_values_or_name(write, column, cells, seconds):
    trace = read_trace(write("\n".join([column, *cells.split()])), columns=[f"arrival={column}"])
    assert trace.arrival_s.tolist() == pytest.approx(seconds, abs=1e-9)
    assert trace.notes[0].startswith(f"arrival: column {column}, ")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["arrival=when"], "does not say the unit: one of arrival=when:s, arrival=when:ms"),
        (["arrival=when:min"], "no such column; .*'min' is no unit: s, ms, us, ns or iso"),
        (["arrival=wen:s"], "--column arrival=wen: the file has no such column; did you mean 'when'"),
        (["arrival=when:iso"], "is not a time stamp"),
        (["arrival=when:s", "slo=text:ms"], "is not a number"),
    ],
)
def test_a_column_that_cannot_be_taken_is_named(write, columns, message):
    with pytest.raises(TraceError, match=message):
        read_trace(write("when,text\n5,x\n6,y\n"), columns=columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["arival=t:s"], "unknown field 'arival'; known: arrival, model"),
        (["arrival"], "takes FIELD=COLUMN"),
        (["model=a", "model=b"], "names the field 'model' twice"),
        (["slo=a:ms", "deadline=b:ms"], "exclude each other"),
        (["slo=a:iso"], "a deadline after the arrival is no date"),
    ],
)
def test_a_wrong_option_is_named(write, columns, message):
    with pytest.raises(SpecError, match=message):
        read_trace(write("t\n0\n"), columns=columns)


def test_named_columns_win_over_our_own_and_over_a_format(write):
    path = write("arrival_s,model,net,t_ms\n0,a,b,500\n1,a,c,750\n")
    trace = read_trace(path, columns=["arrival=t_ms:ms", "model=net"])
    assert trace.arrival_s.tolist() == [0.5, 0.75]
    assert trace.model.decode() == ["b", "c"]
    assert "column model is left out: other columns say it" in trace.notes
    azure = write("TIMESTAMP,ContextTokens,net\n2024-05-12 00:00:01,5,b\n2024-05-12 00:00:02,5,c\n")
    assert read_trace(azure, columns=["model=net"]).model.decode() == ["b", "c"]


def test_dates_of_parquet_and_of_a_table_in_memory(tmp_path):
    stamps = pd.to_datetime(["2024-05-12 00:00:00.000000001", "2024-05-12 00:00:00.250000001"])
    frame = pd.DataFrame({"at": stamps, "net": ["a", "b"]})
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (tmp_path / "t.parquet", frame):
        assert read_trace(source, columns={"arrival": "at:iso", "model": "net"}).arrival_s.tolist() == [0, 0.25]
    with pytest.raises(TraceError, match=r"holds timestamp\[ns\]; name it with --column FIELD=arrival_s:iso"):
        read_trace(frame.rename(columns={"at": "arrival_s"}))


# Recognition.

AZURE = {"timestamp": ["2024-05-12 00:00:00.1", "2024-05-12 00:00:00.35"], "generatedtokens": [1, 2]}


@pytest.mark.parametrize("container", ["csv", "jsonl", "json", "parquet", "table"])
@pytest.mark.parametrize(
    ("columns", "arrivals"),
    [
        (AZURE, [0, 0.25]),
        ({"INPUT_LENGTH": [1, 2], "Timestamp": [27, 277]}, [0.027, 0.277]),
        ({"turn": [1, 2], "chat_id": [1, 2], "timestamp": [0.5, 61.5], "input_length": [5, 6]}, [0.5, 61.5]),
        ({"END_TIMESTAMP": [1.5, 2.5], "duration": [0.5, 0.25], "app": ["a", "a"], "func": ["f", "g"]}, [1, 2.25]),
    ],
)
def test_a_format_is_known_in_any_container_case_and_order(tmp_path, container, columns, arrivals):
    frame, path = pd.DataFrame(columns)[list(columns)[::-1]], tmp_path / "t"
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container in ("jsonl", "json"):
        frame.to_json(path, orient="records", lines=container == "jsonl")
    elif container == "parquet":
        frame.to_parquet(path)
    trace = read_trace(frame if container == "table" else path)
    assert trace.arrival_s.tolist() == pytest.approx(arrivals, abs=1e-12)
    assert trace.format not in ("csv", "jsonl", "json", "parquet", "table")


@pytest.mark.parametrize("extra", ["tasks", "format", "version", "experiments", "requests", "metadata"])
def test_a_key_of_another_format_makes_no_file_that_format(write, extra):
    trace = read_trace(write(f'{{"{extra}": [{{"a": 1}}], "arrival_s": 0.0}}\n{{"{extra}": [], "arrival_s": 0.5}}\n'))
    assert (trace.format, trace.arrival_s.tolist()) == ("jsonl", [0, 0.5])


def test_own_columns_count_in_every_format(write):
    own = {"model": "bert", "priority": "high", "slo_s": 0.05, "client": "c"}
    text = "\n".join(json.dumps({"chat_id": 1, "timestamp": t, "input_length": 5} | own) for t in (0.0, 1.25))
    counts = "HashFunction,model,priority,1,2\nf,bert,low,1,2\ng,vgg19,high,0,1\n"
    trace = read_trace(write(text))
    assert (trace.format, trace.slo_s.tolist(), trace.client.decode()) == ("qwen-bailian", [0.05, 0.05], ["c", "c"])
    functions = read_trace(write(counts))
    found = sorted(zip(functions.model.decode(), functions.priority.tolist(), strict=True))
    assert found == [("bert", Priority.LOW)] * 3 + [("vgg19", Priority.HIGH)]


# Ticks.


def stamps(step_s, ticks, each, jitter_s=0.0):
    rng = np.random.default_rng(7)
    return np.repeat(np.arange(ticks) * step_s + rng.uniform(0, jitter_s, ticks), each)


@pytest.mark.parametrize("step_s", [0.001, 0.5, 1.0, 3.05, 57.0])
def test_a_common_step_is_found(step_s):
    found = resolution(stamps(step_s, 12, 3))
    assert (found.coarse, found.simultaneous, found.largest) == (True, 24, 3)
    assert found.tick_s == pytest.approx(step_s)


def test_a_step_that_drifts_is_found_and_batches_at_any_time_are_none():
    assert resolution(stamps(3.05, 12, 3, jitter_s=0.01)).tick_s == pytest.approx(3.05, abs=0.002)
    batches = np.repeat(np.cumsum(np.random.default_rng(1).exponential(1.0, 12)), 3)
    assert not resolution(batches).coarse
    assert not resolution(np.arange(30.0)).coarse  # a beat, and nobody coincides


def test_ticks_of_our_own_columns_are_said_spread_or_left(write):
    path = write("arrival_s,deadline_s\n" + "".join(f"{n // 4},{n // 4 + 0.5}\n" for n in range(20)))
    said = "time stamps are quantised to 1 s: 15 of 20 requests arrive at the same instant as another; left as they are"
    assert read_trace(path).notes == (f"{said}; --ticks spread spreads them",)
    assert read_trace(path, ticks="leave").notes == (said,)
    spread = read_trace(path, ticks="spread", seed=3)
    assert np.floor(spread.arrival_s).tolist() == [n // 4 for n in range(20)]
    assert len(set(spread.arrival_s.tolist())) == 20
    assert (spread.deadline_s - spread.arrival_s).tolist() == pytest.approx([0.5] * 20)
    assert spread.arrival_s.tolist() == read_trace(path, ticks="spread", seed=3).arrival_s.tolist()
    with pytest.raises(SpecError, match="ticks must be spread or leave, got 'keep'"):
        read_trace(path, ticks="keep")


def test_mooncake_in_whole_seconds_is_spread_by_what_its_stamps_say(write):
    lines = [json.dumps({"timestamp": 1000 * (n // 5), "input_length": 1}) for n in range(20)]
    trace = read_trace(write("\n".join(lines)))
    assert np.floor(trace.arrival_s).tolist() == [n // 5 for n in range(20)]
    assert len(set(trace.arrival_s.tolist())) == 20
    assert len(set(read_trace(write("\n".join(lines)), ticks="leave").arrival_s.tolist())) == 4


def test_inspect_shows_simultaneous_arrivals_and_the_resolution(write, capsys):
    assert main(["trace", "inspect", str(write("arrival_s\n0\n0\n0\n0.5\n1\n1\n"))]) == 0
    out = capsys.readouterr().out
    assert "simultaneous arrivals  3, at most 3 at one instant" in out
    assert "resolution             0.5 s" in out


# Memory by content.


def test_figures_of_requests_far_apart_need_no_window_between_them():
    far = np.asarray([0.0, 1.0, 4e10])
    assert resolution(far).simultaneous == 0
    assert dispersion(far, 1.0) == pytest.approx(1.0)
    dense = np.sort(np.random.default_rng(2).uniform(0, 5000, 40))
    counts = np.bincount((dense - dense[0]).astype(int))[: int(dense[-1] - dense[0])]
    assert dispersion(dense, 1.0) == pytest.approx(counts.var() / counts.mean())


# Extra columns.


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


# Names and rules.


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


# From Python.


class Stream:
    """Anything that offers an Arrow stream, such as a polars table."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def test_tables_in_memory_are_read_and_given_back():
    big = pa.array([2**63, 7], type=pa.uint64())
    table = pa.table({"arrival_s": [0.5, 1.5], "model": ["a", "b"], "ids": [[1], [2, 3]], "big": big})
    for given in (table, Stream(table), table.to_pandas()):
        trace = read_trace(given)
        assert (trace.format, trace.source, trace.arrival_s.tolist()) == ("table", "table", [0.5, 1.5])
        back = pa.table(trace)
        assert back.column_names == ["arrival_s", "model", "ids", "big"]
        assert back.column("ids").to_pylist() == [[1], [2, 3]]
        assert back.column("big").to_pylist() == [2**63, 7]
        frame = trace.to_pandas()
        assert frame["model"].tolist() == ["a", "b"]
        assert frame["big"].tolist() == [2**63, 7]


def test_a_table_in_memory_without_arrivals_names_its_columns():
    with pytest.raises(
        TraceError, match="column 'timestamp' looks like it, milliseconds: --column arrival=timestamp:ms"
    ):
        read_trace(pd.DataFrame({"timestamp": [1715472000123], "x": [1]}))
