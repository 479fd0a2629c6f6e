"""The options of a run: everything but its workload, its profile and its policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.model.rejection import Rejection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stratsim.device import Noise
    from stratsim.model.cluster import Cluster
    from stratsim.model.profile import Profile
    from stratsim.policy.base import DropMode

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run, under the names that they have in `stratsim.engine.simulate`.

    Args:
        name: What to call the policy in results.
        cluster: GPUs, slots, device model, links.
        max_batch: Largest batch size that a policy without its own limit forms.
        drop: When a policy without a rule of its own gives requests up.
        seed: Of all random streams.
        noise: Run-to-run variation of execution times; None: the profile's.
        factors: By request, what such noise comes to, where that has been drawn already: shape (n,).
        rejection: How clients take it that a request is dropped.
        belief: The profile that the scheduler holds true; None: the hardware's.

    Raises:
        SpecError: `max_batch` is below 1.
    """

    name: str
    cluster: Cluster
    max_batch: int
    drop: DropMode
    seed: int
    noise: Noise | None = None
    factors: NDArray[np.float64] | None = None
    rejection: Rejection = field(default_factory=Rejection)
    belief: Profile | None = None

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise SpecError(f"max_batch must be at least 1, got {self.max_batch}")
