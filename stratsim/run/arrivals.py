"""Open-loop arrivals as a file or a command names them: a process and a number of requests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from stratsim.errors import SpecError
from stratsim.trace.generate import Gamma, OnOff, Periodic, Poisson, Recorded
from stratsim.trace.read import parse_trace
from stratsim.trace.source import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stratsim.trace.generate import Process

__all__ = ["Arrivals"]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Open-loop arrivals. Each model has a random stream of its own, so all policies meet exactly the same requests.

    Args:
        process: `poisson`, `gamma` (needs `cv`), `on-off` (needs `on_s` and `off_s`), `periodic`, or `azure-fit`:
            for each model the bundled trace, from a random point on.
        requests: Number of requests of a run.
        cv: Of the gaps, per model.
        on_s: Mean duration of an on period, seconds.
        off_s: Mean duration of an off period, seconds.
        off_share: Rate while off as a share of the rate while on.
    """

    process: Literal["poisson", "gamma", "on-off", "periodic", "azure-fit"] = "poisson"
    requests: int = 10_000
    cv: float | None = None
    on_s: float | None = None
    off_s: float | None = None
    off_share: float = 0.0

    def __post_init__(self) -> None:
        if self.requests < 1:
            raise SpecError(f"requests must be at least 1, got {self.requests}")
        self.at(1.0)

    def at(self, rate: float) -> Process:
        """Return the process of a mean rate, requests per second."""
        if self.process == "gamma":
            return Gamma(rate, self._needed("cv"))
        if self.process == "on-off":
            return OnOff(rate, self._needed("on_s"), self._needed("off_s"), self.off_share)
        if self.process == "azure-fit":
            return Recorded(rate, _bundled())
        return Periodic(rate) if self.process == "periodic" else Poisson(rate)

    def _needed(self, name: str) -> float:
        value: float | None = getattr(self, name)
        if value is None:
            raise SpecError(f"process {self.process!r} needs {name}")
        return value


@cache
def _bundled() -> NDArray[np.float64]:
    """Return the arrivals of the bundled trace, whose shape is fitted to Azure's (traces/README.md)."""
    return parse_trace(load(None)).arrival_s
