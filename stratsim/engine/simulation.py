"""One run: a workload through a policy on a simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.engine.layout import models_of
from stratsim.engine.loop import Run
from stratsim.engine.options import Options
from stratsim.errors import OutsideProfileError, SpecError, suggest
from stratsim.model.cluster import Cluster
from stratsim.model.rejection import Rejection
from stratsim.policy.base import DropMode

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from stratsim.device import Noise
    from stratsim.engine.result import Result
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["check_fits", "simulate", "simulate_with"]


def simulate(
    workload: Workload,
    profile: Profile,
    policy: Policy,
    *,
    cluster: Cluster | None = None,
    max_batch: int = 8,
    drop: DropMode = DropMode.INFEASIBLE,
    seed: int = 0,
    noise: Noise | None = None,
    factors: NDArray[np.float64] | None = None,
    rejection: Rejection | None = None,
    name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Replay a workload through a policy until every request is answered, dropped or stuck.

    A pure function of its arguments: equal arguments give equal results, whatever ran before in this process.

    Args:
        workload: What arrives.
        profile: The hardware.
        policy: Its `prepare` is called; afterwards it may be used for another run.
        cluster: GPUs, slots, device model, links; one GPU by default.
        max_batch: Largest batch size that a policy without its own limit forms; larger than a model's largest measured
            one means that one.
        drop: When a policy without a rule of its own gives requests up.
        seed: Of all random streams.
        noise: Run-to-run variation of execution times; by default log-normal with the profile's `noise_cv`.
        factors: By request, what such noise comes to, where that has been drawn already: shape (n,).
        rejection: How clients take it that a request is dropped; by default they hear of it after 1 ms, and do not send
            it again.
        name: What to call the policy in results; its class's name by default.
        progress: Called now and then with (requests arrived, requests in all; 0 when not known).

    Raises:
        SpecError: an argument is out of range.
        OutsideProfileError: the workload asks for a model that the profile lacks.
        PolicyError: the policy failed, or took an illegal decision.
        SimulationError: time does not advance.
    """
    options = Options(
        name=name or type(policy).__name__,
        cluster=cluster or Cluster(),
        max_batch=max_batch,
        drop=drop,
        seed=seed,
        noise=noise,
        factors=factors,
        rejection=rejection or Rejection(),
    )
    return simulate_with(workload, profile, policy, options, progress)


def simulate_with(
    workload: Workload,
    profile: Profile,
    policy: Policy,
    options: Options,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Do what `simulate` does, with the options in one object."""
    return _prepared(workload, profile, policy, options).go(progress)


def check_fits(workload: Workload, profile: Profile, policy: Policy, options: Options) -> None:
    """See that a policy and its machine go together: do all that comes before the first event, and nothing else.

    Raises:
        StratsimError: as `simulate`, as far as it can be seen by then.
    """
    _prepared(workload, profile, policy, options)


def _prepared(workload: Workload, profile: Profile, policy: Policy, options: Options) -> Run:
    _check_models(workload, profile)
    factors = options.factors
    if factors is not None and (workload.waits_for_replies or factors.shape != (len(workload),)):
        raise SpecError("factors must be one per request, and nobody may wait for replies: requests are not known then")
    return Run(workload, profile, policy, options)


def _check_models(workload: Workload, profile: Profile) -> None:
    known = profile.observable.models
    for model in sorted(models_of(workload) - known.keys()):
        raise OutsideProfileError(f"profile {profile.name!r} has no model {model!r}; {suggest(model, known)}")
