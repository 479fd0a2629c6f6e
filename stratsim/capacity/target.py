"""What is to be met: the largest share of violations, by class."""

from __future__ import annotations

from stratsim.errors import SpecError, suggest

__all__ = ["ALL", "parse_target"]

ALL = "all"
"""Both classes together."""
_KNOWN = ("high", "low", ALL)


def parse_target(text: str) -> dict[str, float]:
    """Return the largest share of violations by class: `high=1%,low=5%` is {"high": 0.01, "low": 0.05}.

    A share is a percentage, or a number below 1. `all` means both classes together.

    Raises:
        SpecError: a class that does not exist or is named twice, or no share within [0, 1).
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise SpecError(f"a target is CLASS=SHARE, such as high=1%, got {part.strip()!r}")
        if name not in _KNOWN:
            raise SpecError(f"target: no class {name!r}; {suggest(name, _KNOWN)}")
        if name in found:
            raise SpecError(f"target: class {name!r} is named twice")
        found[name] = _share(name, value)
    return found


def _share(name: str, value: str) -> float:
    percent = value.endswith("%")
    try:
        share = float(value.removesuffix("%")) / (100.0 if percent else 1.0)
    except ValueError:
        raise SpecError(f"target: {name} must be a share such as 1% or 0.01, got {value!r}") from None
    if not 0 <= share < 1:
        hint = f"; write {value}% for percent" if not percent else ""
        raise SpecError(f"target: {name} must be at least 0 and below 100 %, got {value!r}{hint}")
    return share
