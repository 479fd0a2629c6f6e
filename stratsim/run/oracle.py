"""Reveals the truth to an oracle belief: what only an experiment may do, and only where it says so.

A policy or predictor cannot reach the device. An experiment holds the profile of the hardware, and can give an `Oracle`
the rates of its execution model:

    policy = make_policy(parse_policies("strait(predictor=oracle)")[0])
    reveal(policy, profile)
    simulate(workload, profile, policy)

Results with an oracle are bounds and are to be labelled so.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from stratsim.device import execution_model
from stratsim.device.execution.fluid import FluidModel
from stratsim.errors import SpecError
from stratsim.predict.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import Profile
    from stratsim.predict import Active

__all__ = ["TrueRates", "reveal"]


class TrueRates:
    """The rates of co-located batches, as the simulated device has them. Pure, and can be pickled.

    Exact where batches have one phase. A scheduler does not see phases, and nor does this: where batches have several,
    it gives the rate of a target's whole execution with steady co-runners, each as likely to be met in a phase as that
    phase is long alone: 1 / sum_p (share_p / mean rate in phase p).

    Args:
        profile: Of the hardware.
        device_model: Name of the execution model; the profile's own by default.
        slots: Batches that may execute at once.

    Raises:
        SpecError: the model is none of rates, such as `block-priority`.
    """

    def __init__(self, profile: Profile, device_model: str | None = None, slots: int = 2) -> None:
        name = device_model or profile.default_device_model
        model = execution_model(name, profile.for_hardware(), slots, shared=False)
        if not isinstance(model, FluidModel):
            raise SpecError(f"device model {name!r} has no rates that an oracle could know")
        self._model: FluidModel[Any] = model

    def __call__(self, active: Active) -> Sequence[float]:
        """Return the rate of each batch of a co-located set, in order."""
        works = [self._model.work(*member) for member in active]
        if all(len(work) == 1 for work in works):
            return self._model.rates([work[0].load for work in works])
        return [self._mean(works, position) for position in range(len(active))]

    def _mean(self, works: Sequence[Any], position: int) -> float:
        """Return the rate over one batch's whole execution."""
        others = [work for i, work in enumerate(works) if i != position]
        taken = 0.0
        for own in works[position]:
            rate = 0.0
            for company in product(*others):
                chance = prod(phase.share for phase in company)
                rate += chance * self._model.rates([own.load, *[phase.load for phase in company]])[0]
            taken += own.share / rate
        return 1.0 / taken


def reveal(holder: object, profile: Profile, device_model: str | None = None, slots: int = 2) -> bool:
    """Give an oracle the truth; any other predictor is left as it is.

    Args:
        holder: A predictor, or a policy that has one as its `belief`.
        profile: Of the hardware.
        device_model: Name of the execution model; the profile's own by default.
        slots: Batches that may execute at once.

    Returns:
        Whether `holder` is, or has, an oracle.
    """
    belief = getattr(holder, "belief", holder)
    if not isinstance(belief, Oracle):
        return False
    belief.reveal(TrueRates(profile, device_model, slots))
    return True
