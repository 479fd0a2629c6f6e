"""Results as pandas frames and Arrow streams: the columns and words of result folders."""

import builtins
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from stratsim import read_results
from stratsim.errors import MissingExtraError, SpecError
from stratsim.model.columns import Labels, as_pandas, joined
from stratsim.results import summarize, write_results
from stratsim.testing import make_profile, make_workload

NAN = float("nan")


@pytest.mark.parametrize("parquet", [True, False])
@pytest.mark.parametrize("table", ["requests", "batches"])
def test_a_result_in_memory_is_the_table_that_a_folder_has(make_result, tmp_path, table, parquet):
    result = make_result(3)
    write_results([result], tmp_path / "r", manifest={}, summaries=[summarize(result)], parquet=parquet)
    stored = getattr(read_results(tmp_path / "r"), table)()
    found = result.to_pandas(table)
    assert list(found) == list(stored)
    assert [str(kind) for kind in found.dtypes] == [str(kind) for kind in stored.dtypes]
    pd.testing.assert_frame_equal(found, stored, check_categorical=False, check_dtype=False)


def test_words_stand_for_codes_and_nothing_for_what_is_missing(make_result):
    frame = make_result(3).to_pandas()
    assert set(frame["status"]) == {"met", "late", "dropped"}
    assert set(frame["priority"]) == {"high", "low"}
    assert set(frame["model"]) <= {"resnet50", "vgg19", "bert"}
    dropped = frame["status"] == "dropped"
    assert frame["gpu"][dropped].isna().all()
    assert frame["gpu"][~dropped].notna().all()


def test_a_run_without_preemption_has_an_empty_table_of_pauses(make_result):
    frame = make_result().to_pandas("pauses")
    assert list(frame) == ["policy", "batch_id", "suspend_s", "freed_s", "stopped_s", "restart_s", "lost_s"]
    assert len(frame) == 0


def test_an_unknown_table_is_refused_with_the_nearest(make_result):
    with pytest.raises(SpecError, match=r"no table 'request'; .*requests"):
        make_result().to_pandas("request")


def test_arrow_reads_a_result_as_it_is(make_result):
    result = make_result(3)
    table = pa.table(result)
    assert table.column_names == list(result.to_pandas())
    assert table.num_rows == 200
    assert table["status"].to_pylist() == result.to_pandas()["status"].tolist()
    assert table["gpu"].null_count == int(result.to_pandas()["gpu"].isna().sum()) > 0
    assert table["latency_s"].null_count == int((result.requests.batch < 0).sum())


def test_polars_reads_a_result_as_it_is(make_result):
    polars = pytest.importorskip("polars")
    assert polars.DataFrame(make_result(3)).height == 200


def test_without_pyarrow_the_extra_is_named(make_result, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"pip install 'stratsim\[parquet\]'"):
        make_result().__arrow_c_stream__()


def test_a_workload_is_a_table_of_words_too():
    profile = make_profile({"m": 0.010})
    workload = make_workload([(0.0, "m", "high", 1.0), (0.5, "m", "low", np.inf)], profile=profile)
    frame = workload.to_pandas()
    assert frame["priority"].tolist() == ["high", "low"]
    assert frame["model"].tolist() == ["m", "m"]
    assert frame["deadline_s"].isna().tolist() == [False, True]
    assert pa.table(workload)["arrival_s"].to_pylist() == [0.0, 0.5]


def test_tables_below_each_other_keep_their_words():
    first = {"reason": Labels(np.array([0, -1]), ("expired",)), "n": np.array([1, 2]), "s": np.array([0.5, NAN])}
    second = {"reason": Labels(np.array([1, 0]), ("infeasible", "expired")), "n": np.array([3, 4])}
    second |= {"s": np.array([1.0, 2.0]), "attempts": np.array([1, 2])}
    kinds = {"reason": "label", "n": "int", "s": "float", "attempts": "id"}
    frame = as_pandas(joined([first, second]), kinds)
    assert frame["reason"].astype(object).where(frame["reason"].notna(), None).tolist() == [
        "expired", None, "expired", "infeasible",
    ]  # fmt: skip
    assert frame["n"].tolist() == [1, 2, 3, 4]
    assert frame["s"].isna().tolist() == [False, True, False, False]
    assert frame["attempts"].isna().tolist() == [True, True, False, False]


def test_runs_with_other_columns_go_below_each_other(make_result):
    one, other = make_result(1), make_result(2)
    other = replace(other, attempts=np.ones(200, dtype=np.int16))
    assert list(joined([one.columns(), other.columns()])) == [*one.columns(), "attempts"]
