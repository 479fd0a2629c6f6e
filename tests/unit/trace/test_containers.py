"""Files of traces in every container: packed, by lines, from standard input, as a table in memory."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile

import pandas as pd
import pyarrow as pa
import pytest

from stratsim.cli import main
from stratsim.errors import LimitError, TraceError
from stratsim.trace import read_trace
from stratsim.trace.containers import unpacked

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
