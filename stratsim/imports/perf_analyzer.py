"""Triton's `perf_analyzer --profile-export-file`: round trips of the experiment with concurrency 1.

Requests before the first of `window_boundaries` are warm-up. Latency = last response - `timestamp`.

Source: triton-inference-server/perf_analyzer, src/profile_data_exporter.cc and src/profile_data_collector.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.imports.files import decoded, listed, read_text
from stratsim.imports.round_trips import Trip, solo_of
from stratsim.trace.readers.triton import Experiment, Export

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.imports.found import Ask, Found

__all__ = ["read"]

_TOOL = "perf_analyzer"


def read(path: Path, ask: Ask) -> Found:
    """Return the round trip at concurrency 1.

    Raises:
        SpecError: it is another file, the model is not said, or no experiment has concurrency 1.
    """
    export = decoded(
        path, read_text(path), Export, f"{_TOOL}'s --profile-export-file: a JSON object with `experiments`"
    )
    alone = [each for each in export.experiments if _is_alone(each)]
    if len(alone) != 1:
        there = listed(_named(each) for each in export.experiments) or "none"
        raise SpecError(
            f"{path}: {'no' if not alone else len(alone)} experiments at concurrency 1 (it has {there}): a request "
            "beside others was not alone; perf_analyzer --concurrency-range 1"
        )
    (experiment,) = alone
    counted, windows = experiment.requests, experiment.window_boundaries
    if len(windows) > 1:
        begin, end = min(windows), max(windows)
        counted = [each for each in counted if begin <= each.timestamp < end]
    answered = [each for each in counted if each.response_timestamps]
    left_out = {
        "outside the measurement windows": len(experiment.requests) - len(counted),
        "without a response": len(counted) - len(answered),
    }
    trips = [Trip(each.timestamp, max(each.response_timestamps)) for each in answered]
    version = f" {export.version}" if export.version else ""
    return solo_of(path, ask, f"{_TOOL}{version}", trips, left_out)


def _is_alone(experiment: Experiment) -> bool:
    return experiment.experiment.get("mode") == "concurrency" and experiment.experiment.get("value") == 1


def _named(experiment: Experiment) -> str:
    mode, value = (experiment.experiment.get(key) for key in ("mode", "value"))
    return f"{mode} {value}" if mode else "an unnamed one"
