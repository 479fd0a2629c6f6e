"""The kinds of files, and what runs one: several files, one after the other, into one profile."""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, suggest
from stratsim.imports.found import Ask
from stratsim.imports.merge import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stratsim.imports.found import Found
    from stratsim.model.profile import Profile

__all__ = ["KINDS", "import_measurements"]


class Kind(NamedTuple):
    """A kind of file."""

    module: str
    what: str


KINDS = {
    "model-analyzer": Kind("model_analyzer", "Triton Model Analyzer: metrics-model-inference.csv"),
    "perf-analyzer": Kind("perf_analyzer", "Triton's perf_analyzer --profile-export-file"),
    "aiperf": Kind("aiperf", "NVIDIA's aiperf: profile_export.jsonl"),
    "trtexec": Kind("trtexec", "TensorRT: trtexec --exportTimes=FILE.json"),
    "nsys": Kind("nsys", "Nsight Systems: cuda_gpu_trace or cuda_gpu_kern_sum as CSV, or the SQLite export"),
    "nvbandwidth": Kind("nvbandwidth", "nvbandwidth -j"),
    "pairs": Kind("pairs", "CSV of co-located pairs: slowdowns, or rates alone and together"),
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
        SpecError: an unknown kind, a file that is another, or figures that contradict each other.
    """
    if kind not in KINDS:
        raise SpecError(f"unknown kind of measurements {kind!r}; {suggest(kind, KINDS)}")
    if not paths:
        raise SpecError(f"there is no file to import as {kind}")
    read: Callable[[Path, Ask], Found] = import_module(f"stratsim.imports.{KINDS[kind].module}").read
    profile, notes = into, []
    for path in paths:
        if not path.is_file():  # a pipe cannot be read twice, and its content is looked at before and hashed after
            raise SpecError(f"{path}: is not a file" if path.exists() else f"{path}: cannot be read: no such file")
        found = read(path, ask or Ask())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        profile, more = merged(found, f"{path.name} (sha256 {digest[:16]})", profile, name)
        notes += more
    assert profile is not None  # noqa: S101 (there is at least one file)
    return profile, list(dict.fromkeys(notes))
