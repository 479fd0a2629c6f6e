"""Errors name what the user typed: `--max-batch must be ...`, where the setting is called `max_batch`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["as_typed", "options_named"]

_OTHERWISE = {"warmup_s": "--warmup", "transfers": "--no-transfers", "policies": "--policy", "metrics": "--metric"}
"""Options that are not called as the setting is."""
_SOURCE = "options: "
"""What settings are called that come from the command line (`stratsim.run.spec.make_spec`)."""


def options_named(settings: Iterable[str]) -> dict[str, str]:
    """Return the options by which these settings are given."""
    return {name: _OTHERWISE.get(name, "--" + name.replace("_", "-")) for name in settings}


@contextmanager
def as_typed(typed: Mapping[str, str]) -> Iterator[None]:
    """Let errors about a setting name the option that set it.

    Args:
        typed: What the user typed, by setting.
    """
    try:
        yield
    except SpecError as error:
        if type(error) is not SpecError:
            raise
        raise SpecError(_renamed(str(error), typed)) from error


def _renamed(message: str, typed: Mapping[str, str]) -> str:
    """Return `NAME must ...` and `options: ... - at $.NAME` with the name as it was typed."""
    rest = message.removeprefix(_SOURCE)
    name, _, said = rest.partition(" ")
    if name in typed and said.startswith("must "):
        return f"{typed[name]} {said}"
    said, _, name = rest.rpartition(" - at $.")
    return f"{typed[name]}: {said}" if name in typed and message.startswith(_SOURCE) else message
