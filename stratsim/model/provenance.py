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
    from collections.abc import Iterator

    from stratsim.model.profile import Profile, Provenance

__all__ = ["origin", "uncovered", "unused"]

_SECTIONS = ("device", "observable", "truth", "pairs")
"""The sections that hold figures; the others describe the file."""

Parts = tuple[str, ...]


def origin(profile: Profile, path: Parts) -> Provenance | None:
    """Return the origin of the field at `path`, such as `("observable", "models", "vgg19", "bytes_in")`."""
    matching = [pattern for pattern in profile.provenance if _matches(_parts(pattern), path)]
    if not matching:
        return None
    return profile.provenance[max(matching, key=lambda pattern: _specificity(_parts(pattern)))]


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
    return len(pattern) <= len(path) and all(own in ("*", part) for own, part in zip(pattern, path, strict=False))


def _specificity(pattern: Parts) -> tuple[int, int]:
    return len(pattern), -pattern.count("*")
