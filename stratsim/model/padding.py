"""Batches that are padded to a few allowed sizes, as servers do whose models are compiled for fixed shapes.

A batch of a size between two allowed ones executes as the next of them: what is true of that size, and believed of it,
is true of the batch. So padding belongs to the profile, not to a policy: `padded` returns the profile of such a server,
which every policy, predictor and device model reads like any other.

Copies are charged for the requests that there are. (TF-Serving pads on the host, so that it copies the whole tensor.)

Source: tensorflow/serving, tensorflow_serving/batching/batching_session.h, `allowed_batch_sizes`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from stratsim.errors import SpecError
from stratsim.model.contention import Sharing, phases_at
from stratsim.model.interpolate import dense

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.model.profile import ObservableModel, Profile
    from stratsim.model.truth import Truth

__all__ = ["padded"]

Entry = TypeVar("Entry")


def padded(profile: Profile, sizes: Sequence[int]) -> Profile:
    """Return the profile of a server that pads every batch to the next allowed size.

    Latencies and the tables of the truth are those of the allowed sizes, interpolated where they were not measured.
    Features and measured pairs are kept for allowed sizes that have them. A model's largest batch is the largest
    allowed size that it covers.

    Args:
        profile: Of the same server without padding.
        sizes: Allowed batch sizes, ascending.

    Raises:
        SpecError: the sizes are not ascending, or a model covers none of them.
    """
    if not sizes or sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
        raise SpecError(f"allowed batch sizes must be positive and ascending, got {list(sizes)}")
    allowed = {}
    for name, model in profile.observable.models.items():
        most = max(model.latency_s)
        allowed[name] = [size for size in sizes if size <= most]
        if not allowed[name]:
            raise SpecError(f"allowed batch sizes begin at {sizes[0]}, but {name!r} is profiled up to {most}")
    executes_as = {name: _executes_as(few) for name, few in allowed.items()}
    models = {
        name: _model(model, dense(model.latency_s, profile.observable.interpolation), executes_as[name])
        for name, model in profile.observable.models.items()
    }
    pairs = [
        pair
        for pair in profile.pairs
        if pair.target_batch in allowed[pair.target] and pair.other_batch in allowed[pair.other]
    ]
    return replace(
        profile,
        description=f"{profile.description} Batches are padded to {', '.join(map(str, sizes))}.".strip(),
        observable=replace(profile.observable, models=models),
        truth=_truth(profile.truth, executes_as),
        pairs=tuple(pairs),
    )


def _executes_as(allowed: Sequence[int]) -> dict[int, int]:
    """Return the size that a batch of each size executes as."""
    return {size: allowed[bisect_left(allowed, size)] for size in range(1, allowed[-1] + 1)}


def _model(model: ObservableModel, latency_s: Sequence[float], executes_as: Mapping[int, int]) -> ObservableModel:
    features = {size: model.features[as_] for size, as_ in executes_as.items() if as_ in model.features}
    return replace(model, latency_s={size: latency_s[as_] for size, as_ in executes_as.items()}, features=features)


def _truth(truth: Truth, executes_as: Mapping[str, Mapping[int, int]]) -> Truth:
    def tables(
        by_model: Mapping[str, Mapping[int, Entry]], at: Callable[[Mapping[int, Entry], int], Entry]
    ) -> dict[str, dict[int, Entry]]:
        return {
            name: {size: at(table, as_) for size, as_ in executes_as[name].items()} for name, table in by_model.items()
        }

    queue = truth.kernel_queue
    return replace(
        truth,
        sharing=tables(truth.sharing, _sharing_at),
        roofline=tables(truth.roofline, phases_at),
        blocks=truth.blocks and replace(truth.blocks, kernels=tables(truth.blocks.kernels, phases_at)),
        kernel_queue=queue
        and replace(queue, length_s=tables(queue.length_s, _value_at), holds=tables(queue.holds, _value_at)),
    )


def _sharing_at(table: Mapping[int, Sharing], size: int) -> Sharing:
    """Return the entry of a size, or one with the phases that a batch of that size has."""
    if size in table:
        return table[size]
    return Sharing(phases=phases_at({one: entry.as_phases() for one, entry in table.items()}, size))


def _value_at(table: Mapping[int, float], size: int) -> float:
    """Return the value of a size, linear between those that the table has and constant beyond."""
    return dense(table, "linear", size + 1)[size]
