"""One run of study 1: a behaviour policy's log, on which every predictor is judged."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from stratsim.compare.log import read_log
from stratsim.compare.prequential import score
from stratsim.engine import simulate
from stratsim.errors import SpecError, suggest
from stratsim.policy.arguments import number, one_of, whole
from stratsim.policy.queueing import Fifo
from stratsim.predict import make_predictor
from stratsim.rng import Streams
from stratsim.run.oracle import reveal
from stratsim.run.pairs import Campaign, measure_pairs
from study_1.arrivals import machine, mixes, workload
from study_1.behaviour import RandomAdmission
from study_1.errors import tables
from study_1.sets import SETS, model_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stratsim.model.profile import Profile
    from stratsim.policy.base import Policy
    from stratsim.predict import Predictor
    from study_1.errors import Row
    from study_1.sets import ModelSet

__all__ = ["LADDER", "SETTINGS", "check_settings", "run_cell"]

LADDER: dict[str, str] = {
    "solo": "solo",
    "constant-1.25": "constant(slowdown=1.25)",
    "constant-1.5": "constant(slowdown=1.5)",
    "constant-2": "constant(slowdown=2.0)",
    "gpulet": "gpulet",
    "ewma-features": "ewma-features",
    "ewma-pairs": "ewma-pairs",
    "static-pairs": "sgd(step_size=1e-12)",
    "sgd": "sgd",
    "nlms": "nlms",
    "rls": "rls",
    "oracle": "oracle",
}
"""Predictors by the name that tables give them. `static-pairs` is the start of all online learners, which never learns:
it tells what learning adds to what a finer static model has."""

SETTINGS: dict[str, Any] = {
    "set": "asymmetric",
    "load": 0.8,
    "slots": 3,
    "behaviour": "fifo",
    "mix": "stationary",
    "length": 1.0,
}
"""Settings of a cell, as they are where it names none. `length` scales the number of requests that the set has."""

_BEHAVIOURS: dict[str, Callable[[], Policy]] = {
    "fifo": lambda: Fifo(drop="never"),
    "random": RandomAdmission,
}
_MIXES = ("stationary", "shifting")


def run_cell(settings: Mapping[str, Any], seed: int) -> list[Row]:
    """Return the figures of one cell for one seed: a pure function.

    Args:
        settings: Any of `SETTINGS`; what is left out is as there.
        seed: Of everything that is drawn: device, campaign, arrivals, noise.

    Raises:
        SpecError: a setting that there is not.
    """
    chosen = check_settings(settings)
    streams = Streams(seed)
    devices = model_set(chosen["set"], streams.child("set"))
    halves = mixes(devices, shifting=chosen["mix"] == "shifting")
    count = round(chosen["length"] * devices.requests)
    requests = workload(devices, halves, chosen["load"], count, streams.child("workload"))
    result = simulate(
        requests,
        devices.profile,
        _BEHAVIOURS[chosen["behaviour"]](),
        cluster=machine(chosen["slots"]),
        max_batch=devices.max_batch,
        seed=seed,
    )
    profile = _profiled(devices, seed)
    known = profile.for_scheduler()
    scores = score(
        read_log(result, known),
        known,
        {name: _predictor(text, profile, chosen["slots"]) for name, text in LADDER.items()},
        chosen["slots"],
        until_s=float(requests.arrival_s[-1]),
    )
    shift_s = float(requests.arrival_s[count - 1]) if chosen["mix"] == "shifting" else None
    return [{**chosen, "seed": seed, **row} for row in tables(scores, shift_s)]


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a cell, completed.

    Raises:
        SpecError: a setting that there is not, or a value that it cannot have.
    """
    for key in settings:
        if key not in SETTINGS:
            raise SpecError(f"a study of predictors has no setting {key!r}; {suggest(key, SETTINGS)}")
    chosen = {**SETTINGS, **settings}
    one_of("set", chosen["set"], tuple(SETS))
    one_of("behaviour", chosen["behaviour"], tuple(_BEHAVIOURS))
    one_of("mix", chosen["mix"], _MIXES)
    whole("slots", chosen["slots"], 1)
    number("load", chosen["load"], 0, inf, closed="neither")
    number("length", chosen["length"], 0, inf, closed="neither")
    return chosen


def _profiled(devices: ModelSet, seed: int) -> Profile:
    """Return the profile with what a campaign would have measured: three quarters of the pairs may be learned from."""
    batches = (1, devices.max_batch) if devices.max_batch > 1 else (1,)
    device_model = devices.profile.default_device_model
    return measure_pairs(devices.profile, Campaign(batches, device_model=device_model, seed=seed))


def _predictor(text: str, profile: Profile, slots: int) -> Predictor:
    predictor = make_predictor(text)
    reveal(predictor, profile, slots=slots)
    return predictor
