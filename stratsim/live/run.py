"""Serves a spec's requests through each of its policies, one after the other, on one device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.layout import client_streams
from stratsim.errors import ServerError, SpecError
from stratsim.fast.cache import is_filled
from stratsim.fast.coverage import ENTRY
from stratsim.fast.strait.setup import why_not
from stratsim.live.executor import execute
from stratsim.live.plan import Plan
from stratsim.live.servers import Keeper, Room
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy
from stratsim.policy.strait import Strait
from stratsim.results import invariants, summarize
from stratsim.run.outcome import Outcome
from stratsim.signals import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine import Result
    from stratsim.live.plan import LiveRun
    from stratsim.live.servers import Target
    from stratsim.model.profile import SchedulerProfile
    from stratsim.model.server import Server
    from stratsim.policy.base import Policy
    from stratsim.policy.registry import PolicyCall
    from stratsim.run.inputs import Inputs

__all__ = ["Served", "check_supported", "serve"]


@dataclass(frozen=True, slots=True)
class Served:
    """What the runs gave.

    Args:
        outcome: As a replay's; holds what was measured if the runs were stopped.
        live: What the manifest says of them beyond a replay's.
        stopped: What ended them; None: all came to their end.
    """

    outcome: Outcome
    live: dict[str, Any]
    stopped: BaseException | None

    def manifest(self) -> dict[str, Any]:
        """Return what a replay's manifest says, and how the requests were served."""
        return self.outcome.manifest() | {"live": self.live}


def check_supported(inputs: Inputs) -> None:
    """Refuse what only the simulator can do.

    Raises:
        SpecError: names it.
    """
    spec = inputs.spec
    refused = {
        "clients that wait for replies": inputs.workload.waits_for_replies,
        f"{spec.gpus} GPUs": inputs.cluster.gpus > 1,
        "weights that are loaded on demand (memory)": spec.memory is not None,
        "a topology": spec.topology is not None or spec.uplink_bytes_per_s is not None,
        "a machine without transfers": not spec.transfers,
        "pageable host memory (pinned = false)": not spec.pinned,
        "a belief of its own (belief, belief_latency_scale)": spec.belief is not None
        or spec.belief_latency_scale != 1.0,
        "no requests at all": not len(inputs.workload),
    }
    for what, asked in refused.items():
        if asked:
            raise SpecError(f"a live run cannot serve {what}: only a replay can")
    for call in inputs.policies:
        if getattr(make_policy(call), "preemption", None) is not None:
            raise SpecError(f"policy {call.text!r} preempts, and a real device here cannot: only a replay can run it")


def serve(
    inputs: Inputs,
    target: Target,
    *,
    keeper: Keeper | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Served:
    """Serve the same requests through each policy.

    Args:
        inputs: From `stratsim.run.inputs.prepare`.
        target: Where.
        keeper: Keeps the server for the next call, unless something goes wrong; None: it is closed at the end.
        progress: Called now and then with (policy, requests admitted, requests in all).
        say: Called with what is being waited for.

    Raises:
        SpecError: the runs need what only the simulator can do.
        StratsimError: the device failed before anything was measured.
    """
    check_supported(inputs)
    own = keeper if keeper is not None else Keeper()
    session = _Session(inputs, target, own, progress, say)
    stopped: BaseException | None = None
    try:
        for call in inputs.policies:
            stopped = session.run(call)
            if stopped is not None:
                break
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 (it is raised again, or returned with what there is)
        stopped = error
    if stopped is not None or keeper is None:
        own.close()
    if stopped is not None and not session.results:
        raise stopped
    return session.served(stopped)


class _Session:
    """What was measured so far."""

    def __init__(
        self,
        inputs: Inputs,
        target: Target,
        keeper: Keeper,
        progress: Callable[[str, int, int], None] | None,
        say: Callable[[str], None],
    ) -> None:
        self.inputs = inputs
        self.target = target
        self.keeper = keeper
        self.progress = progress
        self.say = say
        self.profile = inputs.profile.for_scheduler(inputs.cluster.solo_links(inputs.profile.observable.pcie))
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.results: list[Result] = []
        self.summaries: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []

    def run(self, call: PolicyCall) -> BaseException | None:
        """Serve the requests through one policy; return what stopped it."""
        policy = make_policy(call)
        plan = self._plan(policy)
        policy = _sooner(policy, plan)
        server = self.keeper.server(self.target, _room(plan), plan.largest, self.say)
        progress = self.progress
        ran = execute(
            plan,
            policy,
            call.text,
            server,
            first_batch=self.keeper.batches,
            progress=None if progress is None else lambda done, total: progress(call.text, done, total),
        )
        self.keeper.batches += ran.batches
        return self._keep(ran, server)

    def _keep(self, ran: LiveRun, server: Server) -> BaseException | None:
        stopped = ran.stopped
        broken = invariants(ran.result, ran.result.max_concurrency, measured=True)
        if broken and stopped is None:
            stopped = ServerError(f"the times that the server reports cannot be: {broken[0]} ({len(broken)} in all)")
        if stopped is None or len(ran.result.requests):
            self.summaries.append(self._summary(ran.result, complete=stopped is None))
            self.results.append(ran.result)
        self.runs.append(
            {
                "policy": ran.result.policy,
                "status": _status(stopped),
                "reason": _reason(stopped),
                "admitted": len(ran.figures.lag_s),
                "server": _described(server),
                "broken_invariants": broken,
                **ran.figures.as_dict(),
            }
        )
        return stopped

    def _summary(self, result: Result, *, complete: bool) -> dict[str, Any]:
        try:
            return summarize(result, warmup_s=self.inputs.spec.warmup_s, profile=self.profile)
        except SpecError:
            if complete:
                raise
            return summarize(result, profile=self.profile)  # it was stopped before the warm-up was over

    def _plan(self, policy: Policy) -> Plan:
        spec, workload = self.inputs.spec, self.inputs.workload
        slots, prefetch = spec.max_concurrency, spec.prefetch
        if getattr(policy, "slot_per_client", False):
            slots, prefetch = client_streams(workload), 0
        return Plan(
            workload=workload,
            profile=self.profile,
            largest=_largest(self.inputs, self.profile),
            slots=slots,
            prefetch=prefetch,
            max_batch=spec.max_batch,
            drop=DropMode(spec.drop),
            seed=spec.seed,
            patience_s=self.target.patience_s,
        )

    def served(self, stopped: BaseException | None) -> Served:
        """Return everything that was measured."""
        notes = dict.fromkeys(self.inputs.notes)
        for result in self.results:
            notes |= dict.fromkeys(result.notes)
        live = {
            "status": _status(stopped),
            "reason": _reason(stopped),
            "started": self.started,
            "device": self.target.device,
            "dtype": self.target.dtype,
            "mode": self.target.mode,
            "patience_s": self.target.patience_s,
            "time_scale": _time_scale(self.inputs),
            "runs": self.runs,
        }
        return Served(Outcome(self.inputs, tuple(self.results), tuple(self.summaries), tuple(notes)), live, stopped)


def _status(stopped: BaseException | None) -> str:
    return "complete" if stopped is None else "interrupted"


def _reason(stopped: BaseException | None) -> str | None:
    if stopped is None:
        return None
    if isinstance(stopped, Terminated):
        return "terminated by a signal (SIGTERM)"
    return "Ctrl-C" if isinstance(stopped, KeyboardInterrupt) else f"{type(stopped).__name__}: {stopped}"


def _described(server: Server) -> dict[str, Any]:
    info = server.info
    return {"kind": info.kind, "name": info.name, "slots": info.slots, "details": info.details}


def _largest(inputs: Inputs, profile: SchedulerProfile) -> dict[str, int]:
    """Return the largest batch that any of the policies may form, by model that is asked for."""
    workload = inputs.workload
    own = [call.parameters.get("max_batch") for call in inputs.policies]
    most = max([inputs.spec.max_batch, *(size for size in own if isinstance(size, int))])
    used = sorted({workload.models[code] for code in np.unique(workload.model).tolist()})
    return {model: min(most, profile.model(model).max_batch) for model in used}


def _sooner(policy: Policy, plan: Plan) -> Policy:
    """Return a policy that decides the same, sooner, if there is one and it was compiled before; else the policy."""
    if type(policy) is not Strait or find_spec("numba") is None or not is_filled(ENTRY):
        return policy
    most = policy._max_batch or plan.max_batch
    largest = [min(most, model.max_batch) for model in plan.profile.models.values()]
    if why_not(policy, largest, plan.slots, loads_weights=False) is not None:
        return policy
    from stratsim.fast.strait.policy import CompiledStrait  # imports numba

    return CompiledStrait.of(policy)


def _room(plan: Plan) -> Room:
    workload = plan.workload
    by_row = np.array([plan.largest.get(model, 0) for model in workload.models], dtype=np.int64)[workload.model]
    return Room(
        slots=plan.slots,
        places=plan.slots + plan.prefetch,
        max_bytes_in=int((by_row * workload.bytes_in).max(initial=0)),
        max_bytes_out=int((by_row * workload.bytes_out).max(initial=0)),
    )


def _time_scale(inputs: Inputs) -> float | None:
    """Return how long the requests take to arrive, as a share of what the trace says; None where it says nothing."""
    trace_s, workload_s = inputs.trace.arrival_s, inputs.workload.arrival_s
    if inputs.trace.normalised or len(trace_s) < 2 or len(workload_s) < 2 or trace_s[-1] <= trace_s[0]:
        return None
    return float((workload_s[-1] - workload_s[0]) / (trace_s[-1] - trace_s[0]))
