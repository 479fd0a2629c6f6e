"""What the shell offers for Tab: names of policies, profiles, traces and so on, by the parameter's own name.

Switched on as click's programs are (docs/reference/commands.md). Nothing heavy is imported: a shell waits for this at
every Tab. Names that only a heavy module knows stand here once more, and a test holds them against it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

__all__ = ["DEALS", "DEVICE_MODELS", "DROP_MODES", "offer"]

DEVICE_MODELS = (
    *("streams", "kernel-queue", "processor-sharing", "exclusive", "roofline", "pairwise", "gpulet", "igniter"),
    *("block-priority", "time-slicing"),
)
"""As in `stratsim.device.EXECUTION_MODELS`."""
DROP_MODES = ("never", "expired", "infeasible")
"""As in `stratsim.policy.DropMode`."""
DEALS = ("round-robin", "model", "client")
"""As in `stratsim.model.groups`."""


def _points(group: str) -> list[str]:
    from stratsim.plugins import points

    return list(points(group))


def _bundled(kind: str) -> list[str]:
    from stratsim.bundled import names

    return list(names(kind))


_policies = partial(_points, "stratsim.policies")
_predictors = partial(_points, "stratsim.predictors")
_profiles = partial(_bundled, "profiles")
_topologies = partial(_bundled, "topologies")
_traces = partial(_bundled, "traces")

_WITHIN_POLICY: dict[str, Callable[[], Iterable[str]]] = {
    "predictor": _predictors,
    "belief": _predictors,
    "drop": lambda: DROP_MODES,
}
"""Parameters of policies whose values have names."""

_BY_PARAMETER: dict[str, Callable[[], Iterable[str]]] = {
    "profile": _profiles,
    "into": _profiles,
    "topology": _topologies,
    "trace": _traces,
    "device_model": lambda: DEVICE_MODELS,
    "drop": lambda: DROP_MODES,
    "deal": lambda: DEALS,
    "trace_format": partial(_points, "stratsim.readers"),
    "format_name": partial(_points, "stratsim.readers"),
    "ticks": lambda: ("spread", "leave"),
}
"""Names that a parameter takes, by its name in Python."""
_BY_COMMAND: dict[str, Callable[[], Iterable[str]]] = {
    "policy show name": _policies,
    "predictor show name": _predictors,
    "device show name": lambda: DEVICE_MODELS,
    "profile show source": _profiles,
    "profile pairs source": _profiles,
    "profile pad source": _profiles,
    "profile compare first": _profiles,
    "profile compare second": _profiles,
    "replay belief": _profiles,
}
"""The same where the name of the parameter alone does not say what it is."""
_LISTS = {"policy": _policies}
"""Names of which a parameter takes several by comma, each with parameters in brackets."""
_OF_NO_POLICY = ("explain", "compare", "plot", "report")
"""Commands whose policies are those of a folder: the shell's files would mislead, and so would all names."""


def offer(command: click.Command, path: str) -> None:
    """Let a command's parameters offer their names.

    Args:
        command: The command.
        path: Its name with that of its group: `profile show`, `replay`.
    """
    for parameter in command.params:
        name = parameter.name or ""
        if name in _LISTS and path not in _OF_NO_POLICY:
            # click looks this method up on the object; its own hook is an argument of forty decorators.
            setattr(parameter, "shell_complete", partial(_list, _LISTS[name]))  # noqa: B010
        elif names := _BY_COMMAND.get(f"{path} {name}") or _BY_PARAMETER.get(name):
            setattr(parameter, "shell_complete", partial(_one, names))  # noqa: B010


def _one(names: Callable[[], Iterable[str]], _context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Offer names, or files where none begins so."""
    found = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def _list(names: Callable[[], Iterable[str]], _context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Offer the name that comes next in a list by comma, or within the brackets of one."""
    depth, begin, opened = 0, 0, 0
    for place, sign in enumerate(incomplete):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "(" and depth == 1:
            opened = place + 1
        if sign == "," and depth <= 0:
            begin = place + 1
    if depth <= 0:
        return _after(incomplete[:begin], names(), incomplete[begin:])
    last = max(incomplete.rfind(sign, opened) for sign in ",(") + 1
    key, equals, value = incomplete[max(last, opened) :].partition("=")
    known = _WITHIN_POLICY.get(key.strip())
    if not equals or known is None:
        return []
    return _after(incomplete[: len(incomplete) - len(value)], known(), value)


def _after(head: str, names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    space = incomplete[: len(incomplete) - len(incomplete.lstrip())]
    found = [name for name in names if name.startswith(incomplete.lstrip())]
    if not found and ("/" in incomplete or ".py" in incomplete) and not head:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(f"{head}{space}{name}") for name in found]
