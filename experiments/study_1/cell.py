"""One run of study 1: a behaviour policy's log, on which every predictor is judged."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.compare.log import chain, read_log
from stratsim.compare.prequential import score
from stratsim.engine import simulate
from stratsim.errors import SpecError, suggest
from stratsim.policy.arguments import number, one_of, whole
from stratsim.policy.queueing import Fifo
from stratsim.predict import make_predictor
from stratsim.rng import Streams
from stratsim.run.oracle import reveal
from stratsim.run.pairs import Campaign, measure_pairs
from study_1.arrivals import machine, mixes, two_workloads, workload
from study_1.behaviour import RandomAdmission
from study_1.coverage import ENDS
from study_1.errors import KINDS, tables
from study_1.ladder import make_ladder
from study_1.sets import SETS, model_set, slowed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stratsim.compare.log import RunLog
    from stratsim.model.profile import Profile, SchedulerProfile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy
    from study_1.errors import Row
    from study_1.sets import ModelSet

__all__ = ["SETTINGS", "check_settings", "run_cell"]

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
_MIXES = ("stationary", "shifting", "slower")
SLOWER = 1.2
"""How much longer every execution takes once the device has slowed down: an H200's clock from 1980 to 1650 MHz."""


class _Happened(NamedTuple):
    """A run: what predictors are judged on."""

    log: RunLog
    shift_s: float | None
    """When the mix shifted, or the device slowed down."""
    until_s: float
    """The last arrival."""


def run_cell(settings: Mapping[str, Any], seed: int) -> list[Row]:
    """Return the figures of one cell for one seed: a pure function.

    Args:
        settings: Any of `SETTINGS`; what is left out is as there.
        seed: Of everything that is drawn: device, campaign, arrivals, noise.

    Raises:
        SpecError: a setting that there is not.
    """
    chosen = check_settings(settings)
    devices = model_set(chosen["set"], Streams(seed).child("set"))
    profile = _profiled(devices, seed)
    known = profile.for_scheduler()
    happened = _happened(devices, chosen, seed, known)
    predictors = {**make_ladder(), "oracle": make_predictor("oracle")}
    reveal(predictors["oracle"], devices.profile, slots=chosen["slots"])
    scores = score(
        happened.log, known, predictors, chosen["slots"], until_s=happened.until_s, quantiles=ENDS, kinds=KINDS
    )
    unseen = frozenset([(pair.target, pair.other) for pair in profile.pairs if pair.held_out])
    return [{**chosen, "seed": seed, **row} for row in tables(scores, happened.shift_s, unseen)]


def _happened(devices: ModelSet, chosen: Mapping[str, Any], seed: int, known: SchedulerProfile) -> _Happened:
    """Run the behaviour policy. A device that slows down is two runs, the second from when the first has ended."""
    halves = mixes(devices, shifting=chosen["mix"] == "shifting")
    count = round(chosen["length"] * devices.requests)
    streams = Streams(seed).child("workload")
    if chosen["mix"] == "slower":
        first, second = two_workloads(devices, halves, chosen["load"], count, streams)
        before = _log(devices.profile, first, devices, chosen, seed, known)
        after = _log(slowed(devices.profile, SLOWER), second, devices, chosen, seed, known)
        until_s = before.end_s + float(second.arrival_s[-1])
        return _Happened(chain([before, after]), before.end_s, until_s)
    requests = workload(devices, halves, chosen["load"], count, streams)
    log = _log(devices.profile, requests, devices, chosen, seed, known)
    shift_s = float(requests.arrival_s[count - 1]) if chosen["mix"] == "shifting" else None
    return _Happened(log, shift_s, float(requests.arrival_s[-1]))


def _log(
    profile: Profile, requests: Workload, devices: ModelSet, chosen: Mapping[str, Any], seed: int,
    known: SchedulerProfile,
) -> RunLog:  # fmt: skip
    policy, cluster = _BEHAVIOURS[chosen["behaviour"]](), machine(chosen["slots"])
    result = simulate(requests, profile, policy, cluster=cluster, max_batch=devices.max_batch, seed=seed)
    return read_log(result, known)


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
