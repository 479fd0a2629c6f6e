"""What can be seen to be wrong with a sweep before anything is read: each error names the path in the file."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.errors import SpecError, suggest
from stratsim.experiment.study import Arrivals, put
from stratsim.model.codec import decode
from stratsim.policy.registry import parse_policies
from stratsim.run.spec import RunSpec, make_spec
from stratsim.trace.spec import WorkloadRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.experiment.plain_sweep.spec import Sweep

__all__ = ["SETTINGS", "check_sweep", "filled"]

SETTINGS = "settings."
"""What an axis begins with whose values go into the policies' texts."""
_PARTS = ("workload", "arrivals")
"""Tables of which an axis can change a part."""
_NOT_GENERATED = ("trace", "trace_format", "columns", "ticks", "limit")
"""Settings of a trace that is read."""
_SEED = "seed"
_HOLE = re.compile(r"\{(\w+)\}")


def check_sweep(sweep: Sweep, source: object) -> None:
    """Refuse what a sweep cannot have.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    _checked(lambda: _check_base(sweep), source, "$.base")
    if sweep.arrivals is not None:
        _checked(lambda: decode(sweep.arrivals, Arrivals, "part"), source, "$.arrivals")
    if sweep.workload is not None:
        _checked(lambda: _rule(sweep.workload), source, "$.workload")
    for where, grid in sweep.grids():
        for name, values in grid.items():
            _checked(lambda name=name, values=values: _check_axis(sweep, name, values), source, f"{where}[{name!r}]")
        _check_policies(sweep, where, grid, source)


def _check_base(sweep: Sweep) -> None:
    known = [entry.name for entry in fields(RunSpec)]
    for name in sweep.base:
        if name == _SEED:
            raise SpecError("seeds are said in [sweep]")
        if name not in known:
            raise SpecError(f"unknown setting {name!r}; {suggest(name, known)}")
    make_spec({name: value for name, value in sweep.base.items() if name != "policy"}, "part")
    for name in sweep.base:
        _check_alternative(sweep, name)


def _check_alternative(sweep: Sweep, name: str) -> None:
    """Refuse a setting beside the table that is there instead of it: one would win unnoticed."""
    for part, instead_of in (("arrivals", _NOT_GENERATED), ("workload", ("workload",))):
        in_axes = any(axis.startswith(f"{part}.") for axis in sweep.axis_names())
        if name in instead_of and (in_axes or getattr(sweep, part) is not None):
            raise SpecError(f"{name} and the table [{part}] exclude each other")


def _check_axis(sweep: Sweep, name: str, values: list[Any]) -> None:
    """Require an axis that names a setting, with values that it can have."""
    if not values:
        raise SpecError("an axis needs at least one value")
    head, _, rest = name.partition(".")
    if name.startswith(SETTINGS) or name == "policy":
        return
    if head in _PARTS and rest:
        for value in values:
            changed = put(getattr(sweep, head) or {}, rest, value)
            _ = _rule(changed) if head == "workload" else decode(changed, Arrivals, "part")
        return
    known = [entry.name for entry in fields(RunSpec) if entry.name != _SEED]
    if name not in known:
        raise SpecError(
            "seeds are said in [sweep]" if name == _SEED else f"no setting {name!r}; {suggest(name, known)}"
        )
    _check_alternative(sweep, name)
    for value in values:
        make_spec({name: value}, "part")


def _check_policies(sweep: Sweep, where: str, grid: Mapping[str, list[Any]], source: object) -> None:
    """Require that policies can be read, and that what is to be put into them has values."""
    place = f"{where}['policy']" if "policy" in grid else "$.base.policy"
    texts = grid.get("policy") or [sweep.base.get("policy", RunSpec().policy)]
    settings = {name.removeprefix(SETTINGS): values for name, values in grid.items() if name.startswith(SETTINGS)}
    used = set()
    for text in texts:
        if not isinstance(text, str):
            raise SpecError(f"{source}: expected the text of a policy, got {text!r} - at {place}")
        holes = set(_HOLE.findall(text))
        used |= holes
        lacking = next((name for name in sorted(holes) if name not in settings), None)
        if lacking is not None:
            raise SpecError(f"{source}: there is no axis {SETTINGS + lacking!r} for {text!r} - at {place}")
        first = {name: settings[name][0] for name in holes}
        _checked(lambda text=text, first=first: parse_policies(filled(text, first)), source, place)
    for name in settings:
        if name not in used:
            raise SpecError(f"{source}: no policy has {{{name}}} - at {where}[{SETTINGS + name!r}]")


def filled(text: str, values: Mapping[str, Any]) -> str:
    """Return a policy's text with values where it has `{NAME}`."""
    for name, value in values.items():
        word = str(value).lower() if isinstance(value, bool) else str(value)
        text = text.replace(f"{{{name}}}", word)
    return text


def _rule(table: Any) -> WorkloadRule:
    try:
        return msgspec.convert(table, type=WorkloadRule)
    except msgspec.ValidationError as error:
        raise SpecError(str(error).replace(" - at `$", " - at $").rstrip("`")) from None


def _checked(check: Any, source: object, where: str) -> None:
    """Run a check of a part, and name the file and the whole path in its message."""
    try:
        check()
    except SpecError as error:
        message, _, below = str(error).removeprefix("part: ").partition(" - at $")
        raise SpecError(f"{source}: {message} - at {where}{below}") from None
