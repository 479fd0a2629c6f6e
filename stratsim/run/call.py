"""`stratsim.simulate`: one call for scripts and notebooks, with objects or with names."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from stratsim.errors import SpecError
from stratsim.model.profile import Profile
from stratsim.model.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratsim.engine import Result
    from stratsim.plugins import PluginCall
    from stratsim.policy.base import Policy
    from stratsim.run.outcome import Outcome
    from stratsim.trace import Trace

    Named = str | os.PathLike[str]

__all__ = ["simulate"]


@overload
def simulate(trace: Workload, profile: Profile, policy: Policy, **options: Any) -> Result: ...


@overload
def simulate(
    trace: Named | Trace | Any | None,
    profile: Named | Profile = ...,
    policy: str | Policy | type[Policy] | Sequence[str | Policy | type[Policy]] = ...,
    **settings: Any,
) -> Outcome: ...


def simulate(trace: Any = None, profile: Any = None, policy: Any = None, **settings: Any) -> Result | Outcome:
    """Replay requests through policies.

    By name, each policy gets the same requests, and what the trace lacks is filled as `stratsim replay` fills it:

        runs = simulate("default", "a100-80gb-parvagpu", "edf,priority-edf", load=0.8, limit=2000)
        runs["edf"].to_pandas()

    With a complete `Workload`, a `Profile` and a policy object it is one run, whose keywords are those of
    `stratsim.engine.simulate`, and its `Result` is returned. A pure function of its arguments either way.

    Args:
        trace: A file, the name of a bundled trace, a `Trace`, a pandas, polars or Arrow table, or None for the bundled
            default. Or a `Workload`.
        profile: Name of a bundled profile, a file, or a `Profile`; `a100-80gb-parvagpu` by default.
        policy: Policies by comma, with parameters in brackets, or a list of such texts, policy objects and classes; the
            four queueing policies by default. A text `FILE.py:CLASS` is refused, as it could come from data: import
            the class and give that, or call `stratsim.plugins.allow_code` first.
        settings: Whatever `stratsim replay --set` takes (docs/reference/replay.md).

    Returns:
        A mapping from each policy, as it was asked for (a class by its name), to its `Result`.

    Raises:
        SpecError: something unknown, of the wrong type or impossible, with the nearest name.
        StratsimError: whatever else cannot be used or fails.
    """
    from stratsim.engine import simulate as run

    if isinstance(trace, Workload):
        if not isinstance(profile, Profile) or isinstance(policy, str | type | None | list | tuple):
            raise SpecError(
                "a Workload goes with a Profile and a policy object: `simulate(workload, load_profile(NAME), Edf())`; "
                "with names, give the trace: `simulate(TRACE, NAME, 'edf')`"
            )
        return run(trace, profile, policy, **settings)
    return _by_name(trace, profile, policy, settings)


def _by_name(trace: Any, profile: Any, policy: Any, settings: dict[str, Any]) -> Outcome:
    from stratsim.run.inputs import prepare
    from stratsim.run.replay import replay
    from stratsim.run.spec import make_spec
    from stratsim.trace import Trace

    for name in ("trace", "profile", "policy"):
        if name in settings:  # a RunSpec has them, too
            raise SpecError(f"simulate() got {name} twice")
    calls, objects = _policies(policy)
    named = {"trace": _name(trace), "policy": ",".join(call.text for call in calls) or None}
    named["profile"] = profile.name if isinstance(profile, Profile) else _name(profile)
    spec = make_spec(settings | {name: text for name, text in named.items() if text is not None}, "simulate")
    made = trace if named["trace"] is None else None
    if isinstance(made, Trace) and spec.limit is not None:
        made = made.head(spec.limit)
    inputs = prepare(spec, made, profile if isinstance(profile, Profile) else None, tuple(calls) or None)
    return replay(replace(inputs, objects=objects))


def _name(given: Any) -> str | None:
    """Return a name or path as text; None for what is an object."""
    return os.fspath(given) if isinstance(given, str | os.PathLike) else None


def _policies(policy: Any) -> tuple[list[PluginCall], dict[str, Policy]]:
    """Return the policies to replay, and those of them that are objects, by the text of their call."""
    from stratsim.plugins import PluginCall
    from stratsim.policy.registry import make_policy, parse_policies

    given: Iterable[Any] = () if policy is None else policy if isinstance(policy, list | tuple) else (policy,)
    calls: list[PluginCall] = []
    objects: dict[str, Policy] = {}
    for each in given:
        if isinstance(each, str):
            found = parse_policies(each)
            for call in found:
                make_policy(call)
            calls += found
            continue
        made = each() if isinstance(each, type) else each
        if not hasattr(made, "decide"):
            raise SpecError(f"expected a policy by name, or an object of one, got {each!r}")
        name = type(made).__name__
        objects[name] = made
        calls.append(PluginCall(name, name, {}))
    texts = [call.text for call in calls]
    for text in texts:
        if texts.count(text) > 1:
            raise SpecError(f"policy {text!r} is given twice")
    return calls, objects
