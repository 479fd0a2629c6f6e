"""Executions alone, side by side: what the profile has, what the calibration measured, what the judged runs show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.fidelity.calibrate.latency import measure_drift, measure_served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.engine import Result
    from stratsim.fidelity.calibrate.latency import Served
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Calibration", "compare_latencies", "drift_notes"]

_KEYS = ("model", "size", "profile_s")
"""Of a measurement, what is said once for all of a row."""


class Calibration(NamedTuple):
    """The run of a grid that measured latencies as they are served, and the profile as it was before."""

    run: Recorded
    before: Profile


def compare_latencies(
    runs: Sequence[Result], profile: Profile, calibration: Calibration | None = None
) -> dict[str, Any]:
    """Return the latencies of each model at each batch size, from wherever they are known.

    Args:
        runs: The live runs that are judged.
        profile: What they are judged by.
        calibration: The run that its latencies come from; None where it is not known.

    Returns:
        `calibration`: `run`, `sha256` and `drift` of it, or None. `rows`: `model`, `size`, `profile_s` (before the
        calibration), `judged_by_s` (of the profile that judges), and what was measured in the `calibration` and in the
        judged `runs`, each with the fields of `Served`; None where nothing was served alone.
    """
    judged = {_key(row): row for row in measure_served(runs, profile)}
    before = {} if calibration is None else {_key(row): row for row in _measured(calibration)}
    known = profile.for_scheduler()
    rows = []
    for key in sorted(judged.keys() | before.keys()):
        judged_by_s = known.latency_s(*key)
        rows.append(
            {
                "model": key[0],
                "size": key[1],
                "profile_s": before[key].profile_s if key in before else judged_by_s,
                "judged_by_s": judged_by_s,
                "calibration": _plain(before.get(key)),
                "runs": _plain(judged.get(key)),
            }
        )
    return {"calibration": None if calibration is None else _described(calibration), "rows": rows}


def drift_notes(served: dict[str, Any]) -> list[str]:
    """Return a note if the device changed its speed while it was calibrated."""
    drift = (served["calibration"] or {}).get("drift")
    if drift is None or drift["low"] <= 0 <= drift["high"]:
        return []
    change, low, high = (f"{drift[name]:+.1%}" for name in ("change", "low", "high"))
    said = f"executions changed by {change} [{low}, {high}] from the first half of the calibration to the second"
    return [f"the device was not steady: {said}"]


def _measured(calibration: Calibration) -> list[Served]:
    return measure_served([calibration.run.result], calibration.before)


def _key(row: Served) -> tuple[str, int]:
    return row.model, row.size


def _plain(row: Served | None) -> dict[str, Any] | None:
    if row is None or not row.n:
        return None
    return {name: value for name, value in row._asdict().items() if name not in _KEYS}


def _described(calibration: Calibration) -> dict[str, Any]:
    drift = measure_drift(calibration.run.result)
    return {
        "run": calibration.run.directory.name,
        "sha256": calibration.run.digest,
        "drift": None if drift is None else drift._asdict(),
    }
