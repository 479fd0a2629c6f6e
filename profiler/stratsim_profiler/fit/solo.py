"""What solo samples say of the loads that contention models are fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratsim.fit.cells import Load
    from stratsim_profiler.fit.extract import Measured

__all__ = ["kernel_lengths", "solo_features"]


def kernel_lengths(measured: Measured) -> dict[Load, float] | None:
    """Return the mean duration of a kernel of each load, launch gaps included: solo time over kernels, seconds.

    Where the kernels of a batch size were not counted, those of the nearest one that was stand in: a batch changes how
    long they are, hardly how many. None where a model's kernels were never counted.
    """
    found = {}
    for load, solo in measured.solo.items():
        counted = [other for other in measured.kernels if other.model == load.model]
        if not counted:
            return None
        nearest = min(counted, key=lambda other: (abs(other.batch - load.batch), other.batch))
        found[load] = solo.seconds / measured.kernels[nearest].count
    return found


def solo_features(measured: Measured) -> tuple[dict[Load, tuple[float, float]], str]:
    """Return two solo features per load, each a share of the largest of any load, and what they are.

    Operations per second and bytes of weights per second: what a solo run and the model's definition say. Where the
    operations of some model are not known, requests per second stand in.
    """
    known = all(model.flops is not None for model in measured.models.values())
    compute: dict[Load, float] = {}
    memory: dict[Load, float] = {}
    for load, solo in measured.solo.items():
        model = measured.models[load.model]
        compute[load] = ((model.flops or 0.0) if known else 1.0) * load.batch / solo.seconds
        memory[load] = model.weights_bytes / solo.seconds
    most = (max(compute.values()) or 1.0, max(memory.values()) or 1.0)
    features = {load: (compute[load] / most[0], memory[load] / most[1]) for load in measured.solo}
    return features, f"{'operations' if known else 'requests'} per second and bytes of weights per second"
