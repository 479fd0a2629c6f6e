"""The kinds of files, and what runs one: several files, one after the other, into one profile."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, suggest
from stratsim.imports.found import Ask
from stratsim.imports.merge import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from stratsim.imports.found import Found
    from stratsim.model.profile import Profile

__all__ = ["KINDS", "import_measurements"]


class Kind(NamedTuple):
    """A kind of file."""

    module: str
    what: str
    asks: tuple[str, ...] = ()
    """Which fields of `Ask` it uses."""


_LOAD = ("model", "batch")
KINDS = {
    "model-analyzer": Kind("model_analyzer", "Triton Model Analyzer: metrics-model-inference.csv", ("model", "names")),
    "perf-analyzer": Kind("perf_analyzer", "Triton's perf_analyzer --profile-export-file", _LOAD),
    "aiperf": Kind("aiperf", "NVIDIA's aiperf: profile_export.jsonl", _LOAD),
    "trtexec": Kind("trtexec", "TensorRT: trtexec --exportTimes=FILE.json", _LOAD),
    "nsys": Kind(
        "nsys",
        "Nsight Systems: cuda_gpu_trace or cuda_gpu_kern_sum as CSV, or the SQLite export",
        (*_LOAD, "inferences"),
    ),
    "nvbandwidth": Kind("nvbandwidth", "nvbandwidth -j", ("device",)),
    "pairs": Kind("pairs", "CSV of co-located pairs: slowdowns, or rates alone and together", ("columns", "names")),
}
"""What can be imported, by name; each has a module `stratsim.imports.MODULE` with `read(path, ask)`."""


def import_measurements(
    kind: str, paths: Sequence[Path], ask: Ask | None = None, *, into: Profile | None = None, name: str = "imported"
) -> tuple[Profile, list[str]]:
    """Return a profile with what the files give, and notes on what was assumed or is missing.

    Args:
        kind: One of `KINDS`.
        paths: Files of that kind, in order.
        ask: What the files do not say themselves.
        into: The profile that they are added to; None makes a new one.
        name: Of a new profile.

    Raises:
        SpecError: an unknown kind, a file that is another, an answer to what no file of this kind asks, or figures that
            contradict each other.
    """
    if kind not in KINDS:
        raise SpecError(f"unknown kind of measurements {kind!r}; {suggest(kind, KINDS)}")
    if not paths:
        raise SpecError(f"there is no file to import as {kind}")
    read: Callable[[Path, Ask], Found] = import_module(f"stratsim.imports.{KINDS[kind].module}").read
    asked = ask or Ask()
    _check_asked(kind, asked)
    profile, notes, all_ = into, [], []
    for path in paths:
        if not path.is_file():  # a pipe cannot be read twice, and its content is looked at before and hashed after
            raise SpecError(f"{path}: is not a file" if path.exists() else f"{path}: cannot be read: no such file")
        found = read(path, asked)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        all_.append((found, f"{path.name} (sha256 {digest[:16]})"))
    _check_called(asked.names, all_)
    for found, source in sorted(all_, key=_lacks_one):  # a model's first file is to have its time at batch size 1
        profile, more = merged(_renamed(found, asked.names), source, profile, name)
        notes += more
    assert profile is not None  # noqa: S101 (there is at least one file)
    return profile, list(dict.fromkeys(notes))


def _check_asked(kind: str, ask: Ask) -> None:
    """Refuse an answer to what no file of this kind asks."""
    for each in fields(Ask):
        if getattr(ask, each.name) and each.name not in KINDS[kind].asks:
            option = {"columns": "column", "names": "name"}.get(each.name, each.name)
            raise SpecError(f"--{option} has no meaning for {kind}")


def _names(found: Found) -> set[str]:
    return {*found.models, *(pair.target for pair in found.pairs), *(pair.other for pair in found.pairs)}


def _check_called(names: Mapping[str, str], all_: Sequence[tuple[Found, str]]) -> None:
    there = {name for found, _ in all_ for name in _names(found)}
    for name in names:
        if name not in there:
            raise SpecError(f"--name {name}={names[name]}: no file names a model {name!r}; {suggest(name, there)}")


def _renamed(found: Found, names: Mapping[str, str]) -> Found:
    """Return what a file gives, with other names for its models.

    Raises:
        SpecError: two models would have one name.
    """
    if not names:
        return found
    new = {name: names.get(name, name) for name in _names(found)}
    for name in found.models:
        others = [other for other in found.models if other != name and new[other] == new[name]]
        if others:
            raise SpecError(f"{name!r} and {others[0]!r} of one file would both be {new[name]!r}: import them apart")
    return replace(
        found,
        models={new[name]: solo for name, solo in found.models.items()},
        pairs=tuple(replace(pair, target=new[pair.target], other=new[pair.other]) for pair in found.pairs),
        statistics={_path(path, new): statistic for path, statistic in found.statistics.items()},
    )


def _path(path: str, new: Mapping[str, str]) -> str:
    """Return the path of a figure under the new name of its model."""
    for name, own in new.items():
        where = f"observable.models.{name}."
        if path.startswith(where) and "." not in path.removeprefix(where):
            return f"observable.models.{own}.{path.removeprefix(where)}"
    return path


def _lacks_one(entry: tuple[Found, str]) -> bool:
    return any(solo.latency_s and 1 not in solo.latency_s for solo in entry[0].models.values())
