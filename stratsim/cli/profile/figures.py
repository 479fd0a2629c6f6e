"""What `stratsim profile show` computes from a profile: plain data, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from stratsim.model.codec import plain, profile_sha256
from stratsim.model.interpolate import METHODS, leave_one_out
from stratsim.model.provenance import uncovered

if TYPE_CHECKING:
    from stratsim.model.profile import Profile

__all__ = ["describe", "interpolation_check", "model_figures", "saturation_per_s"]


def saturation_per_s(profile: Profile) -> float:
    """Return the rate, requests/s, at which batch-1 exclusive execution saturates one GPU when all models are equal."""
    solo = [model.latency_s[1] for model in profile.observable.models.values()]
    return len(solo) / sum(solo)


def model_figures(profile: Profile, name: str) -> dict[str, Any]:
    """Return what follows from one model's solo figures; times in seconds, rates in requests/s."""
    model = profile.observable.models[name]
    pcie = profile.observable.pcie
    rates = {batch: batch / latency for batch, latency in sorted(model.latency_s.items())}
    best = max(rates, key=lambda batch: rates[batch])
    return {
        "copy_in_s": pcie.h2d.copy_s(model.bytes_in),
        "copy_out_s": pcie.d2h.copy_s(model.bytes_out),
        "end_to_end_s": profile.for_scheduler().end_to_end_s(name),
        "saturation_per_s": rates[1],
        "best_batch": best,
        "best_per_s": rates[best],
    }


def interpolation_check(profile: Profile) -> dict[str, dict[str, float] | None]:
    """Return, by method, the errors of predicting each inner measured latency from the others; None without any."""
    found: dict[str, dict[str, float] | None] = {}
    for method in METHODS:
        tables = [model.latency_s for model in profile.observable.models.values()]
        errors = [abs(error) for table in tables for error in leave_one_out(table, method).values()]
        found[method] = _summary(errors) if errors else None
    return found


def _summary(errors: list[float]) -> dict[str, float]:
    return {"points": len(errors), "median": median(errors), "mean": mean(errors), "worst": max(errors)}


def describe(profile: Profile, names: list[str]) -> dict[str, Any]:
    """Return the whole profile and what follows from it, for `--json`."""
    data = plain(profile)
    observable = {**data["observable"], "models": {name: data["observable"]["models"][name] for name in names}}
    return {
        **data,
        "observable": observable,
        "provenance": {key: asdict(value) for key, value in profile.provenance.items()},
        "derived": {
            "schema_version": profile.schema_version,
            "sha256": profile_sha256(profile),
            "saturation_per_s": saturation_per_s(profile),
            "models": {name: model_figures(profile, name) for name in names},
            "interpolation_check": interpolation_check(profile),
            "fields_without_provenance": [*uncovered(profile)],
        },
    }
