"""Units of times in traces: known from values or names, dates, nanoseconds, and columns that are named."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratsim.errors import SpecError, TraceError
from stratsim.trace import read_trace


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
