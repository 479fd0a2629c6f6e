"""Forced replay: the batches of a run, and when each was dispatched, imposed on the simulator.

What is left to the simulator is the device: how long copies and executions take, and who waits for whom on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from stratsim.device import LogNormal
from stratsim.engine import simulate
from stratsim.fidelity.record import workload_of
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.engine import Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile
    from stratsim.model.request import Request
    from stratsim.policy.view import View

__all__ = ["Action", "Forced", "actions_of", "forced_replay"]


class Action(NamedTuple):
    """Something that a run did.

    Args:
        at_s: When.
        requests: Ids of the members of a batch, or of the one request that was dropped.
        gpu: Where the batch went; None for a drop.
        reason: Why the request was dropped.
    """

    at_s: float
    requests: tuple[int, ...]
    gpu: int | None
    reason: str = ""


class Forced(Policy):
    """Takes the decisions of a recorded run at the times at which that run took them.

    Args:
        actions: In the order in which they are to be taken.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL})

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = tuple(actions)

    def prepare(self, setting: Setting) -> None:  # noqa: ARG002
        """Forget everything."""
        self._next = 0
        self._there: dict[int, Request] = {}

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Take note of the request."""
        self._there[request.id] = request

    def decide(self, view: View) -> Iterator[Decision]:
        """Take the recorded decisions of this instant, and set a timer for the next one."""
        while self._next < len(self._actions):
            action = self._actions[self._next]
            if action.at_s > view.now_s:
                yield SetTimer(action.at_s)
                return
            self._next += 1
            requests = tuple([self._there.pop(name) for name in action.requests])
            yield Drop(requests[0], action.reason) if action.gpu is None else Start(requests, action.gpu)


def actions_of(result: Result) -> list[Action]:
    """Return what a run did, in order; nothing is done before all who take part in it have arrived.

    Batches keep their order, and with it their numbers.
    """
    requests, batches = result.requests, result.batches
    order = np.argsort(requests.batch, kind="stable")
    first = np.searchsorted(requests.batch[order], np.arange(len(batches) + 1))
    actions = []
    at_s = -np.inf
    for batch in range(len(batches)):
        members = order[first[batch] : first[batch + 1]]
        at_s = max(at_s, float(batches.dispatch_s[batch]), float(requests.arrival_s[members].max()))
        actions.append(Action(at_s, tuple(members.tolist()), int(batches.gpu[batch])))
    for name in np.flatnonzero(~np.isnan(requests.dropped_s)).tolist():
        at_s = max(float(requests.dropped_s[name]), float(requests.arrival_s[name]))
        actions.append(Action(at_s, (name,), None, result.reasons[requests.reason[name]]))
    return sorted(actions, key=lambda action: action.at_s)


def forced_replay(run: Recorded, profile: Profile, *, noise_cv: float = 0.0) -> Result:
    """Replay the batches of a run at their own times; batches have the same numbers as in the run.

    Executions take the profile's times, without noise unless it is asked for. A batch may be staged however many there
    are: the live run's own limit is in its dispatch times already.

    Args:
        run: The run; its batches must be in the order of dispatch.
        profile: The device.
        noise_cv: Coefficient of variation of solo times.
    """
    cluster = run.spec.cluster()
    return simulate(
        workload_of(run.result),
        profile,
        Forced(actions_of(run.result)),
        cluster=replace(cluster, prefetch=max(len(run.result.batches), 1)),
        max_batch=run.spec.max_batch,
        noise=LogNormal(noise_cv),
        name=f"forced: {run.policy}",
    )
