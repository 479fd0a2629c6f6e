"""Execution models that need no parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.device.execution.fluid import FluidModel, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Exclusive", "ProcessorSharing"]


class ProcessorSharing(FluidModel[None]):
    """Each of n batches progresses at 1/n, whatever it is: for checks against closed forms.

    Source: Kleinrock, Queueing Systems, volume 2, section 4.4.
    """

    name = "processor-sharing"
    needs = "nothing"

    def _phases(self, model: str, batch: int) -> tuple[Phase[None], ...]:  # noqa: ARG002
        return (Phase(1.0, None),)

    def rates(self, active: Sequence[None]) -> Sequence[float]:
        """Return 1/n for each."""
        return [1.0 / len(active)] * len(active)


class Exclusive(ProcessorSharing):
    """One batch at a time at full speed.

    Source: Gujarati et al., "Serving DNNs like clockwork", OSDI 2020.
    """

    name = "exclusive"
    max_concurrency = 1
