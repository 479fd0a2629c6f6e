"""Folders of sweeps that were right once: any value of any document, any cell of rows whose checksums fit."""

import csv
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.cli import main
from stratsim.results.sweep_rows import checksum
from tests.hostile.mutations import CELLS, VALUE, changed, places, replaced

pytestmark = pytest.mark.slow  # hundreds of processes with limits of their own


SWEEP = """
title = "t"
[sweep]
seeds = [1, 2]
until = { metric = "high_violation", half_width = 0.2, most = 3 }
[base]
profile = "asymmetric-six"
policy = "fifo,edf"
load_unit = "saturation"
[arrivals]
requests = 30
[axes]
load = [0.5, 0.9]
"""


STORE_READERS = [
    ["sweep", "show", "{store}"],
    ["sweep", "resume", "{store}", "--quiet"],
    ["sweep", "replay", "{store}", "{row}", "--out", "again"],
    ["compare", "{store}"],
    ["compare", "{store}", "--rows", "all"],
    ["plot", "{store}", "--kind", "load", "--out", "f.png"],
    ["plot", "{store}", "--kind", "equity", "--out", "f.png"],
    ["plot", "{store}", "--kind", "differences", "--out", "f.png"],
    ["plot", "{store}", "--kind", "heatmap", "--x", "load", "--y", "seed", "--out", "f.png"],
    ["report", "{store}", "--out", "page.html"],
]


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """The folder of a sweep of eight runs, or of twelve."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "sweep.toml").write_text(SWEEP)
    assert main(["sweep", "run", str(folder / "sweep.toml"), "--out", str(folder / "sweep"), "--quiet"]) == 0
    return folder / "sweep"


def rows_of(folder):
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("name", ["manifest.json", "summary.json", "saturation.json"])
def test_any_value_of_a_document_of_a_sweep(attack, examples, swept, tmp_path, name):
    document = json.loads((swept / name).read_text())
    paths = sorted(places(document), key=str)
    row = rows_of(swept)[1][0]

    @examples
    @given(st.sampled_from(paths), VALUE, st.sampled_from(["other", "gone", "renamed"]), st.sampled_from(STORE_READERS))
    def attacked(path, text, how, argv):
        store = shutil.copytree(swept, tmp_path / "sweep", dirs_exist_ok=True)
        (store / name).write_text(replaced(document, path, text, how), "utf-8", "surrogatepass")
        attack(*(arg.format(store=store, row=row) for arg in argv))

    attacked()


def test_any_cell_of_the_rows_of_a_sweep_whose_checksums_fit(attack, examples, swept, tmp_path):
    columns, *rows = rows_of(swept)

    @examples
    @given(
        st.integers(0, len(columns) - 2),
        st.integers(0, len(rows) - 1),
        st.one_of(st.sampled_from(CELLS), st.text(max_size=5), VALUE),
        st.sampled_from(["cell", "column", "without", "twice", "rows", "short"]),
        st.sampled_from(STORE_READERS),
    )
    def attacked(column, row, cell, how, argv):
        store = shutil.copytree(swept, tmp_path / "sweep", dirs_exist_ok=True)
        plain = changed(columns[:-1], [each[:-1] for each in rows], column, row, cell, how)
        with (store / "results.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [[*plain[0], columns[-1]], *([*each, checksum(each)] for each in plain[1:])]
            )
        attack(*(arg.format(store=store, row=rows[0][0]) for arg in argv))

    attacked()
