"""Parameters of iGniter's analytic model, in the units in which iGniter publishes them: ms, MHz, W, %.

Source: Xu et al., "iGniter: interference-aware GPU resource provisioning for predictable DNN inference in the cloud",
IEEE TPDS 2023, and its code (icloud-ecnu/igniter, i-Gniter/Algorithm).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from stratsim.errors import ProfileError
from stratsim.model.parts import not_negative, positive

__all__ = ["IgniterGpu", "IgniterModel"]

_TERMS = 5


@dataclass(frozen=True, slots=True)
class IgniterGpu:
    """The GPU in iGniter's model.

    Args:
        clock_mhz: F, its clock while power is below the limit.
        power_limit_w: P_max.
        idle_power_w: P_idle.
        clock_per_w: alpha_f, change of the clock per watt beyond the limit, MHz/W, <= 0.
        delay_slope_ms: alpha_s, scheduling delay per kernel and co-located batch.
        delay_offset_ms: beta_s, added to that.
    """

    clock_mhz: float
    power_limit_w: float
    idle_power_w: float
    clock_per_w: float
    delay_slope_ms: float
    delay_offset_ms: float

    def __post_init__(self) -> None:
        positive("", clock_mhz=self.clock_mhz, power_limit_w=self.power_limit_w)
        not_negative("", idle_power_w=self.idle_power_w, delay_slope_ms=self.delay_slope_ms)
        if not self.clock_per_w <= 0:
            raise ProfileError(f"clock_per_w must be <= 0, got {self.clock_per_w!r}")


@dataclass(frozen=True, slots=True)
class IgniterModel:
    """One model in iGniter's model.

    Args:
        active: k1 to k5: alone, a batch of b in r % of the GPU is active for (k1 b^2 + k2 b + k3) / (r + k4) + k5 ms.
        kernels: n_k, kernels per batch.
        delay_ms: t_sch0, scheduling delay alone.
        sensitivity: alpha_c, growth of the active time per % of L2 that others use.
        l2_slope: L2 utilisation, %, is l2_slope x (batch items per s of active time) + l2_offset.
        l2_offset: %.
        power_slope: Power, W, is power_slope x (batch items per s of active time) + power_offset.
        power_offset: W.
    """

    active: tuple[float, ...]
    kernels: int
    delay_ms: float
    sensitivity: float
    l2_slope: float
    l2_offset: float
    power_slope: float
    power_offset: float

    def __post_init__(self) -> None:
        if len(self.active) != _TERMS:
            raise ProfileError(f"active must have {_TERMS} figures, k1 to k5, has {len(self.active)}")
        not_negative("", **{name.name: getattr(self, name.name) for name in fields(self) if name.name in _NOT_NEGATIVE})

    def active_ms(self, batch: int, percent: float) -> float:
        """Return the active time of a batch alone in `percent` of the GPU."""
        k1, k2, k3, k4, k5 = self.active
        return (k1 * batch**2 + k2 * batch + k3) / (percent + k4) + k5


_NOT_NEGATIVE = ("kernels", "delay_ms", "sensitivity", "l2_slope", "power_slope")
