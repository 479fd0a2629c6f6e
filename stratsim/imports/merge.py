"""Puts what files of measurements gave into a profile: a new one, or one that is there."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from stratsim.errors import SpecError, suggest
from stratsim.imports.files import listed
from stratsim.model.profile import (
    SCHEMA_VERSION,
    Device,
    Link,
    Observable,
    ObservableModel,
    Pair,
    Pcie,
    Profile,
    Provenance,
    Truth,
)
from stratsim.model.provenance import ASSUMED, is_assumed, replaced
from stratsim.model.template import ANY_LINK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.imports.found import Found, Solo

__all__ = ["merged"]

_MODEL = ("bytes_in", "bytes_out")
_LESS = 0.5
"""A batch that takes less than this of a smaller one's time is odd."""


def merged(found: Found, source: str, profile: Profile | None, name: str) -> tuple[Profile, list[str]]:
    """Return a profile with what was found, and notes on what is missing and what fills it.

    A figure that the profile has already is kept where it is equal and refused where it differs, unless it was only
    assumed.

    Args:
        found: What a file gives.
        source: The file, for the provenance.
        profile: What it is put into; None makes a new one.
        name: Of the new profile.

    Raises:
        SpecError: a figure differs from one that is there, or a model has no time at batch size 1.
    """
    known = {} if profile is None else dict(profile.observable.models)
    provenance = {} if profile is None else dict(profile.provenance)
    notes = list(found.notes)
    _check_names(found)
    new = [model for model in found.models if model not in known]
    for model, solo in found.models.items():
        known[model] = _model(model, solo, known.get(model), provenance)
    if new:
        notes.append(
            f"bytes_in and bytes_out of {listed(new)} are not in the file and are 0: copies take no time; edit them (a "
            "float32 image of 224 x 224 has 602112)"
        )
    pcie = _pcie(found, profile, provenance, notes)
    pairs = _pairs(found, profile, known)
    if not known:
        raise SpecError(
            "a profile needs a model with a time at batch size 1, and there is none yet: --into PROFILE adds to one"
        )
    for pattern, statistic in found.statistics.items():
        if pattern != "truth.noise_cv":
            entry = Provenance("imported", f"{source}: {statistic}, by {found.tool}")
            provenance = _originated(provenance, pattern, entry, found, profile, pairs)
    notes += _implausible(found.models, known)
    base = profile or Profile(
        SCHEMA_VERSION,
        name,
        Device(name),
        {},
        Observable(pcie, known),
        description="Put together from files of measurements by `stratsim profile import`.",
    )
    if profile is None:
        provenance["device.name"] = Provenance("synthetic", f"{ASSUMED}the profile's own name")
        provenance["observable.interpolation"] = Provenance("synthetic", f"{ASSUMED}linear between batch sizes")
        notes.append("device: no vendor's name in the file; edit device.name")
    truth = _truth(found, source, profile, base.truth, provenance)
    if profile is None and not pairs:
        notes.append(
            "contention: not known; batches share the GPU equally (processor sharing) until `profile import pairs`"
        )
    made = replace(
        base,
        schema_version=SCHEMA_VERSION if any(each.limited for each in pairs) else base.schema_version,
        observable=replace(base.observable, pcie=pcie, models=known),
        provenance=provenance,
        truth=truth,
        pairs=pairs,
    )
    return made, notes


def _originated(
    provenance: dict[str, Provenance],
    pattern: str,
    entry: Provenance,
    found: Found,
    profile: Profile | None,
    pairs: Sequence[Pair],
) -> dict[str, Provenance]:
    """Return the provenance with the origin of what the file gives; other batch sizes and pairs keep theirs."""
    *_, name, field = ("", "", *pattern.rsplit(".", 1))
    model = name.removeprefix("observable.models.")
    others: list[str] = []
    if profile is not None and field == "latency_s" and model in found.models and model in profile.observable.models:
        own = found.models[model].latency_s
        if not is_assumed(provenance, pattern) and set(profile.observable.models[model].latency_s) - set(own):
            others = [f"{pattern}.{batch}" for batch in own]
    elif profile is not None and field == "pairs" and profile.pairs:
        new = {_key(pair) for pair in found.pairs}
        others = [f"{pattern}.{at}" for at, pair in enumerate(pairs) if _key(pair) in new]
    for path in others or [pattern]:
        provenance = replaced(provenance, path, entry)
    return provenance


def _implausible(models: Mapping[str, Solo], known: Mapping[str, ObservableModel]) -> list[str]:
    """Return notes on batches that would take much less time than smaller ones: two files may have two units."""
    notes = []
    for name in models:
        sizes = sorted(known[name].latency_s)
        for small, large in pairwise(sizes):
            first_s, second_s = known[name].latency_s[small], known[name].latency_s[large]
            if second_s < _LESS * first_s:
                notes.append(
                    f"{name!r} takes {1e3 * second_s:g} ms at batch size {large} and {1e3 * first_s:g} ms at {small}: "
                    "is one of them in another unit?"
                )
    return notes


def _truth(
    found: Found, source: str, profile: Profile | None, truth: Truth, provenance: dict[str, Provenance]
) -> Truth:
    """Return the truth with the scatter that was found, if none was known."""
    where = "truth.noise_cv"
    if found.noise_cv is not None and not truth.noise_cv:
        provenance[where] = Provenance("imported", f"{source}: {found.statistics[where]}, by {found.tool}")
        return replace(truth, noise_cv=found.noise_cv)
    if profile is None:
        provenance.setdefault(where, Provenance("synthetic", f"{ASSUMED}durations do not vary"))
    return truth


def _check_names(found: Found) -> None:
    for name in found.models:
        if not name.isprintable() or name != name.strip() or not name:
            raise SpecError(
                f"{name!r} is no name of a model: it has spaces about it, a line break or a control character"
            )


def _model(name: str, solo: Solo, known: ObservableModel | None, provenance: dict[str, Provenance]) -> ObservableModel:
    stands_in = is_assumed(provenance, f"observable.models.{name}.latency_s")
    latency_s = {} if known is None or (solo.latency_s and stands_in) else dict(known.latency_s)
    for batch, value in solo.latency_s.items():
        if batch in latency_s and latency_s[batch] != value:
            raise SpecError(
                f"{name!r} at batch size {batch} takes {1e3 * latency_s[batch]:g} ms in the profile and "
                f"{1e3 * value:g} ms in the file: two measurements of one thing; import one of them"
            )
        latency_s[batch] = value
    if 1 not in latency_s:
        raise SpecError(
            f"{name!r} has no time at batch size 1 (the file has {listed(sorted(latency_s)) or 'none'}), and a profile "
            "needs one: measure it too, and import it first, or with the same command"
        )
    kernels = solo.kernels or (known.kernels if known is not None else None)
    if known is not None:
        features = {batch: each for batch, each in known.features.items() if batch in latency_s}
        return replace(known, latency_s=dict(sorted(latency_s.items())), features=features, kernels=kernels)
    for field in _MODEL:
        provenance[f"observable.models.{name}.{field}"] = Provenance("synthetic", f"{ASSUMED}nothing is copied")
    return ObservableModel(dict(sorted(latency_s.items())), 0, 0, kernels=kernels)


def _pcie(found: Found, profile: Profile | None, provenance: dict[str, Provenance], notes: list[str]) -> Pcie:
    pcie = Pcie(ANY_LINK, ANY_LINK) if profile is None else profile.observable.pcie
    for direction in ("h2d", "d2h"):
        link: Link = getattr(pcie, direction)
        where = f"observable.pcie.{direction}"
        if profile is None:
            provenance[where] = Provenance(
                "synthetic", f"{ASSUMED}{1e6 * ANY_LINK.alpha_s:g} us and {ANY_LINK.bytes_per_s / 1e9:g} GB/s"
            )
        if direction not in found.bytes_per_s:
            if profile is None:
                notes.append(
                    f"link {direction}: not in the file, {ANY_LINK.bytes_per_s / 1e9:g} GB/s assumed; "
                    "`profile import nvbandwidth` gives it"
                )
            continue
        if not is_assumed(provenance, f"{where}.bytes_per_s") and link.bytes_per_s != found.bytes_per_s[direction]:
            raise SpecError(
                f"the link ({direction}) carries {link.bytes_per_s / 1e9:g} GB/s in the profile and "
                f"{found.bytes_per_s[direction] / 1e9:g} in the file: two measurements of one thing; import one of them"
            )
        made = Link(found.alpha_s.get(direction, link.alpha_s), found.bytes_per_s[direction])
        pcie = replace(pcie, h2d=made) if direction == "h2d" else replace(pcie, d2h=made)
        if direction not in found.alpha_s:
            provenance.setdefault(
                f"{where}.alpha_s", Provenance("synthetic", f"{ASSUMED}{1e6 * made.alpha_s:g} us to begin a copy")
            )
    return pcie


def _pairs(found: Found, profile: Profile | None, models: Mapping[str, ObservableModel]) -> tuple[Pair, ...]:
    """Return the pairs of both; the profile must know every model and batch size that is named."""
    known = {} if profile is None else {_key(pair): pair for pair in profile.pairs}
    lacking: dict[str, str] = {}
    for pair in found.pairs:
        for model, batch in ((pair.target, pair.target_batch), (pair.other, pair.other_batch)):
            if model not in models or batch > max(models[model].latency_s):
                lacking[f"{model} at batch size {batch}"] = model
        earlier = known.get(_key(pair))
        if earlier is not None and earlier.slowdown != pair.slowdown:
            raise SpecError(
                f"{pair.target!r} beside {pair.other!r} is slowed {earlier.slowdown:g} times in the profile and "
                f"{pair.slowdown:g} times in the file: two measurements of one thing; import one of them"
            )
        known[_key(pair)] = pair
    if lacking:
        strangers = [model for model in lacking.values() if model not in models]
        known_as = (
            f"; {suggest(strangers[0], models)}: --name {strangers[0]}=MODEL says so" if strangers and models else ""
        )
        raise SpecError(
            f"the pairs name what the profile lacks: {listed(lacking)}; import their solo times first{known_as}"
        )
    return tuple(known.values())


def _key(pair: Pair) -> tuple[object, ...]:
    return pair.target, pair.target_batch, pair.other, pair.other_batch, pair.target_share, pair.other_share
