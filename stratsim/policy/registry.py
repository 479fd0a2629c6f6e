"""Finds policies by name (entry points `stratsim.policies`), or in a user's file: see `stratsim.plugins`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim import plugins
from stratsim.errors import CodeRefusedError
from stratsim.plugins import PluginCall, Registry

if TYPE_CHECKING:
    from stratsim.policy.base import Policy

__all__ = [
    "Description",
    "PolicyCall",
    "check_policy_call",
    "describe",
    "make_policy",
    "parse_policies",
    "policy_class",
    "registered",
]

PolicyCall = PluginCall

_POLICIES: Registry[Policy] = Registry(
    kind="policy",
    group="stratsim.policies",
    base="stratsim.policy.base.Policy",
    needed=("prepare", "on_arrival", "decide", "wakes"),
    family="decide",
)

registered = _POLICIES.registered
parse_policies = _POLICIES.parse
make_policy = _POLICIES.make
policy_class = _POLICIES.load


def check_policy_call(call: PolicyCall) -> None:
    """Make a policy to see that it can be made; one that is code which nobody allowed is left as it is.

    For those who read what others ran: whoever runs it makes it, and is told.

    Raises:
        SpecError: as `make_policy`.
    """
    with suppress(CodeRefusedError):
        make_policy(call)


@dataclass(frozen=True, slots=True)
class Description(plugins.Description):
    """What a policy's class says of itself.

    Args:
        wakes: The moments at which it is asked for decisions.
    """

    wakes: tuple[str, ...]


def describe(name: str) -> Description:
    """Return what the policy `name` says of itself.

    Raises:
        SpecError: there is no such policy.
    """
    about = _POLICIES.describe(name)
    wakes = tuple(sorted(wake.value for wake in policy_class(name).wakes))
    return Description(about.summary, about.text, about.source, about.parameters, wakes)
