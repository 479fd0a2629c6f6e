"""Whatever trace is written, reading it back gives the same columns, bit for bit, in every format."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.model.request import Priority
from stratsim.trace import ClientSpec, Names, OneAtATimeSpec, Trace, read_trace
from stratsim.trace.schema import narrow
from stratsim.trace.write import write_trace

stamps = st.floats(0, 1e12, allow_subnormal=True)
sizes = st.integers(0, 2**53)
letters = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))
words = st.text(letters, min_size=1, max_size=8).map(str.strip).filter(bool)
labels = st.builds("k{}".format, words)  # so that no cell of an unknown column looks like a number


def column(cells, n, some=lambda cells: True):
    return st.none() | st.lists(cells, min_size=n, max_size=n).filter(some)


def floats(values):
    return None if values is None else np.asarray(values, dtype=np.float64)


@st.composite
def requests(draw, shapes=True):
    n = draw(st.integers(1, 12))
    shape = shapes and draw(st.booleans())
    first = st.floats(0, 1e6, exclude_max=True)  # later ones count from the first arrival
    arrival = np.sort(np.asarray([draw(first), *draw(st.lists(stamps, min_size=n - 1, max_size=n - 1))]))
    given_slo = lambda cells: any(np.isfinite(cell) for cell in cells)  # noqa: E731
    slo = floats(draw(column(stamps | st.just(np.inf), n, given_slo)))
    absolute = slo is not None and not shape and draw(st.booleans())
    models = draw(column(words, n))
    clients = draw(column(st.none() | words, n, any))
    bytes_in, bytes_out = draw(column(sizes, n)), draw(column(sizes, n))
    priority = draw(column(st.sampled_from(Priority), n))
    extra = {
        "count": np.asarray(draw(st.lists(st.integers(-(2**62), 2**62), min_size=n, max_size=n))),
        "share": np.asarray([*draw(st.lists(st.floats(allow_infinity=False), min_size=n - 1, max_size=n - 1)), 0.5]),
        "label": Names.encode([*draw(st.lists(st.none() | labels, min_size=n - 1, max_size=n - 1)), "last"]),
    }
    return Trace(
        arrival_s=arrival,
        normalised=shape,
        model=None if models is None else Names.encode(models),
        priority=None if priority is None else np.asarray(priority, dtype=np.int8),
        slo_s=None if absolute else slo,
        deadline_s=arrival + slo if absolute else None,
        bytes_in=None if bytes_in is None else narrow(np.asarray(bytes_in, dtype=np.int64)),
        bytes_out=None if bytes_out is None else narrow(np.asarray(bytes_out, dtype=np.int64)),
        client=None if clients is None else Names.encode(clients),
        extra={name: values for name, values in extra.items() if draw(st.booleans())},
        deadline_free=slo is None and draw(st.booleans()),
    )


clients = st.builds(
    ClientSpec,
    id=st.uuids().map(str),
    model=st.none() | words,
    priority=st.none() | st.sampled_from(Priority),
    slo_s=st.none() | stamps | st.just(np.inf),
    think_s=st.none() | stamps,
    start_s=st.floats(0, 1e6, exclude_max=True),
    stop_s=st.just(np.inf),
    limit=st.integers(1, 10**9),
    bytes_in=st.none() | sizes,
    bytes_out=st.none() | sizes,
)


def same(one, other):
    if isinstance(one, Names):
        return isinstance(other, Names) and one.names == other.names and same(one.codes, other.codes)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return one == other


def assert_same(one, other):
    for name in ("arrival_s", "normalised", "model", "priority", "slo_s", "deadline_s", "bytes_in", "bytes_out",
                 "client", "closed_loop", "one_at_a_time", "deadline_free"):  # fmt: skip
        assert same(getattr(one, name), getattr(other, name)), name
    assert one.extra.keys() == other.extra.keys()
    for name, values in one.extra.items():
        assert same(values, other.extra[name]), name


def there_and_back(trace, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"trace{suffix}"
        write_trace(trace, path)
        return read_trace(path, strict=True)


@pytest.mark.slow_cases(".csv.gz", ".jsonl", ".parquet")
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json"])
@given(trace=requests())
def test_requests_survive(suffix, trace):
    assert_same(trace, there_and_back(trace, suffix))


@pytest.mark.slow
@given(trace=requests(shapes=False), specs=st.lists(clients, min_size=1, max_size=3))
def test_clients_survive(trace, specs):
    mixed = replace(trace, closed_loop=tuple(specs))
    assert_same(mixed, there_and_back(mixed, ".json"))
    alone = Trace(arrival_s=np.empty(0), closed_loop=tuple(specs), deadline_free=trace.deadline_free)
    assert_same(alone, there_and_back(alone, ".json"))


@given(trace=requests(shapes=False), stop_s=st.just(np.inf) | st.floats(1e6, 1e9), after=st.lists(words, max_size=2))
def test_clients_that_send_one_at_a_time_survive(trace, stop_s, after):
    names = () if trace.client is None else trace.client.names
    mixed = replace(trace, one_at_a_time=tuple(OneAtATimeSpec(name, stop_s, tuple(after)) for name in names))
    assert_same(mixed, there_and_back(mixed, ".json"))


@pytest.mark.slow
@given(trace=requests())
def test_equal_traces_give_equal_bytes(trace):
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one.csv.gz", Path(folder) / "two.csv.gz"
        write_trace(trace, one)
        write_trace(trace, two)
        assert one.read_bytes() == two.read_bytes()
