"""The conformance suite that every reader of traces, ours and a user's, must pass.

    from stratsim.testing import check_reader
    check_reader(read, "example.log")

Each check is a function of its own, so that a test runner can parametrise over `READER_CHECKS`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import StratsimError
from stratsim.trace.column import as_values
from stratsim.trace.fields import WORDS
from stratsim.trace.read import parse_trace, read_trace
from stratsim.trace.registry import Reader, find_reader
from stratsim.trace.schema import Trace
from stratsim.trace.source import Source, load
from stratsim.trace.write import write_trace

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["READER_CHECKS", "check_reader"]

_SEEDS = (0, 1)
_JUNK = (
    b"a,b\n1,2\n",
    b"a,b\n1,\n,2\n",
    b'{"a": 1}\n{"b": [1, 2]}\n',
    b'{"a": {"b": null}}',
    b"[1, 2, 3]",
    b"0\n",
    b"x\n" * 3,
)
_OWN = b"arrival_s,model\n0,a\n1,b\n"


def check_reader(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """Run all checks.

    Args:
        reader: The reader itself, or what `--trace-format` takes: a registered name or `FILE.py:function`.
        example: A file, or folder, in its format.

    Raises:
        AssertionError: says which check failed, and what was expected.
    """
    for check in READER_CHECKS:
        check(reader, example)


def check_promises(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """It returns a trace: arrivals sorted, finite and not negative; columns as long, classes and deadlines valid."""
    trace = _read(reader, load(example))
    _expect(isinstance(trace, Trace), f"the reader returns {type(trace).__name__}, not a Trace")
    arrival = np.asarray(trace.arrival_s)
    _expect(len(trace) > 0 or bool(trace.closed_loop), "the example has no requests")
    _expect(arrival.dtype == np.float64 and arrival.ndim == 1, "arrival_s is not a column of floats")
    _expect(bool(np.isfinite(arrival).all() and (arrival >= 0).all()), "an arrival is negative or not finite")
    _expect(bool((np.diff(arrival) >= 0).all()), "arrivals are not sorted (`stratsim.trace.flat.in_order`)")
    _expect(trace.slo_s is None or trace.deadline_s is None, "slo_s and deadline_s exclude each other")
    _expect(trace.slo_s is None or bool((trace.slo_s >= 0).all()), "a deadline lies before its arrival")
    _expect(trace.deadline_s is None or bool((trace.deadline_s >= arrival).all()), "a deadline lies before its arrival")
    _expect(trace.model is None or trace.model.complete, "a request has no model: leave the column out, or fill it")
    _expect(trace.priority is None or set(trace.priority.tolist()) <= {0, 1}, "a priority is neither high nor low")
    for name in ("model", "priority", "slo_s", "deadline_s", "bytes_in", "bytes_out", "client"):
        column = getattr(trace, name)
        _expect(column is None or len(column) == len(trace), f"the column {name} has another length than arrival_s")
    for name, column in trace.extra.items():
        _expect(len(column) == len(trace), f"the extra column {name} has another length than arrival_s")


def check_repeats(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """The same file and seed give the same trace, and another seed moves no more than the placement of arrivals."""
    for seed in _SEEDS:
        one, other = _read(reader, load(example, seed=seed)), _read(reader, load(example, seed=seed))
        _expect(one.arrival_s.tolist() == other.arrival_s.tolist(), f"two readings with seed {seed} differ")
    first, second = (_read(reader, load(example, seed=seed)) for seed in _SEEDS)
    _expect(len(first) == len(second), "the number of requests depends on the seed")


def check_unit(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """A note states the unit that was taken, so that a wrong one is seen."""
    if isinstance(found := _reader(reader), Reader) and found.own:
        return
    notes = _read(reader, load(example)).notes
    said = any(word in note for word in (*WORDS.values(), "counts per") for note in notes)
    _expect(said, f"no note states the unit of the times: {', '.join(WORDS.values())}")


def check_refusals(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """What is in another format is refused with a `TraceError` on one line, and with nothing else."""
    del example
    for data in _JUNK:
        try:
            _read(reader, Source("junk", data))
        except StratsimError as error:
            _expect(len(str(error).splitlines()) == 1, f"the message has several lines: {str(error)!r}")
        except Exception as error:
            message = f"{data!r} raises {type(error).__name__}: {error}; a stratsim.errors.TraceError is expected"
            raise AssertionError(message) from error


def check_recognition(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """It recognises the example, if it recognises anything, and leaves our own columns to ourselves."""
    found = _reader(reader)
    if not isinstance(found, Reader) or not (found.columns or found.keys or found.check):
        return
    _expect(found.fits(load(example)), "the reader does not recognise the example as its own")
    _expect(found.own or not found.fits(Source("own", _OWN)), "the reader claims a file in our own columns")


def check_writing(reader: Reader | Callable[[Source], Trace] | str, example: str | os.PathLike[str]) -> None:
    """What was read can be written in our own format, and reads back the same."""
    trace = _read(reader, load(example))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("trace.json" if trace.closed_loop or trace.one_at_a_time else "trace.jsonl")
        write_trace(trace, path)
        back = read_trace(path, ticks="leave")
    _expect(back.arrival_s.tolist() == trace.arrival_s.tolist(), "arrivals change when they are written and read back")
    for name, column in trace.extra.items():
        same = as_values(back.extra[name]) == as_values(column) if name in back.extra else not len(trace)
        empty = all(value is None for value in as_values(column))
        _expect(same or empty, f"the extra column {name} changes when it is written and read back")


def _reader(reader: Reader | Callable[[Source], Trace] | str) -> Reader | Callable[[Source], Trace]:
    return find_reader(reader).reader if isinstance(reader, str) else reader


def _read(reader: Reader | Callable[[Source], Trace] | str, source: Source) -> Trace:
    """Return the trace as `read_trace` would, whether the reader is registered or not."""
    if isinstance(reader, str):
        return parse_trace(source, format=reader)
    return reader(source)


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


READER_CHECKS = (
    check_promises,
    check_repeats,
    check_unit,
    check_refusals,
    check_recognition,
    check_writing,
)
"""All checks, in the order in which `check_reader` runs them."""
