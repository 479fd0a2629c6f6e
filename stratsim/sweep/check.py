"""What can be seen to be wrong with a sweep before anything is read: each error names the path in the file."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.errors import SpecError, suggest
from stratsim.model.codec import decode
from stratsim.policy.registry import check_policy_call, parse_policies
from stratsim.run.arrivals import Arrivals
from stratsim.run.spec import RunSpec, make_spec
from stratsim.sweep.settings import MEANS
from stratsim.sweep.spec import combined, filled
from stratsim.trace.spec import WorkloadRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stratsim.sweep.spec import Sweep

__all__ = ["PARTS", "SETTINGS", "check_count", "check_sweep", "part_rule", "put"]

MOST_SETTINGS = 1_000_000
"""Combinations of a sweep: to make as many runs takes weeks. Our choice."""
SETTINGS = "settings."
"""What an axis begins with whose values go into the policies' texts."""
PARTS = ("workload", "arrivals")
"""Tables of which an axis can change a part."""
_NOT_GENERATED = ("trace", "trace_format", "columns", "ticks", "limit")
"""Settings of a trace that is read."""
_KNOWN = tuple(entry.name for entry in fields(RunSpec))
_HOLE = re.compile(r"\{(\w+)\}")


def check_sweep(sweep: Sweep, source: object) -> None:
    """Refuse what a sweep cannot have.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    check_count(sweep, source)
    _checked(partial(_check_base, sweep), source, "$.base")
    for part in PARTS:
        table = getattr(sweep, part)
        if table is not None:
            _checked(partial(_check_part, part, table), source, f"$.{part}")
    for where, grid in sweep.grids():
        for name, values in grid.items():
            _checked(partial(_check_axis, sweep, name, values), source, f"{where}[{name!r}]")
        _check_policies(sweep, where, grid, source)
    for name, entry in sweep.policies.items():
        _checked(partial(_check_entry, entry.policy, entry.settings | entry.each), source, f"$.policies.{name}")
        _checked(partial(_check_only, entry.only), source, f"$.policies.{name}.only")
    _checked(partial(_check_select, sweep), source, "$.sweep.select")
    subject = sweep.sweep.subject
    if subject is not None and sweep.policies and subject not in sweep.entries():
        hint = suggest(subject, sweep.entries())
        raise SpecError(f"{source}: no policy {subject!r}; {hint} - at $.sweep.subject")


def check_count(sweep: Sweep, source: object) -> None:
    """Refuse a sweep of more runs than anybody could make, before they are made up one by one.

    Raises:
        SpecError: says how many there are.
    """
    texts = [each.settings | each.each for each in sweep.policies.values()]
    policies = sum(prod(map(len, values.values())) for values in texts) if texts else 1
    count = policies * sum(prod(map(len, grid.values())) for _, grid in sweep.grids())
    if count > MOST_SETTINGS:
        raise SpecError(
            f"{source}: the axes and policies have {count} combinations, and at most {MOST_SETTINGS} can be planned; "
            "give fewer values, or a list of tables of axes instead of one - at $.axes"
        )


def _check_base(sweep: Sweep) -> None:
    for name in sweep.base:
        _check_setting(sweep, name, "unknown setting")
    make_spec({name: value for name, value in sweep.base.items() if name != "policy"}, "part")


def _check_setting(sweep: Sweep, name: str, wrong: str) -> None:
    """Refuse a setting that does not exist, and one beside the table that is there instead: one would win unnoticed."""
    if name == "seed":
        raise SpecError("seeds are said in [sweep]")
    if name not in _KNOWN:
        raise SpecError(f"{wrong} {name!r}; {suggest(name, _KNOWN)}")
    alternatives = [("policies", ("policy",)), ("arrivals", _NOT_GENERATED), ("workload", ("workload",))]
    for part, instead_of in alternatives:
        in_axes = any(axis.startswith(f"{part}.") for axis in sweep.axis_names())
        if name in instead_of and (in_axes or getattr(sweep, part)):
            raise SpecError(f"{name} and the table [{part}] exclude each other")


def _check_axis(sweep: Sweep, name: str, values: list[Any]) -> None:
    """Require an axis that names a setting, with values that it can have."""
    if not values:
        raise SpecError("an axis needs at least one value")
    head, _, rest = name.partition(".")
    if name.startswith(SETTINGS):
        return
    if head in PARTS and rest:
        for value in values:
            _check_part(head, put(getattr(sweep, head) or {}, rest, value))
        return
    if rest:
        raise SpecError(f"no part {head!r} of a sweep varies; it is 'workload' or 'arrivals'")
    _check_setting(sweep, name, "no setting")
    if name in MEANS:
        raise SpecError(f"rows do not depend on {name}: it belongs into [base]")
    for value in values if name != "policy" else ():
        make_spec({name: value}, "part")


def _check_part(part: str, table: Mapping[str, Any]) -> None:
    if part == "arrivals":
        decode(dict(table), Arrivals, "part")
    else:
        part_rule(table)


def _check_policies(sweep: Sweep, where: str, grid: Mapping[str, list[Any]], source: object) -> None:
    """Require that policies can be read, and that what is to be put into them has values."""
    settings = {name.removeprefix(SETTINGS): values for name, values in grid.items() if name.startswith(SETTINGS)}
    if sweep.policies:
        if settings:
            name = next(iter(settings))
            raise SpecError(f"{source}: named policies have settings of their own - at {where}[{SETTINGS + name!r}]")
        return
    place = f"{where}['policy']" if "policy" in grid else "$.base.policy"
    texts = grid.get("policy") or [sweep.base.get("policy", RunSpec().policy)]
    for text in texts:
        if not isinstance(text, str):
            raise SpecError(f"{source}: expected the text of a policy, got {text!r} - at {place}")
        holes = sorted(_HOLE.findall(text))
        lacking = next((name for name in holes if name not in settings), None)
        if lacking is not None:
            raise SpecError(f"{source}: there is no axis {SETTINGS + lacking!r} for {text!r} - at {place}")
        first = {name: settings[name][0] for name in holes}
        _checked(partial(parse_policies, filled(text, first)), source, place)
    for name in settings:
        if not any(f"{{{name}}}" in text for text in texts):
            raise SpecError(f"{source}: no policy has {{{name}}} - at {where}[{SETTINGS + name!r}]")


def _check_entry(policy: str, values: dict[str, list[Any]]) -> None:
    for text in (filled(policy, each) for each in combined(values)):
        calls = parse_policies(text)
        if len(calls) != 1:
            raise SpecError(f"expected one policy, got {len(calls)}: {text!r}")
        check_policy_call(calls[0])


def _check_only(only: Mapping[str, list[Any]]) -> None:
    for name in only:
        if name not in _KNOWN and name.partition(".")[0] not in PARTS:
            raise SpecError(f"no setting {name!r}; {suggest(name, _KNOWN)}")


def _check_select(sweep: Sweep) -> None:
    for name in sweep.choice_axes():
        if name not in sweep.axis_names():
            raise SpecError(f"there is no axis {name!r} to choose of; {suggest(name, sweep.axis_names())}")


def part_rule(table: Mapping[str, Any] | None) -> WorkloadRule | None:
    """Return the workload rule of a table; None for None.

    Raises:
        SpecError: it says something unknown or impossible; names the path inside the table.
    """
    if table is None:
        return None
    try:
        return msgspec.convert(dict(table), type=WorkloadRule)
    except msgspec.ValidationError as error:
        raise SpecError(str(error).replace(" - at `$", " - at $").rstrip("`")) from None


def put(table: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a table with the value at a dotted path; an empty path replaces the whole."""
    if not path:
        return dict(value)
    head, _, rest = path.partition(".")
    inner = table.get(head)
    below: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    return {**table, head: put(below, rest, value) if rest else value}


def _checked(check: Callable[[], object], source: object, where: str) -> None:
    """Run a check of a part, and name the file and the whole path in its message."""
    try:
        check()
    except SpecError as error:
        message, _, below = str(error).removeprefix("part: ").partition(" - at $")
        raise SpecError(f"{source}: {message} - at {where}{below}") from None
