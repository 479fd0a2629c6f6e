"""Result folders and profiles that were right once: any value of any document, any cell of any table, any byte."""

import gzip
import json
import shutil

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import bundled
from tests.hostile.mutations import CELLS, VALUE, places, replaced, text, written

pytestmark = pytest.mark.slow  # hundreds of processes with limits of their own


READERS = {
    "manifest.json": [["explain", "{run}", "--summary"], ["compare", "{run}"], ["replay", "--again", "{run}"]],
    "summary.json": [
        ["compare", "{run}"],
        ["report", "{run}", "--out", "page.html"],
        ["plot", "{run}", "--kind", "violations", "--out", "f.png"],
    ],
    "profile.json": [
        ["profile", "show", "{file}"],
        ["replay", "--profile", "{file}", "--limit", "10"],
        ["profile", "pairs", "{file}", "--out", "pairs.json"],
        ["device", "list", "--profile", "{file}"],
    ],
}


@pytest.mark.parametrize("name", READERS)
def test_any_value_of_a_document(attack, examples, honest, tmp_path, name):
    source = bundled.names("profiles")["asymmetric-six"] if name == "profile.json" else honest / name
    document = json.loads(source.read_text())
    paths = sorted(places(document), key=str)

    @examples
    @given(st.sampled_from(paths), VALUE, st.sampled_from(["other", "gone", "renamed"]), st.sampled_from(READERS[name]))
    def attacked(path, text, how, argv):
        run = shutil.copytree(honest, tmp_path / "run", dirs_exist_ok=True)
        file = tmp_path / name if name == "profile.json" else run / name
        file.write_text(replaced(document, path, text, how))
        attack(*(arg.format(run=run, file=file) for arg in argv))

    attacked()


TABLES = {
    "requests": [
        ["explain", "{run}", "--worst", "2"],
        ["compare", "{run}"],
        ["plot", "{run}", "--kind", "latency-cdf", "--out", "f.png"],
        ["report", "{run}", "--out", "page.html"],
    ],
    "batches": [
        ["explain", "{run}", "--summary"],
        ["plot", "{run}", "--kind", "timeline", "--policy", "fifo", "--out", "f.png"],
        ["plot", "{run}", "--kind", "latency-parts", "--out", "f.png"],
    ],
    "pauses": [["explain", "{run}", "--summary"], ["report", "{run}", "--out", "page.html"]],
}


@pytest.mark.parametrize("name", TABLES)
def test_any_cell_of_a_table(attack, examples, honest, tmp_path, name):
    rows = [list(map(text, row.values())) for row in pq.read_table(honest / f"{name}.parquet").to_pylist()]
    columns = pq.read_schema(honest / f"{name}.parquet").names

    @examples
    @given(
        st.integers(0, len(columns) - 1),
        st.integers(0, len(rows) - 1),
        st.one_of(st.sampled_from(CELLS), st.text(max_size=5)),
        st.sampled_from(["cell", "column", "without", "twice", "rows", "short"]),
        st.sampled_from(TABLES[name]),
    )
    def attacked(column, row, cell, how, argv):
        run = shutil.copytree(honest, tmp_path / "run", dirs_exist_ok=True)
        (run / f"{name}.parquet").unlink()
        content = written(columns, rows, column, row, cell, how)
        (run / f"{name}.csv.gz").write_bytes(gzip.compress(content.encode("utf-8", "surrogatepass"), 1))
        attack(*(arg.format(run=run) for arg in argv))

    attacked()


@pytest.mark.parametrize("name", ["manifest.json", "requests.parquet", "batches.parquet", "timeline.json"])
def test_any_byte(attack, examples, honest, tmp_path, name):
    content = (honest / name).read_bytes()
    commands = [
        ["explain", "{run}", "--summary"],
        ["report", "{run}", "--out", "page.html"],
        ["replay", "--again", "{run}"],
    ]

    @examples
    @given(
        st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=4), st.booleans(), st.sampled_from(commands)
    )
    def attacked(at, other, cut, argv):
        run = shutil.copytree(honest, tmp_path / "run", dirs_exist_ok=True)
        (run / name).write_bytes(content[:at] + (b"" if cut else other + content[at + len(other) :]))
        attack(*(arg.format(run=run) for arg in argv))

    attacked()
