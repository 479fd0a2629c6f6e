"""Which figures of a profile come from where.

A profile's `provenance` maps patterns to origins. A pattern is a path whose parts are separated by dots, `*` standing
for any one part; it speaks for the field it names and for everything below it. Where several match, the most specific
one counts: more parts first, then fewer `*`.

    observable.models.*.latency_s       every model's latencies at every batch size
    observable.models.vgg19.latency_s   says something else of one model
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.model.codec import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stratsim.model.profile import Profile, Provenance

__all__ = ["ASSUMED", "is_assumed", "origin", "replaced", "uncovered", "unused"]

ASSUMED = "assumed by stratsim: "
"""What the source of a stand-in begins with: an import may replace it."""

_SECTIONS = ("device", "observable", "truth", "pairs")
"""The sections that hold figures; the others describe the file."""

Parts = tuple[str, ...]


def origin(profile: Profile, path: Parts) -> Provenance | None:
    """Return the origin of the field at `path`, such as `("observable", "models", "vgg19", "bytes_in")`."""
    return _origin(profile.provenance, path)


def is_assumed(provenance: Mapping[str, Provenance], path: str) -> bool:
    """Return whether the field at `path`, such as `observable.pcie.h2d`, holds a stand-in that stratsim assumed."""
    found = _origin(provenance, _parts(path))
    return found is not None and found.source.startswith(ASSUMED)


def replaced(provenance: Mapping[str, Provenance], path: str, entry: Provenance) -> dict[str, Provenance]:
    """Return a provenance in which the field at `path`, and everything below it, has this origin."""
    kept = {pattern: known for pattern, known in provenance.items() if not f"{pattern}.".startswith(f"{path}.")}
    return kept | {path: entry}


def _origin(provenance: Mapping[str, Provenance], path: Parts) -> Provenance | None:
    matching = [pattern for pattern in provenance if _matches(_parts(pattern), path)]
    if not matching:
        return None
    return provenance[max(matching, key=lambda pattern: _specificity(_parts(pattern)))]


def uncovered(profile: Profile) -> tuple[str, ...]:
    """Return the fields that hold a figure for which no provenance is given; a profile that we ship has none."""
    return tuple(".".join(path) for path in _leaves(profile) if origin(profile, path) is None)


def unused(profile: Profile) -> tuple[str, ...]:
    """Return the provenance patterns that match no field: usually a typing error."""
    leaves = list(_leaves(profile))
    return tuple(
        pattern for pattern in profile.provenance if not any(_matches(_parts(pattern), path) for path in leaves)
    )


def _leaves(profile: Profile) -> Iterator[Parts]:
    data = plain(profile)
    for section in _SECTIONS:
        if section in data:
            yield from _walk(data[section], (section,))


def _walk(value: object, path: Parts) -> Iterator[Parts]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, str(index)))
    else:
        yield path


def _parts(pattern: str) -> Parts:
    return tuple(pattern.split("."))


def _matches(pattern: Parts, path: Parts) -> bool:
    """Return whether a pattern speaks for a field; names in a path may hold dots themselves (`resnet-v1.5`)."""
    at = 0
    for part in path:
        pieces = _parts(part)
        if at == len(pattern):
            return True
        if pattern[at] == "*":
            at += 1
        elif pattern[at : at + len(pieces)] == pieces:
            at += len(pieces)
        else:
            return False
    return at == len(pattern)


def _specificity(pattern: Parts) -> tuple[int, int]:
    return len(pattern), -pattern.count("*")
