"""Which runs of which result folders are the same thing at several seeds, and what to call each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.results.read import StoredResults

__all__ = ["Run", "Variant", "find_variants", "with_baseline_first"]

_OF_REQUESTS = frozenset(
    ("seed", "policy", "trace", "trace_format", "strict", "workload", "load", "load_unit", "rate_scale")
) | {"limit", "warmup_s"}
"""Settings that say which requests there are, or what of them is measured: they tell no variants apart."""


@dataclass(frozen=True, slots=True)
class Run:
    """One policy of one result folder."""

    stored: StoredResults
    policy: str

    @property
    def where(self) -> str:
        """Return how to name it in a message."""
        return f"{self.policy} in {self.stored.directory}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that is compared with others: a policy on a machine, at one seed or several."""

    label: str
    runs: dict[int, Run]
    """By seed, in ascending order."""


def find_variants(results: Sequence[StoredResults], policies: Sequence[str] = ()) -> list[Variant]:
    """Return the variants in the order in which the folders hold them.

    Runs of one policy with equal settings and different seeds are one variant. Where the same seed comes twice, the
    folders are what differs: each run is then a variant of its own, called by its folder.

    Args:
        results: The folders.
        policies: Only these; all if empty.

    Raises:
        SpecError: a policy that no folder has, fewer than two variants, or one that lacks a seed that another has.
    """
    runs = [Run(stored, policy) for stored in results for policy in stored.policies]
    known = list(dict.fromkeys(run.policy for run in runs))
    for policy in policies:
        if policy not in known:
            raise SpecError(f"no run of policy {policy!r}; {suggest(policy, known)}")
    chosen = [run for run in runs if not policies or run.policy in policies]
    found = _by_settings(chosen) or _by_folder(chosen)
    if len(found) < 2:
        only = found[0].label if found else "none"
        raise SpecError(
            f"there is nothing to compare with: only {only}; give two policies, or two folders of equal seeds"
        )
    seeds = sorted({seed for variant in found for seed in variant.runs})
    for variant in found:
        for seed in seeds:
            if seed not in variant.runs:
                other = next(each for each in found if seed in each.runs)
                raise SpecError(f"{variant.label} has no run of seed {seed}, which {other.label} has: nothing to pair")
    return found


def with_baseline_first(labels: Sequence[str], baseline: str | None) -> list[str]:
    """Return the labels with the baseline first: the first one by default.

    A policy's name stands for the first of its variants.

    Raises:
        SpecError: there is no such label.
    """
    if baseline is None:
        return list(labels)
    named = [label for label in labels if label == baseline or label.startswith(f"{baseline}, ")]
    if not named:
        raise SpecError(f"no {baseline!r} to compare with; {suggest(baseline, labels)}")
    first = baseline if baseline in named else named[0]
    return [first, *(label for label in labels if label != first)]


def _by_settings(runs: Sequence[Run]) -> list[Variant] | None:
    """Return the variants by policy and settings; None if one of them has a seed twice."""
    groups: dict[tuple[str, str], dict[int, Run]] = {}
    settings: dict[tuple[str, str], dict[str, Any]] = {}
    for run in runs:
        own = _settings(run.stored)
        key = (run.policy, json.dumps(own, sort_keys=True, default=str))
        settings[key] = own
        if _seed(run.stored) in groups.setdefault(key, {}):
            return None
        groups[key][_seed(run.stored)] = run
    names = {key: _label(key, settings) for key in groups}
    return [Variant(names[key], dict(sorted(found.items()))) for key, found in groups.items()]


def _label(key: tuple[str, str], settings: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Return the policy, with the settings that tell it from others of that policy."""
    same = [own for other, own in settings.items() if other[0] == key[0]]
    names = dict.fromkeys(name for own in same for name in own)
    differing = [name for name in names if any(own.get(name) != same[0].get(name) for own in same)]
    return ", ".join([key[0], *(f"{name}={settings[key].get(name)}" for name in differing)])


def _by_folder(runs: Sequence[Run]) -> list[Variant]:
    short = [Path(run.stored.directory).resolve().name for run in runs]
    unique = len(set(zip(short, (run.policy for run in runs), strict=True))) == len(runs)
    one_policy = len({run.policy for run in runs}) == 1
    found = []
    for name, run in zip(short, runs, strict=True):
        folder = name if unique else str(run.stored.directory)
        found.append(Variant(folder if one_policy else f"{folder}: {run.policy}", {_seed(run.stored): run}))
    if len({variant.label for variant in found}) < len(found):
        raise SpecError(f"{found[0].label}: the same folder is named twice")
    return found


def _settings(stored: StoredResults) -> dict[str, Any]:
    spec = stored.manifest.get("spec") or {}
    files = {f"{name} sha256": (stored.manifest.get(name) or {}).get("sha256") for name in ("profile", "topology")}
    kept = {key: value for key, value in spec.items() if key not in _OF_REQUESTS and key not in ("profile", "topology")}
    return kept | files


def _seed(stored: StoredResults) -> int:
    return int(stored.manifest.get("seed") or 0)
