"""iGniter's analytic model: figures computed by its published code for a V100; ms, with transfers at 10 GB/s.

Source: Xu et al., "iGniter: interference-aware GPU resource provisioning for predictable DNN inference in the cloud",
IEEE TPDS 2023; icloud-ecnu/igniter, i-Gniter/Algorithm.
"""

from __future__ import annotations

from typing import NamedTuple

from stratsim.model.igniter import IgniterGpu, IgniterModel

__all__ = ["ANSWERS", "BYTES", "BYTES_PER_MS", "MODELS", "SOURCE", "V100", "Answer", "Placed", "copies_ms"]

SOURCE = "iGniter (TPDS 2023), its published code and V100 configuration"
V100 = IgniterGpu(
    clock_mhz=1530.0,
    power_limit_w=300.0,
    idle_power_w=53.5,
    clock_per_w=-1.02541,
    delay_slope_ms=0.00475065,
    delay_offset_ms=-0.00902243,
)
MODELS = {
    "alexnet": IgniterModel(
        (4.1535e-3, 8.71158, 23.7361, 0.0555205, 0.346011),
        20, 0.0317683, 2.376e-3, 0.00309205, 2.02957, 0.0238930, 37.10815,
    ),
    "resnet50": IgniterModel(
        (-1.75147e-2, 58.2645, -1.18622e-2, 0.344858, 1.90950),
        80, 0.0738162, 2.163e-3, 0.02195951, -0.189942, 0.162335, 4.626865,
    ),
    "vgg19": IgniterModel(
        (-4.83465e-3, 158.193, 44.4521, 0.188407, 0.926192),
        29, 0.0392494, 2.018e-3, 0.04521753, 2.722817, 0.536729, 2.081852,
    ),
    "ssd": IgniterModel(
        (2.51596e-2, 235.847, -16.7816, 0.264273, 3.41698),
        93, 0.1478772, 2.281e-3, 0.08863048, -0.128589, 0.644894, 2.339317,
    ),
}  # fmt: skip
BYTES = {"alexnet": (602112, 4000), "resnet50": (602112, 4000), "vgg19": (602112, 4000), "ssd": (1080000, 2968880)}
"""In and out, per request."""
BYTES_PER_MS = 10e6


class Placed(NamedTuple):
    """A batch in its partition."""

    model: str
    batch: int
    percent: float


class Answer(NamedTuple):
    """Batches side by side, and how long each takes with its copies, ms."""

    placed: tuple[Placed, ...]
    latency_ms: tuple[float, ...]


def copies_ms(placed: Placed) -> float:
    """Return how long a batch's copies take, in and out."""
    return placed.batch * sum(BYTES[placed.model]) / BYTES_PER_MS


def _pair(batch: int, vgg19: float, ssd: float, *latency_ms: float) -> Answer:
    return Answer((Placed("vgg19", batch, vgg19), Placed("ssd", batch, ssd)), latency_ms)


ANSWERS = (
    _pair(3, 20, 80, 28.0496, 13.6473),
    _pair(3, 40, 60, 14.6115, 16.7595),
    _pair(3, 60, 40, 10.1680, 23.0812),
    _pair(3, 80, 20, 7.8771, 41.4565),
    _pair(1, 50, 50, 5.1904, 8.5829),
    _pair(9, 50, 50, 32.8287, 52.3683),
    Answer((Placed("vgg19", 3, 50),), (11.4881,)),
    Answer((Placed("ssd", 3, 50),), (18.5266,)),
    Answer(tuple(Placed(name, 3, 25) for name in MODELS), (2.9321, 10.4622, 23.3505, 35.1548)),
)
"""Met to 1e-3 ms."""
