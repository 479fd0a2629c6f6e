"""The samples file: round trips, interruption and resumption, and what is refused."""

import dataclasses
import gzip
import json

import pytest

from stratsim.errors import OutputError, ProfileError, SchemaVersionError
from stratsim_profiler.samples import (
    RECORD_TYPES,
    SAMPLES_SCHEMA,
    Colocation,
    Conditions,
    Discarded,
    Done,
    Header,
    Kernels,
    Model,
    Note,
    Offset,
    OffsetStream,
    Phase,
    Solo,
    Stream,
    Telemetry,
    Transfer,
    is_stressor,
)
from stratsim_profiler.store import SampleFile, decode_line, encode_line, read_samples

HEADER = Header(SAMPLES_SCHEMA, "0.1.0", "2026-01-01T00:00:00+00:00", {"kind": "cpu"}, {}, {"models": ["a"]}, {})
HOT = Conditions(12, 1980.0, 1800.0, 300.5, 61.0, True, ("sw_power_cap",))
STREAM = Stream("a", 1, (0.02, 0.021), (0.01,), (0.011,), 2, 0.99)
RECORDS = (
    Model("model:a", "a", "zoo", 10, 40, 600, 4, 1e9),
    Transfer("t", "h2d", True, 4096, 2, False, None, (1e-5,), ((1e-5, 2e-5),), 1, (0.1,), (0.05,), HOT),
    Solo("solo:a:1", "a", 1, "fp32", "graph", (0.01, 0.011), (0.001, 0.001), False, "noise", HOT),
    Kernels("kernels:a:1", "a", 1, 3, 1e-4, 2e-4, 3e-4, (Phase("convolution", 2e-4, 2),)),
    Colocation("pair:a+b", "pair", False, "a+b", (STREAM, STREAM), 1.0, 0.2, "fp32", "eager", HOT),
    Offset(
        "offset:1", "a", (OffsetStream("a", 1, 0.0, 0.1, 0.05), OffsetStream("a", 1, 0.05, 0.2, 0.05)), "fp32", "eager"
    ),
    Telemetry(1.0, 0.5, HOT, 3201.0, 1 << 30, 5, 16, (4711,)),
    Discarded("pair:a+b", "thermal", "hw_thermal_slowdown", 2),
    Note("run", "resumed"),
    Done("solo:a:1", 1.5),
)


def written(path, *cells):
    with SampleFile.create(path, HEADER) as file:
        for cell in cells:
            file.commit([dataclasses.replace(RECORDS[2], cell=cell)], Done(cell, 1.0))
    return path


@pytest.mark.parametrize("record", [HEADER, *RECORDS], ids=lambda record: record.kind)
def test_every_record_survives_the_round_trip(record):
    assert decode_line(encode_line(record), "here") == record


def test_every_kind_is_covered_here():
    assert {record.kind for record in (HEADER, *RECORDS)} == set(RECORD_TYPES)


def test_a_file_holds_its_cells_in_order(tmp_path):
    samples = read_samples(written(tmp_path / "s.jsonl", "x", "y"))
    assert samples.header == HEADER
    assert [record.cell for record in samples.of(Solo)] == ["x", "y"]
    assert samples.done == {"x", "y"}


def test_a_compressed_file_reads_the_same(tmp_path):
    plain = written(tmp_path / "s.jsonl", "x")
    packed = tmp_path / "s.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_samples(packed).records == read_samples(plain).records


@pytest.mark.parametrize("tail", [encode_line(RECORDS[2]) + "\n", '{"kind": "done", "cell"', '{"kind": "so'])
def test_an_interrupted_cell_is_left_out_and_resuming_drops_it(tmp_path, tail):
    path = written(tmp_path / "s.jsonl", "x", "y")
    whole = path.read_bytes()
    path.write_bytes(whole + tail.encode())
    assert read_samples(path).done == {"x", "y"}
    with SampleFile.resume(path) as file:
        assert path.read_bytes() == whole
        file.commit([], Done("z", 1.0))
    assert read_samples(path).done == {"x", "y", "z"}


def test_a_file_with_no_complete_cell_resumes_from_its_header(tmp_path):
    path = written(tmp_path / "s.jsonl")
    path.write_text(path.read_text() + encode_line(RECORDS[2]) + "\n")
    assert SampleFile.resume(path).samples.records == ()


def test_a_new_file_never_replaces_an_old_one(tmp_path):
    path = written(tmp_path / "s.jsonl", "x")
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"s\.jsonl: exists already"):
        SampleFile.create(path, HEADER)
    assert path.read_bytes() == before


def test_a_missing_folder_is_made(tmp_path):
    path = tmp_path / "some" / "where" / "s.jsonl"
    SampleFile.create(path, HEADER)
    assert read_samples(path).header == HEADER


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "no").write_text("")
    with pytest.raises(OutputError, match=r"'.*no' is not a folder"):
        SampleFile.create(tmp_path / "no" / "s.jsonl", HEADER)


def test_what_is_not_open_is_not_written(tmp_path):
    with pytest.raises(OutputError, match="not open"):
        SampleFile.create(tmp_path / "s.jsonl", HEADER).commit([], Done("x", 0.0))


def test_nan_is_not_written():
    with pytest.raises(ProfileError, match="a model record cannot be written"):
        encode_line(dataclasses.replace(RECORDS[0], flops=float("nan")))


def changed(record, **fields):
    return json.dumps(json.loads(encode_line(record)) | fields)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "line 3: not valid JSON"),
        ("[]", "a record is a JSON object"),
        ('{"kind": "sola"}', "unknown kind 'sola'; did you mean 'solo'"),
        (changed(RECORDS[2], batches=1), "solo: unknown field 'batches'; did you mean 'batch'"),
        ('{"kind": "done", "cell": "x"}', "done: field 'spent_s' is missing"),
        (changed(RECORDS[2], batch="1"), "batch must be int, got '1'"),
        (changed(RECORDS[2], batch=True), "batch must be int, got True"),
        (changed(RECORDS[2], batch=0), "batch must be >= 1, got 0"),
        (changed(RECORDS[2], seconds=3), "seconds must be a list, got 3"),
        (changed(RECORDS[2], seconds=[]), "seconds needs 1 values or more"),
        (changed(RECORDS[2], seconds=[-1.0]), r"seconds must be >= 0 seconds and finite, got -1\.0"),
        (changed(RECORDS[2]).replace("0.011", "NaN"), "NaN is not a JSON number"),
        (changed(RECORDS[2], mode="lazy"), "mode must be one of graph, eager, got 'lazy'"),
        (changed(RECORDS[1], direction="up"), "direction must be one of h2d, d2h"),
        (changed(RECORDS[4], role="duo"), "role must be one of"),
        (changed(RECORDS[4], streams=[]), "two streams or more, got 0"),
        (changed(RECORDS[4], conditions=3), "Conditions is a JSON object"),
        (changed(RECORDS[5], streams=[]), "two streams or more, got 0"),
    ],
)
def test_a_bad_line_is_refused_by_name(line, message):
    with pytest.raises(ProfileError, match=message):
        decode_line(line, "file: line 3")


def test_a_stream_must_be_consistent():
    with pytest.raises(ProfileError, match="iterations is 1, loaded_seconds has 2"):
        dataclasses.replace(STREAM, iterations=1)
    with pytest.raises(ProfileError, match=r"overlap must be within \[0, 1\], got 1.5"):
        dataclasses.replace(STREAM, overlap=1.5)
    with pytest.raises(ProfileError, match="end_s must be after start_s"):
        OffsetStream("a", 1, 0.2, 0.2, 0.1)


def test_another_schema_is_refused():
    with pytest.raises(SchemaVersionError, match="schema is 2"):
        decode_line(changed(HEADER, schema=2), "file: line 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "the file is empty"), (encode_line(RECORDS[9]) + "\n", "begins with its header, got kind 'done'")],
)
def test_a_file_needs_its_header(tmp_path, text, message):
    path = tmp_path / "s.jsonl"
    path.write_text(text)
    with pytest.raises(ProfileError, match=message):
        read_samples(path)


def test_a_second_header_is_refused(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(encode_line(record) for record in (HEADER, HEADER, RECORDS[9])) + "\n")
    with pytest.raises(ProfileError, match="line 2: a second header"):
        read_samples(path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ProfileError, match=r"no\.jsonl: cannot be read"):
        read_samples(tmp_path / "no.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="not UTF-8"):
        read_samples(tmp_path / "b.jsonl")


def test_stressors_are_told_by_their_name():
    assert is_stressor("stress:dram:0.50")
    assert not is_stressor("resnet50")
