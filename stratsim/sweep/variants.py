"""Profiles of a sweep's own: changed copies of others, with what was changed labelled as assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.model.codec import load_profile
from stratsim.model.contention import Sharing, SharingPhase
from stratsim.model.parts import Link, Pcie, Provenance
from stratsim.rng import Streams
from stratsim.run.pairs import Campaign, measure_pairs

if TYPE_CHECKING:
    from stratsim.model.profile import Profile

__all__ = ["Variant", "Weights"]


@dataclass(frozen=True, slots=True)
class Weights:
    """Sharing weights drawn anew, one per model, log-uniform: what no published table tells.

    Args:
        seed: Of the draws; each model has a stream of its own.
        low: Least weight.
        high: Largest.
    """

    seed: int
    low: float = 1.0
    high: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise SpecError(f"weights need 0 < low <= high, got {self.low} and {self.high}")

    def draw(self, model: str) -> float:
        """Return a model's weight, to four decimals."""
        share = float(Streams(self.seed).get("study", "weight", model).random())
        return round(self.low * math.exp(share * math.log(self.high / self.low)), 4)


@dataclass(frozen=True, slots=True)
class Variant:
    """A changed copy of a profile.

    Args:
        base: Name of a bundled profile, or a file.
        models: Keep these alone.
        weights: Draw the sharing weights anew. Pairs of the base are then of another GPU, and left out.
        bytes_per_s: Rate of the host link, both directions: another generation of PCIe. Deadlines follow it.
        pairs: Measure pairs at these batch sizes on the changed GPU, in a simulated campaign with its defaults.
        gains: How many times the throughput of a batch of one the largest batch size has, by model: latencies grow
            linearly in between, whatever the base's.
        phases: Parts each execution into two halves whose demands are this share above and below the base's, in turn
            for every second model, at most 1: a steady truth made one of phases.
        device_model: What the truth is made for, instead of the base's own.
        max_batch: Leave out larger batch sizes: a run that never uses them need not set them up.
    """

    base: str
    models: list[str] | None = None
    weights: Weights | None = None
    bytes_per_s: float | None = None
    pairs: list[int] | None = None
    gains: dict[str, float] | None = None
    phases: float | None = None
    device_model: str | None = None
    max_batch: int | None = None

    def __post_init__(self) -> None:
        if self.max_batch is not None and self.max_batch < 1:
            raise SpecError(f"max_batch must be at least 1, got {self.max_batch}")
        for model, gain in (self.gains or {}).items():
            if not 1 <= gain < math.inf:
                raise SpecError(f"gains: {model!r} needs a finite number of at least 1, got {gain}")
        if self.phases is not None and not 0 < self.phases < 1:
            raise SpecError(f"phases must be within (0, 1), got {self.phases}")

    def make(self, name: str) -> Profile:
        """Return the profile, under the name.

        Raises:
            StratsimError: the base cannot be read, or lacks what is to be changed.
        """
        profile = replace(load_profile(self.base), name=name)
        if self.device_model is not None:
            profile = replace(profile, device_model=self.device_model)
        if self.models is not None:
            profile = _subset(profile, [profile.resolve(model) for model in self.models])
        if self.max_batch is not None:
            profile = _up_to(profile, self.max_batch)
        if self.gains is not None:
            profile = _gaining(profile, {profile.resolve(model): gain for model, gain in self.gains.items()})
        if self.phases is not None:
            profile = _phased(profile, self.phases)
        if self.weights is not None:
            profile = _weighted(profile, self.weights)
        if self.bytes_per_s is not None:
            profile = _linked(profile, self.bytes_per_s)
        if self.pairs is not None:
            campaign = Campaign(batches=tuple(self.pairs), device_model=profile.default_device_model)
            profile = measure_pairs(profile, campaign)
        return profile


def _subset(profile: Profile, models: list[str]) -> Profile:
    kept = {model: profile.observable.models[model] for model in models}
    truth = replace(profile.truth, sharing={k: v for k, v in profile.truth.sharing.items() if k in kept})
    if any(model not in kept for _, model in truth.named()):
        raise SpecError(f"profile {profile.name!r}: a subset of models needs a truth of sharing weights alone")
    pairs = tuple(pair for pair in profile.pairs if pair.target in kept and pair.other in kept)
    return replace(profile, observable=replace(profile.observable, models=kept), truth=truth, pairs=pairs)


def _up_to(profile: Profile, largest: int) -> Profile:
    """Return the profile without larger batch sizes; one between two measured ones must not be the largest."""
    models = {}
    for name, model in profile.observable.models.items():
        if largest not in model.latency_s and largest < max(model.latency_s):
            raise SpecError(f"profile {profile.name!r} has no batch size {largest} of {name!r}: {[*model.latency_s]}")
        models[name] = replace(
            model,
            latency_s={batch: value for batch, value in model.latency_s.items() if batch <= largest},
            features={batch: value for batch, value in model.features.items() if batch <= largest},
        )
    pairs = tuple(pair for pair in profile.pairs if max(pair.target_batch, pair.other_batch) <= largest)
    return replace(profile, observable=replace(profile.observable, models=models), pairs=pairs)


def _gaining(profile: Profile, gains: dict[str, float]) -> Profile:
    """Return the profile with latencies that are linear in the batch size; pairs of the base are of another GPU."""
    models, made = dict(profile.observable.models), {}
    for name, gain in gains.items():
        model = models[name]
        alone_s, largest = model.latency_s[1], max(model.latency_s)
        if gain > largest:
            raise SpecError(
                f"gains: {name!r} serves batches of {largest}, which cannot have {gain:g} times the throughput"
            )
        slope = (largest / gain - 1) / max(largest - 1, 1)
        latency_s = {batch: round(alone_s * (1 + slope * (batch - 1)), 9) for batch in model.latency_s}
        models[name] = replace(model, latency_s=latency_s)
        note = f"assumed: batches of {largest} have {gain:g} times the throughput of batches of one, linear in between"
        made[f"observable.models.{name}.latency_s"] = Provenance("synthetic", note)
    kept = {key: entry for key, entry in profile.provenance.items() if key.split(".")[0] != "pairs"}
    observable = replace(profile.observable, models=models)
    return replace(profile, observable=observable, pairs=(), provenance={**kept, **made})


def _phased(profile: Profile, share: float) -> Profile:
    """Return the profile with two phases in place of each steady demand. Pairs of the base are then of another GPU."""
    sharing: dict[str, dict[int, Sharing]] = {}
    for number, (model, table) in enumerate(profile.truth.sharing.items()):
        first, then = (1 + share, 1 - share) if number % 2 == 0 else (1 - share, 1 + share)
        sharing[model] = {}
        for batch, entry in table.items():
            if entry.demand is None:
                raise SpecError(f"profile {profile.name!r}: {model!r} has phases already")
            demands = [min(entry.demand * factor, 1.0) for factor in (first, then)]
            halves = tuple(SharingPhase(0.5, round(demand, 6), entry.weight) for demand in demands)
            sharing[model][batch] = Sharing(phases=halves)
    if not sharing:
        raise SpecError(f"profile {profile.name!r} has no truth.sharing that could have phases")
    source = f"assumed: two halves, their demands {share:g} of it above and below the base's, at most 1"
    kept = {key: entry for key, entry in profile.provenance.items() if key.split(".")[0] != "pairs"}
    provenance = {**kept, "truth.sharing.*.*.phases": Provenance("synthetic", source)}
    return replace(profile, truth=replace(profile.truth, sharing=sharing), pairs=(), provenance=provenance)


def _weighted(profile: Profile, weights: Weights) -> Profile:
    sharing: dict[str, dict[int, Sharing]] = {}
    for model, table in profile.truth.sharing.items():
        if any(entry.phases for entry in table.values()):
            raise SpecError(f"profile {profile.name!r}: the phases of {model!r} have weights of their own")
        sharing[model] = {batch: replace(entry, weight=weights.draw(model)) for batch, entry in table.items()}
    if not sharing:
        raise SpecError(f"profile {profile.name!r} has no truth.sharing whose weights could be drawn")
    source = f"assumed: log-uniform in [{weights.low:g}, {weights.high:g}], one draw per model, seed {weights.seed}"
    kept = {key: entry for key, entry in profile.provenance.items() if key.split(".")[0] != "pairs"}
    provenance = {**kept, "truth.sharing.*.*.weight": Provenance("synthetic", source)}
    return replace(profile, truth=replace(profile.truth, sharing=sharing), pairs=(), provenance=provenance)


def _linked(profile: Profile, bytes_per_s: float) -> Profile:
    pcie = profile.observable.pcie
    both = Pcie(Link(pcie.h2d.alpha_s, bytes_per_s), Link(pcie.d2h.alpha_s, bytes_per_s))
    made = Provenance("synthetic", f"assumed: {bytes_per_s:g} bytes/s in both directions")
    kept = {key: entry for key, entry in profile.provenance.items() if not key.endswith(".bytes_per_s")}
    provenance = {**kept, "observable.pcie.*.bytes_per_s": made}
    return replace(profile, observable=replace(profile.observable, pcie=both), provenance=provenance)
