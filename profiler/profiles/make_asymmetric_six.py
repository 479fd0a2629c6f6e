"""Makes asymmetric-six.json: six made-up models that hurt each other very unequally.

    python profiler/profiles/make_asymmetric_six.py [--out FILE]

Every figure is synthetic. The profile is for studies of policies under strong asymmetry: three models of wide, long
kernels that win against others (weights 6 to 9, demands 0.8 to 1), three of narrow, short ones that give way (weights 1
to 1.5, demands 0.3 to 0.6). The numbers are round ones spread over those ranges, chosen once, before any policy ran on
them; solo latencies at batch 1 lie between 4 and 20 ms and grow less than linearly up to batch 8.

What a scheduler may know is what solo runs of such models would show: wide kernels are long and keep more of the
arithmetic busy. Neither demand nor weight follows from it exactly.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from stratsim.model.codec import dump_profile
from stratsim.model.profile import (
    Device,
    Features,
    Kernels,
    Link,
    Observable,
    ObservableModel,
    Pcie,
    Profile,
    Provenance,
    Sharing,
    Truth,
)
from stratsim.run.pairs import Campaign, measure_pairs

NAME = "asymmetric-six"
BATCHES = (1, 2, 4, 8)
LARGEST = BATCHES[-1]
LINK = Link(alpha_s=10e-6, bytes_per_s=24.8e9)
"""PCIe 4.0 x16, as in a100-80gb-parvagpu."""


class Made(NamedTuple):
    """One made-up model."""

    latency_s: float
    """Solo latency at batch 1."""
    slope: float
    """What each further request of a batch adds, as a share of the latency at batch 1."""
    demand: tuple[float, float]
    """Share of the GPU that it needs, at batch 1 and at the largest; linear between."""
    weight: float
    compute: float
    """Share of the peak arithmetic at batch 1."""
    memory: float
    """Share of the peak memory bandwidth at batch 1."""
    kernel_s: float
    """Mean length of a kernel."""
    weights_bytes: int

    def solo_s(self, batch: int) -> float:
        """Return the solo latency."""
        return round(self.latency_s * (1 + self.slope * (batch - 1)), 9)

    def features(self, batch: int) -> Features:
        """Return the intensities: arithmetic grows with the batch, memory traffic by half as much (shared weights)."""
        faster = batch * self.latency_s / self.solo_s(batch)
        return Features(
            compute=round(min(1.0, self.compute * faster), 4),
            memory=round(min(1.0, self.memory * (1 + faster) / 2), 4),
        )

    def sharing(self, batch: int) -> Sharing:
        """Return the truth."""
        first, last = self.demand
        demand = first + (last - first) * (batch - 1) / (LARGEST - 1)
        return Sharing(round(demand, 4), self.weight)


MODELS = {
    "wide-8": Made(0.008, 0.65, (0.90, 1.00), 9.0, 0.48, 0.34, 110e-6, 560_000_000),
    "wide-12": Made(0.012, 0.60, (0.85, 1.00), 7.5, 0.40, 0.42, 80e-6, 350_000_000),
    "wide-20": Made(0.020, 0.60, (0.80, 0.95), 6.0, 0.44, 0.28, 60e-6, 240_000_000),
    "narrow-4": Made(0.004, 0.35, (0.30, 0.45), 1.0, 0.08, 0.12, 12e-6, 20_000_000),
    "narrow-7": Made(0.007, 0.40, (0.40, 0.55), 1.25, 0.14, 0.24, 20e-6, 80_000_000),
    "narrow-15": Made(0.015, 0.45, (0.50, 0.60), 1.5, 0.20, 0.16, 16e-6, 180_000_000),
}


def observable(model: Made) -> ObservableModel:
    """Return what solo runs would show."""
    return ObservableModel(
        latency_s={batch: model.solo_s(batch) for batch in BATCHES},
        bytes_in=3 * 224 * 224 * 4,
        bytes_out=4000,
        weights_bytes=model.weights_bytes,
        features={batch: model.features(batch) for batch in BATCHES},
        kernels=Kernels(round(model.latency_s / model.kernel_s), mean_s=model.kernel_s),
    )


def make() -> Profile:
    """Return the profile, with pairs from a simulated campaign."""
    made = Provenance("synthetic", "made up for studies of asymmetric interference: make_asymmetric_six.py")
    profile = Profile(
        schema_version=1,  # it says nothing that is newer, and results name its checksum
        name=NAME,
        description=(
            "Six made-up models on a made-up GPU: three with wide kernels that win against others, three with narrow "
            "ones that give way. Everything is synthetic."
        ),
        device=Device("synthetic GPU", memory_bytes=24 * 1024**3, memory_bandwidth_bytes_per_s=900e9, peak_flops=60e12),
        provenance={
            "device": made,
            "observable.pcie": Provenance("synthetic", "assumed: the link of a100-80gb-parvagpu, PCIe 4.0 x16"),
            "observable.models": made,
            "observable.interpolation": made,
            "truth.sharing": made,
            "truth.noise_cv": Provenance("synthetic", "assumed: 1 %"),
        },
        observable=Observable(
            pcie=Pcie(h2d=LINK, d2h=LINK),
            models={name: observable(model) for name, model in MODELS.items()},
            interpolation="linear",
        ),
        truth=Truth(
            {name: {batch: model.sharing(batch) for batch in BATCHES} for name, model in MODELS.items()}, noise_cv=0.01
        ),
    )
    return measure_pairs(profile, Campaign())


def main() -> None:
    """Write the profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(f"{NAME}.json"))
    arguments = parser.parse_args()
    arguments.out.write_text(dump_profile(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
