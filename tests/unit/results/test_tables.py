"""The tables themselves: which columns, which types, which text."""

import gzip
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratsim.engine import columns
from stratsim.engine.columns import batch_chunks, request_chunks
from stratsim.model.columns import BATCH_KINDS, REQUEST_KINDS, STAGES, Labels
from stratsim.results import summarize
from stratsim.results.formats import TableWriter, has_parquet

NAN = float("nan")
KINDS = {"name": "label", "count": "int", "place": "id", "time_s": "float"}
DOCS = Path(__file__).resolve().parents[3] / "docs"


def chunk():
    return {
        "name": Labels(np.array([1, -1, 0], dtype=np.int32), ("plain", 'a "quoted", one')),
        "count": np.array([1, 2, -3]),
        "place": np.array([-1, 0, 2**40]),
        "time_s": np.array([0.1 + 0.2, NAN, 5e-324]),
    }


def write_table(folder, name, kinds, chunks, *, parquet):
    with closing(TableWriter(folder, name, kinds, parquet=parquet)) as writer:
        writer.write(chunks)
    return folder / f"{name}.{'parquet' if parquet else 'csv.gz'}"


class TestCsv:
    def test_known_text(self, tmp_path):
        path = write_table(tmp_path, "t", KINDS, [chunk()], parquet=False)
        assert path.name == "t.csv.gz"
        assert gzip.decompress(path.read_bytes()).decode().split("\n") == [
            "name,count,place,time_s",
            '"a ""quoted"", one",1,,0.30000000000000004',
            ",2,0,",
            "plain,-3,1099511627776,5e-324",
            "",
        ]

    def test_a_table_without_rows_has_its_header(self, tmp_path):
        path = write_table(tmp_path, "t", KINDS, [], parquet=False)
        assert gzip.decompress(path.read_bytes()) == b"name,count,place,time_s\n"

    def test_the_bytes_do_not_say_when_or_where(self, tmp_path):
        (tmp_path / "deeper").mkdir()
        one = write_table(tmp_path, "t", KINDS, [chunk()], parquet=False)
        another = write_table(tmp_path / "deeper", "u", KINDS, [chunk()], parquet=False)
        assert one.read_bytes() == another.read_bytes()
        assert one.read_bytes()[4:8] == bytes(4)  # gzip's time stamp


class TestParquet:
    def test_known_values(self, tmp_path):
        path = write_table(tmp_path, "t", KINDS, [chunk()], parquet=True)
        assert path.name == "t.parquet"
        assert pq.read_table(path).to_pylist() == [
            {"name": 'a "quoted", one', "count": 1, "place": None, "time_s": 0.1 + 0.2},
            {"name": None, "count": 2, "place": 0, "time_s": None},
            {"name": "plain", "count": -3, "place": 2**40, "time_s": 5e-324},
        ]

    def test_types(self, tmp_path):
        schema = pq.read_schema(write_table(tmp_path, "t", KINDS, [], parquet=True))
        assert schema.field("name").type == pa.dictionary(pa.int32(), pa.string())
        assert [schema.field(name).type for name in ("count", "place", "time_s")] == [
            pa.int64(), pa.int64(), pa.float64(),
        ]  # fmt: skip

    def test_chunks_may_name_different_labels(self, tmp_path):
        other = chunk() | {"name": Labels(np.zeros(3, dtype=np.int32), ("third",))}
        path = write_table(tmp_path, "t", KINDS, [chunk(), other], parquet=True)
        names = pq.read_table(path)["name"].to_pylist()
        assert names == ['a "quoted", one', None, "plain", "third", "third", "third"]

    def test_one_row_group_per_chunk(self, tmp_path):
        path = write_table(tmp_path, "t", KINDS, [chunk()] * 4, parquet=True)
        assert pq.ParquetFile(path).metadata.num_row_groups == 4

    def test_pyarrow_is_found(self):
        assert has_parquet()


class TestChunks:
    @pytest.mark.parametrize("rows", [1, 7, 199, 200, 201, 10_000])
    def test_they_cover_every_row_once(self, make_result, monkeypatch, rows):
        monkeypatch.setattr(columns, "CHUNK_ROWS", rows)
        found = [part["request_id"] for part in request_chunks(make_result(1))]
        assert max(len(part) for part in found) <= rows
        assert np.concatenate(found).tolist() == [*range(200)]

    def test_they_have_the_columns_that_are_promised(self, make_result):
        result = make_result()
        (requests,), (batches,) = request_chunks(result), batch_chunks(result)
        assert list(requests) == list(REQUEST_KINDS)
        assert list(batches) == list(BATCH_KINDS)
        for part, kinds in ((requests, REQUEST_KINDS), (batches, BATCH_KINDS)):
            for name, kind in kinds.items():
                if kind == "label":
                    assert isinstance(part[name], Labels)
                else:
                    assert part[name].dtype.kind == {"float": "f", "int": "i", "id": "i"}[kind]

    def test_what_never_started_has_no_stage(self, make_result):
        result = make_result()
        (requests,) = request_chunks(result)
        dropped = result.requests.batch < 0
        assert dropped.any()
        assert (requests["gpu"][dropped] == -1).all()
        assert np.isnan(requests["execution_start_s"][dropped]).all()
        assert not np.isnan(requests["execution_start_s"][~dropped]).any()


class TestDocs:
    """The pages list what there is."""

    @pytest.mark.parametrize("name", sorted({*REQUEST_KINDS, *BATCH_KINDS} - set(STAGES)))
    def test_every_column_is_described(self, name):
        assert f"`{name}`" in (DOCS / "reference" / "result-files.md").read_text(encoding="utf-8")

    def test_every_figure_is_defined(self, make_result):
        text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
        summary = summarize(make_result())
        fields = {*summary["classes"]["high"], *summary["gpu"][0], *summary["pcie"][0], *summary}
        fields -= {"arrived", "met", "late", "dropped", "unfinished", "policy", "classes", "gpu", "pcie"}
        assert sorted(name for name in fields if f"`{name}`" not in text) == []
