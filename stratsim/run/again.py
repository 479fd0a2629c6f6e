"""Repeats a result folder from its manifest, and says whether the same bytes came out, or what differs."""

from __future__ import annotations

import filecmp
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.model.codec import read_json
from stratsim.plugins import allow_code
from stratsim.results import result_writer
from stratsim.results.claim import Claim
from stratsim.results.read import read_draws, read_results
from stratsim.results.schema import TABLES
from stratsim.results.timeline import read_window
from stratsim.results.write import FILES
from stratsim.run.draws import described_draws
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec, make_spec

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

    from stratsim.results.read import StoredResults

__all__ = ["Repeated", "repeat"]

_MEASURED = ("wall_s",)
"""Figures that no two runs have in common."""
_TIMED = ("summary.json", "draws.json")
"""Files that hold such figures."""
_SHOWN = 5
"""Differences within one file that are listed."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """What came of repeating a result folder.

    Args:
        files: By name: `same`, `differs`, `missing` (then) or `not made` (now); of summary.json, draws.json and
            manifest.json what they say, but for the time that the runs took.
        differences: What differs, one line each: of the environment first, then of the results.
    """

    files: dict[str, str]
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the results are the same to the byte; versions may differ all the same."""
        return all(state == "same" for name, state in self.files.items() if name != "manifest.json")


def repeat(
    directory: str | os.PathLike[str],
    *,
    out: Claim | None = None,
    allow: bool = False,
    jobs: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Repeated:
    """Run again what a result folder's manifest says.

    Args:
        directory: The folder.
        out: Where the repeated results are to stay; nowhere by default.
        allow: Whether policies and device models that the manifest names as FILE.py:CLASS may be run.
        jobs: As for `replay`.
        progress: As for `replay`.

    Raises:
        SpecError: the folder is not that of a replay, or cannot be read.
        CodeRefusedError: the manifest names code in a file, and `allow` is false.
        StratsimError: whatever cannot be used any more.
    """
    stored = read_results(directory)
    spec = _spec(stored)
    if allow:
        allow_code(spec.policy, spec.device_model, spec.trace_format)
    inputs = prepare(spec).lean()
    names = [call.text for call in inputs.policies]
    drawn, events = read_draws(stored.directory), stored.directory / "timeline.json"
    timeline = events.is_file() and (read_window(events) or True)
    parquet = (stored.directory / "requests.parquet").is_file()
    with TemporaryDirectory(prefix="stratsim-again-") as temporary:
        place = Path(temporary) / "run" if out is None else out
        windows_s = stored.decoded.windows_s
        with result_writer(place, names, timeline=timeline, windows_s=windows_s, parquet=parquet) as writer:
            outcome = replay(inputs, progress, keep_results=False, jobs=jobs, each=writer.add)
            if drawn is not None:
                writer.add_draws(described_draws(inputs, outcome.summaries, drawn["draws"]))
            writer.finish(outcome.manifest())
        return _compared(stored, read_results(place.target if isinstance(place, Claim) else place))


def _spec(stored: StoredResults) -> RunSpec:
    decoded = stored.decoded
    if decoded.live is not None:
        raise SpecError(f"{stored.directory}: was served live, and only a simulated run can be repeated")
    if decoded.spec is None or decoded.trace is None:
        raise SpecError(f"{stored.directory}: its manifest does not say how it was run")
    if decoded.trace.format == "generated":
        raise SpecError(f"{stored.directory}: its requests were drawn by a sweep; replay the run from there")
    known = {field.name for field in fields(RunSpec)}
    given: dict[str, Any] = stored.manifest["spec"]
    for name in given:
        if name not in known:
            raise SpecError(f"{stored.directory}: was run with the setting {name!r}, which this version does not have")
    settings = {name: value for name, value in given.items() if value is not None}
    return make_spec(settings, stored.directory / "manifest.json")


def _compared(then: StoredResults, now: StoredResults) -> Repeated:
    files: dict[str, str] = {}
    differences = list(_environment(then.manifest, now.manifest))
    for path in sorted(now.directory.iterdir()):
        name, old = path.name, then.directory / path.name
        if name == "manifest.json":
            files[name] = "same" if then.manifest == now.manifest else "differs"
        elif not old.is_file():
            files[name] = "missing"
            differences.append(f"{name}: is not in {then.directory}")
        elif name in _TIMED:
            found = list(_within(_unmeasured(read_json(old)), _unmeasured(read_json(path)), name))
            files[name] = "differs" if found else "same"
            differences += _few(found)
        else:
            files[name] = "same" if filecmp.cmp(path, old, shallow=False) else "differs"
            if files[name] == "differs":
                differences += _few(list(_in_table(then, now, name)))
    for name in FILES:
        if name not in files and (then.directory / name).is_file():
            files[name] = "not made"
            differences.append(f"{name}: was not made again")
    return Repeated(files, tuple(differences))


def _environment(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else than the results is not as it was: the code, the packages, the files."""
    for name in ("stratsim_version", "versions", "code", "trace", "profile", "belief", "topology", "files"):
        yield from _within(then.get(name), now.get(name), name)


def _within(then: Any, now: Any, where: str) -> Iterator[str]:
    """Yield where two JSON values differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*then, *now]):
            yield from _within(then.get(key), now.get(key), f"{where}.{key}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for index, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _within(one, other, f"{where}[{index}]")
    elif then != now:
        yield f"{where}: was {_brief(then)}, is {_brief(now)}"


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unmeasured(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmeasured(item) for key, item in value.items() if key not in _MEASURED}
    return [_unmeasured(item) for item in value] if isinstance(value, list) else value


def _few(found: list[str]) -> list[str]:
    rest = len(found) - _SHOWN
    return found[:_SHOWN] + ([f"{found[0].partition(':')[0]} and {rest} more"] if rest > 0 else [])


def _in_table(then: StoredResults, now: StoredResults, file: str) -> Iterator[str]:
    """Yield what differs in a table: its length, or the first row of each column that differs."""
    name = file.partition(".")[0]
    if name not in TABLES:
        yield f"{file}: has other bytes"
        return
    one, other = (getattr(stored, name)() for stored in (then, now))
    if len(one) != len(other):
        yield f"{file}: had {len(one)} rows, has {len(other)}"
        return
    columns = [column for column in one.columns if column in other.columns]
    found = [difference for column in columns if (difference := _in_column(one[column], other[column])) is not None]
    yield from (f"{file}: {difference}" for difference in found)
    if not found:
        yield f"{file}: has other bytes for the same values: it was written by other versions"


def _in_column(then: pd.Series[Any], now: pd.Series[Any]) -> str | None:
    one, other = then.astype(object), now.astype(object)
    differs = ((one != other) & ~(one.isna() & other.isna())).to_numpy(dtype=bool, na_value=True)
    if not differs.any():
        return None
    row = int(differs.argmax())
    count = int(differs.sum())
    return f"column {then.name!r} differs in {count} rows, first in row {row + 1}: was {one[row]}, is {other[row]}"
