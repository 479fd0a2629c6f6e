"""Finding a trace, its bytes, and its format."""

import gzip

import pytest

from stratsim import bundled
from stratsim.errors import SpecError, TraceError
from stratsim.trace import formats, read_trace
from stratsim.trace.source import locate


def test_nothing_means_the_bundled_default():
    assert read_trace().source == "default.csv.gz"
    assert read_trace(None).sha256 == read_trace("default").sha256


def test_a_bundled_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").write_text("arrival_s\n0\n")
    assert locate("default") == bundled.find("traces", "default")
    assert len(read_trace("./default")) == 1


def test_a_missing_file_names_the_nearest_bundled_trace():
    with pytest.raises(TraceError, match=r"defalt: no such file, .* did you mean 'default'\?"):
        read_trace("defalt")


def test_a_directory(tmp_path):
    with pytest.raises(TraceError, match="is a directory, not a trace file"):
        read_trace(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
@pytest.mark.parametrize("packed", [True, False])
def test_an_empty_file(write, content, packed):
    with pytest.raises(TraceError, match="is empty"):
        read_trace(write(content, packed=packed))


@pytest.mark.parametrize("keep", [5, 15, -4])
def test_a_truncated_gzip_file(tmp_path, keep):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"arrival_s\n0\n1\n" * 50)[:keep])
    with pytest.raises(TraceError, match="damaged or truncated gzip"):
        read_trace(path)


def test_a_corrupt_gzip_file(tmp_path):
    data = bytearray(gzip.compress(b"arrival_s\n0\n1\n"))
    data[12] ^= 0xFF
    path = tmp_path / "t.csv.gz"
    path.write_bytes(bytes(data))
    with pytest.raises(TraceError, match="damaged or truncated gzip"):
        read_trace(path)


def test_binary_junk(write):
    with pytest.raises(TraceError, match=r"row 2: is neither text nor Parquet"):
        read_trace(write(b"arrival_s\n\x00\x01\x02"))


def test_bad_encoding(write):
    with pytest.raises(TraceError, match=r"row 3: is not UTF-8 text: save it as UTF-8 \(got b'\\xe9"):
        read_trace(write("arrival_s,model\n0,a\n1,é\n".encode("latin-1")))


def test_an_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("arrival_s\n0\n")

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(TraceError, match=r"t.csv: cannot be read: Permission denied"):
        read_trace(path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("arrival_s\n0\n", "csv"),
        ("arrival_norm\n0\n", "csv"),
        ("TIMESTAMP,ContextTokens\n2023-11-16 18:17:03,5\n", "azure-llm"),
        ("HashFunction,minute_1\nf,1\n", "azure-functions-2019"),
        ("HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,http,1,0\n", "azure-functions-2019"),
        ("app,func,end_timestamp,duration\na,f,1,0.5\n", "azure-functions-2021"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n', "mooncake"),
        ('{"arrival_s": 0}\n', "jsonl"),
        ('{"time": 1, "tasks": [{"id": "a", "load": {"type": "continuous"}, "client": {"model_name": "m"}}]}', "disb"),
        ('{"format": "stratsim-clients", "version": 1,\n "clients": [{"id": "a", "limit": 1}]}', "clients"),
    ],
)
def test_the_format_is_recognised_from_the_content(write, text, name):
    path = write(text, "x.bin")
    assert read_trace(path).format == name
    assert read_trace(path, format=name).format == name


def test_an_unknown_table_lists_its_columns(write):
    with pytest.raises(TraceError, match=r"row 1, column 'arrival_s': column is missing.* columns model, when;"):
        read_trace(write("when,model\n0,a\n"))


def test_unknown_json(write):
    with pytest.raises(TraceError, match="has the keys when"):
        read_trace(write('{"when": 1}\n'))
    with pytest.raises(TraceError, match="is not valid JSON"):
        read_trace(write('{"when": \n1'))
    with pytest.raises(TraceError, match="is a JSON array, and not one of objects"):
        read_trace(write("[1, 2]"))


def test_a_forced_format_must_exist():
    with pytest.raises(SpecError, match=r"unknown trace format 'azure-lm'; did you mean 'azure-llm'\?"):
        read_trace(format="azure-lm")


@pytest.mark.parametrize("name", [name for name in formats() if name != "csv"])
def test_a_forced_format_that_does_not_fit(write, name):
    with pytest.raises(TraceError):
        read_trace(write("arrival_s,model\n0,a\n"), format=name)


@pytest.mark.parametrize("limit", [0, -5])
def test_a_limit_below_one(limit):
    with pytest.raises(SpecError, match=f"limit must be at least 1 request, got {limit}"):
        read_trace(limit=limit)
