"""From raw samples to a profile: `fit_samples`. Needs numpy and scipy, no torch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stratsim_profiler.fit.assemble import assemble_profile
from stratsim_profiler.fit.caveats import caveats_of
from stratsim_profiler.fit.extract import extract_samples
from stratsim_profiler.fit.judge import fit_and_judge
from stratsim_profiler.fit.launcher import launcher_score
from stratsim_profiler.fit.stressors import responses
from stratsim_profiler.fit.summary import Summary
from stratsim_profiler.fit.transfers import fit_transfers
from stratsim_profiler.store import Samples, read_lines, read_samples

if TYPE_CHECKING:
    from stratsim.model.profile import Profile
    from stratsim_profiler.samples import Header

__all__ = ["FitResult", "fit_samples", "samples_sha256"]


@dataclass(frozen=True, slots=True)
class FitResult:
    """The outcome of a fit.

    Args:
        profile: What `stratsim replay --profile` takes.
        summary: What was found, and how good it is; `summary.verdict` says it in a sentence.
        warnings: What a user of the profile should know, one sentence each.
        samples: What was fitted.
    """

    profile: Profile
    summary: Summary
    warnings: tuple[str, ...]
    samples: Samples


def fit_samples(source: str | Path | Samples, *, name: str | None = None, starts: int = 8) -> FitResult:
    """Fit a profile to raw samples.

    Args:
        source: A samples file (`.jsonl` or `.jsonl.gz`), or samples already read.
        name: Name of the profile; by default made of the device's name and the data type.
        starts: Starting points of the fit of demands and weights.

    Raises:
        ProfileError: the samples lack something that every profile needs, or cannot be read; one line that says what.
    """
    samples = source if isinstance(source, Samples) else read_samples(source)
    measured = extract_samples(samples)
    kind = str(samples.header.device.get("kind") or "cuda")
    summary = Summary(
        device=str(samples.header.device.get("name") or "unknown device"),
        device_kind=kind,
        measured=measured,
        transfers=fit_transfers(measured.transfers),
        sharing=fit_and_judge(measured, starts=starts, gpu=kind == "cuda"),
        responses=responses(measured.stressor_cells),
        launcher=launcher_score(measured.launch_cells, measured.solo),
    )
    checksum = None if isinstance(source, Samples) else samples_sha256(source)
    profile = assemble_profile(
        summary,
        samples.header,
        name or _default_name(samples.header, measured.dtype),
        _source(samples, checksum),
    )
    return FitResult(profile, summary, caveats_of(summary), samples)


def samples_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a samples file's lines, in hexadecimal: the same whether it is compressed or not."""
    return hashlib.sha256(read_lines(Path(path))).hexdigest()


def _source(samples: Samples, checksum: str | None) -> str:
    header = samples.header
    file = f"{Path(samples.source).name}, sha256 {checksum}" if checksum else samples.source
    return f"stratsim profiler {header.tool_version}, {header.started}, samples {file}"


def _default_name(header: Header, dtype: str) -> str:
    device = re.sub(r"[^a-z0-9]+", "-", str(header.device.get("name") or "device").lower()).strip("-")
    return f"{device or 'device'}-{dtype}"
