"""Which engine makes a run: the reference on SimPy, or the fast one, which gives the same bytes (`stratsim.fast`).

The fast engine does what it `covers`. Loading it takes a second, and compiling it half a minute on the first run of a
machine; so `auto` takes it where a process has enough to simulate.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from stratsim.engine.simulation import simulate_with
from stratsim.fast import covers
from stratsim.fast.coverage import RUN, kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine import Result
    from stratsim.engine.options import Options
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["Engine", "EngineName"]

EngineName = Literal["auto", "simpy", "fast"]

_PAYS = 400_000
"""Requests in one process from which loading compiled code costs less than it saves: about two seconds. Our choice."""
_PAYS_SOONER = 10_000
"""The same for what takes the reference longer: `strait` and `aware-edf`, which forecast, `triton`, what preempts."""
_PAYS_TO_COMPILE = 4_000_000
"""The same where it has to be compiled first: about half a minute. Our choice."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Makes runs; called as `stratsim.engine.simulate_with` is.

    Args:
        name: `simpy`, `fast` or `auto`; `fast` too leaves to the reference what it does not cover.
        requests: How many this process simulates, as far as is known: those of its runs so far, and those to come.
    """

    name: EngineName = "auto"
    requests: int = 0

    def __call__(
        self,
        workload: Workload,
        profile: Profile,
        policy: Policy,
        options: Options,
        progress: Callable[[int, int], None] | None = None,
    ) -> Result:
        """Make a run on the engine that is chosen for it; the result says which, and why not on the other."""
        known = all(name in profile.observable.models for name in workload.models)
        why = self._why_not_fast(workload, profile, policy, options) if known else "a model is not in the profile"
        if why is not None:
            return replace(simulate_with(workload, profile, policy, options, progress), not_fast=why)
        from stratsim.fast.run import simulate_fast

        return simulate_fast(workload, profile, policy, options, progress)

    def _why_not_fast(self, workload: Workload, profile: Profile, policy: Policy, options: Options) -> str | None:
        if self.name == "simpy":
            return "simpy was asked for"
        if self.name == "auto":
            why = self._why_it_does_not_pay(len(workload), kernel_of(policy))
            if why is not None:
                return why
        return covers(workload, profile, policy, options)

    def _why_it_does_not_pay(self, requests: int, kernel: str) -> str | None:
        if find_spec("numba") is None:
            return "numba is not installed"
        loaded = sys.modules.get("stratsim.fast.run")
        if loaded is not None and loaded.is_ready(kernel):
            return None
        requests = max(requests, self.requests)
        if requests >= _PAYS_TO_COMPILE:
            return None
        from stratsim.fast.cache import is_filled

        if requests >= (_PAYS if kernel == RUN else _PAYS_SOONER) and is_filled(kernel):
            return None
        return "it is over sooner than compiled code is loaded"
