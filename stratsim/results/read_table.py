"""Reads a table of a result folder as a pandas frame, and makes sure that it is one: columns, types and values."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import MissingExtraError, SpecError, StratsimError, suggest
from stratsim.limits import MOST_GPUS, bounded, check_memory
from stratsim.model.request import Priority, Status
from stratsim.results.schema import STAGES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

__all__ = ["check_members", "read_table"]

_LATER = frozenset(
    {"attempts", "load_start_s", "load_end_s", "evicted_s", "pauses", "paused_s", "lost_s", "slowdown", "expected_s"}
)
"""Columns that a folder of an older version may lack, or one of a run without what they tell of."""
_THERE = frozenset(
    {"policy", "request_id", "arrival_s", "model", "priority", "bytes_in", "bytes_out", "status", "solo_s"}
)
"""Columns in which no value may be missing."""
_ANSWERED = (Status.MET.label, Status.LATE.label)
_WORDS = {"priority": tuple(p.label for p in Priority), "status": tuple(s.label for s in Status)}
_KEYS = {"requests": ["policy", "request_id"], "batches": ["policy", "batch_id"]}
_BYTES = {"label": 4, "float": 8, "int": 9, "id": 9}
"""Memory per value of a frame."""


def read_table(folder: Path, name: str, columns: Sequence[str] | None, policies: Sequence[str]) -> pd.DataFrame:
    """Return a table: categories for labels, Int64 for whole numbers, float64 for figures.

    Args:
        folder: The result folder.
        name: `requests`, `batches` or `pauses`.
        columns: Only these; all by default.
        policies: Those that the folder has runs of.

    Raises:
        SpecError: there is no such table, or something in it cannot be; one line that names file, column and row.
        LimitError: it is larger than the memory budget.
    """
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv.gz"
    path = parquet if parquet.is_file() else csv
    if not path.is_file():
        raise SpecError(f"{folder}: has neither {parquet.name} nor {csv.name}")
    kinds = TABLES[name]
    try:
        frame = _read_parquet(path, kinds, columns) if path is parquet else _read_csv(path, kinds, columns)
    except StratsimError:
        raise
    except (OSError, EOFError, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError, MemoryError) as error:
        # pyarrow's and pandas' own errors are of all these kinds
        raise SpecError(f"{path}: cannot be read: {str(error) or type(error).__name__}") from error
    for problem in _problems(frame, name, kinds, policies):
        raise SpecError(f"{path}: {problem}")
    return frame


def check_members(folder: Path, requests: pd.DataFrame, batches: pd.DataFrame) -> None:
    """Make sure that the requests of a run are in batches that exist.

    Args:
        folder: For the message.
        requests: The requests of one policy.
        batches: Its batches, with a column or an index `batch_id`.

    Raises:
        SpecError: a batch is not there.
    """
    known = batches.get("batch_id", batches.index)
    named = requests["batch_id"].dropna()
    strange = named[~named.isin(known)]
    if len(strange):
        raise SpecError(f"{folder}: a request is in batch {strange.iloc[0]}, which the table of batches lacks")


def _columns(path: Path, found: Sequence[str], kinds: Mapping[str, str], columns: Sequence[str] | None) -> list[str]:
    """Return the columns to read, in the order of the file or as asked for."""
    wanted = [name for name in kinds if name not in _LATER] if columns is None else columns
    for name in wanted:
        if name not in found:
            raise SpecError(f"{path}: has no column {name!r}; {suggest(name, found)}")
    if len(set(found)) < len(found):
        raise SpecError(f"{path}: has a column twice")
    return [name for name in found if name in kinds] if columns is None else list(columns)


def _read_parquet(path: Path, kinds: Mapping[str, str], columns: Sequence[str] | None) -> pd.DataFrame:
    if find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", "parquet")
    import pyarrow.parquet as pq

    # By file, not by dataset: a folder named key=value in the path must not become a column.
    with pq.ParquetFile(path) as file:
        chosen = _columns(path, file.schema_arrow.names, kinds, columns)
        for name in chosen:
            _check_type(path, name, kinds[name], file.schema_arrow.field(name).type)
        check_memory(path, file.metadata.num_rows * sum(_BYTES[kinds[name]] for name in chosen))
        table = file.read(chosen).unify_dictionaries()
    frame: pd.DataFrame = table.to_pandas(types_mapper=None, integer_object_nulls=False, ignore_metadata=True)
    return frame.astype({name: _TYPES[kinds[name]] for name in chosen})


_TYPES = {"label": "category", "float": "float64", "int": "Int64", "id": "Int64"}


def _check_type(path: Path, name: str, kind: str, found: Any) -> None:
    """Refuse a column of another type: what pyarrow would make of it is a guess."""
    import pyarrow.types as kinds

    text = kinds.is_string(found) or (kinds.is_dictionary(found) and kinds.is_string(found.value_type))
    whole = kinds.is_integer(found)
    fits = {"label": text, "float": whole or kinds.is_floating(found), "int": whole, "id": whole}[kind]
    if not fits and not kinds.is_null(found):
        expected = {"label": "text", "float": "numbers"}.get(kind, "whole numbers")
        raise SpecError(f"{path}: column {name!r} holds {found}, and not {expected}")


def _read_csv(path: Path, kinds: Mapping[str, str], columns: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    with gzip.open(path) as unpacked:
        header = pd.read_csv(bounded(unpacked, path), nrows=0).columns
    chosen = _columns(path, list(header), kinds, columns)
    # A number that no integer can hold is refused by pandas, after a warning of numpy's.
    with gzip.open(path) as unpacked, np.errstate(invalid="ignore"):
        frame: Any = pd.read_csv(  # pandas' stubs take its options one by one
            bounded(unpacked, path),
            usecols=chosen,
            dtype={name: _TYPES[kinds[name]] for name in chosen},
            **_exact_floats(pd.__version__),
            keep_default_na=False,
            na_values=[""],
        )
    chosen_frame: pd.DataFrame = frame[chosen]
    return chosen_frame


def _exact_floats(version: str) -> dict[str, Any]:
    """Return the option that makes pandas read a float exactly; since 3.1 it always does and deprecates the option."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _unlike_their_status(frame: pd.DataFrame) -> Iterator[str]:
    """Yield columns in which requests have a value that their status excludes, or lack one that it implies."""
    answered = frame["status"].isin(_ANSWERED).to_numpy()
    dropped = (frame["status"] == Status.DROPPED.label).to_numpy()
    implied = dict.fromkeys(("latency_s", "copy_out_end_s"), (answered, answered))
    implied |= dict.fromkeys(("batch_id", *STAGES[:-1]), (answered, np.ones_like(answered)))
    implied["dropped_s"] = (dropped, dropped)
    for column in [each for each in implied if each in frame]:
        (least, most), there = implied[column], frame[column].notna().to_numpy()
        wrong = (least & ~there) | (there & ~most)
        if wrong.any():
            row = int(wrong.argmax())
            status, value = frame["status"].iloc[row], frame[column].iloc[row]
            yield f"column {column!r} says {value!r} in row {row + 1}, of a request with status {status!r}"


def _problems(frame: pd.DataFrame, name: str, kinds: Mapping[str, str], policies: Sequence[str]) -> Iterator[str]:
    """Yield what cannot be."""
    words = _WORDS | {"policy": tuple(policies)}
    for column in frame.columns:
        values, kind = frame[column], kinds[column]
        missing = values.isna().to_numpy()
        if missing.any() and (column in _THERE or (kind == "int" and name != "requests")):
            yield f"column {column!r} has no value in row {int(missing.argmax()) + 1}"
        if kind == "float":
            wrong = np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan))
        elif kind in ("int", "id"):
            numbers = values.to_numpy(dtype=np.int64, na_value=0)
            wrong = (numbers < 0) | (numbers >= (MOST_GPUS if column == "gpu" else np.iinfo(np.int64).max))
        elif column in words:
            wrong = ~(values.isin(words[column]).to_numpy() | missing)
        else:
            continue
        if wrong.any():
            row = int(wrong.argmax())
            yield f"column {column!r} says {values.iloc[row]!r} in row {row + 1}, which cannot be"
    if name == "requests" and "status" in frame:
        yield from _unlike_their_status(frame)
    key = _KEYS.get(name)
    if key is not None and set(key) <= set(frame.columns):
        twice = frame.duplicated(key).to_numpy()
        if twice.any():
            yield f"{key[1]} {frame[key[1]].iloc[int(twice.argmax())]} comes twice"
