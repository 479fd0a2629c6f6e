"""The columns of a run: what its requests are, and what is filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column

__all__ = ["Columns"]


class Columns(NamedTuple):
    """Columns of the workload, by request in the order of arrival, then those that kernels fill in.

    Kernels hand them on as one, each a `pointer`. What is filled in has as many rows, or none where it is not needed.
    """

    arrival_s: Column
    model_of: Column
    priority: Column
    deadline_s: Column
    order_s: Column
    """By what requests are ordered if times count: deadlines, or arrivals."""
    bytes_in: Column
    bytes_out: Column
    factor: Column
    """By which its batch takes longer than usual, should it lead the batch."""
    batch_of: Column
    """By request: takes its batch."""
    gpu_of: Column
    """By batch: takes its GPU."""
    dropped: Column
    """Takes the requests that are dropped, in that order; so do the next two."""
    dropped_s: Column
    reason: Column
    times_s: Column
    """By batch: takes the times, of each kind that `codes` names one after the other."""
    output: Column
    """By batch: takes the size of its outputs, where their copies are events."""
