"""Makes rtx3080-disb.json from DISB's published TensorRT measurements.

    python profiler/profiles/make_rtx3080_disb.py --data DIR [--out FILE]

DIR holds `disb/results_trt_ABC.csv` (SJTU-IPADS/disb @ 7ad5fba, workloads A, B and C, Apache-2.0) and
`clockwork/inference_predictability_sample.csv` (Clockwork's sample, Apache-2.0). The tables are not
part of this project.

The source gives each client's mean end-to-end latency alone, copies included, and the mean duration of its copies under
load only. Loaded copies bound the solo ones from above, so the link is fitted to the shortest of them:

    alpha   the shortest host-to-device copy of distilbert (about 400 bytes); device-to-host, the shortest copy of 4000
            bytes, which both bound the fixed cost
    rate    an image's 602112 bytes in its shortest copy less alpha; taken as equal in both directions

Solo execution is then the solo end-to-end latency, the mean over the workloads, less its two copies on that link. The
client's own overhead, about 0.03 ms, stays in it.

Contention: the execution model `kernel-queue`, fitted to the ten loaded cells of A, B and C (`stratsim.validate.disb`);
`fit_disb.py` says how good that fit is, and docs/results/validation-disb.md what else was tried.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path

from architectures import ARCHITECTURES, CLASSES_BYTES, FLOAT_BYTES, FLOPS_SOURCE, IMAGE_BYTES
from make_a100_parvagpu import read_noise_cv

from stratsim.model.codec import dump_profile
from stratsim.model.kernel_queue import KernelQueue
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
from stratsim.validate.disb import RESULTS, Measured, fit, hold_and_lengths, kernel_queue_family, read_measured

NAME = "rtx3080-disb"
SOURCE = "SJTU-IPADS/disb @ 7ad5fba"
LICENCE = "Apache-2.0"
TOKENS = 25
"""Length of the longer of distilbert's two inputs."""
DEVICE = Device(
    name="NVIDIA GeForce RTX 3080 10GB",
    memory_bytes=10 * 1024**3,
    memory_bandwidth_bytes_per_s=760e9,
    peak_flops=29.8e12,
    sms=68,
)
BYTES = {"distilbert": (2 * 8 * TOKENS, TOKENS * 768 * FLOAT_BYTES)}
SHARING = {
    "vgg19": Sharing(0.80, 9.2),
    "resnet152": Sharing(0.84, 2.5),
    "densenet201": Sharing(0.99, 1.3),
    "inceptionv3": Sharing(0.45, 2.1),
    "distilbert": Sharing(0.28, 2.3),
}
"""For `streams`: a rough fit to the ten loaded cells of the source, with nine free numbers for ten cells."""

Row = dict[str, str]


def read_rows(path: Path) -> dict[str, list[Row]]:
    """Return the measured cells by model; clients are called `MODEL_rt` or `MODEL_be`."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row for row in rows if row["client"].rsplit("_", 1)[0] == name] for name in SHARING}


def shortest(rows: list[Row], column: str) -> float:
    """Return the smallest mean of a column, seconds."""
    return min(float(row[column]) for row in rows) * 1e-6


def fit_links(cells: dict[str, list[Row]]) -> Pcie:
    """Return both directions of the link, as the module says."""
    images = [row for name, rows in cells.items() if name not in BYTES for row in rows]
    h2d_alpha = shortest(cells["distilbert"], "h2d_us")
    rate = float(round(IMAGE_BYTES / (shortest(images, "h2d_us") - h2d_alpha), -6))
    return Pcie(h2d=Link(h2d_alpha, rate), d2h=Link(shortest(images, "d2h_us"), rate))


def observable_model(name: str, rows: list[Row], pcie: Pcie) -> ObservableModel:
    """Return what solo runs show, the execution apart from the copies."""
    shape = ARCHITECTURES[name]
    bytes_in, bytes_out = BYTES.get(name, (IMAGE_BYTES, CLASSES_BYTES))
    alone = statistics.mean(float(row["solo_us"]) for row in rows) * 1e-6
    latency = round(alone - pcie.h2d.copy_s(bytes_in) - pcie.d2h.copy_s(bytes_out), 9)
    kernels = shape.fused_kernels or shape.eager_kernels
    intensity = shape.features(1, latency, DEVICE.peak_flops or 0, DEVICE.memory_bandwidth_bytes_per_s or 0)
    return ObservableModel(
        latency_s={1: latency},
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        weights_bytes=FLOAT_BYTES * shape.parameters,
        aliases=() if name in BYTES else (f"{name}-imagenet",),
        features={1: Features(*intensity)},
        kernels=Kernels(kernels, mean_s=round(latency / kernels, 9)),
    )


def provenance() -> dict[str, Provenance]:
    """Return where every field comes from."""
    results = f"{SOURCE}, benchmarks/results, TensorRT 8.4, workloads A, B and C"
    shapes = f"{SOURCE}, benchmarks/models/*/model.json"
    return {
        "device": Provenance("published", "NVIDIA GA102 white paper", note="peak_flops: TF32, dense"),
        "observable.pcie": Provenance(
            "published",
            results,
            LICENCE,
            note="fitted to the shortest copies, measured under load: upper bounds; d2h rate taken as equal",
        ),
        "observable.interpolation": Provenance("synthetic", "not used: one batch size only"),
        "observable.models.*.latency_s": Provenance(
            "published",
            results,
            LICENCE,
            note="mean end-to-end latency alone less two copies on the fitted link; keeps about 0.03 ms of the client",
        ),
        "observable.models.*.bytes_in": Provenance("published", shapes, LICENCE),
        "observable.models.*.bytes_out": Provenance("published", shapes, LICENCE),
        "observable.models.*.weights_bytes": Provenance(
            "published",
            "4 bytes per parameter; torchvision's documentation of pretrained weights; DistilBERT's model card",
        ),
        "observable.models.*.aliases": Provenance("published", f"{SOURCE}: model_name in its workloads", LICENCE),
        "observable.models.*.features": Provenance(
            "synthetic", f"operations and bytes over latency x peak: {FLOPS_SOURCE}", LICENCE
        ),
        "observable.models.*.kernels.count": Provenance(
            "synthetic", "estimated: layers after the usual fusions, profiler/profiles/architectures.py"
        ),
        "observable.models.*.kernels.mean_s": Provenance(
            "synthetic", "latency at batch 1 / count: includes launch gaps"
        ),
        "truth.kernel_queue": Provenance(
            "synthetic",
            f"fitted to the loaded cells of {results}",
            LICENCE,
            note="five free numbers, four of them held near the architecture's kernel counts: "
            "docs/results/validation-disb.md",
        ),
        "truth.sharing": Provenance(
            "synthetic",
            f"rough fit to the loaded cells of {results}",
            LICENCE,
            note="nine free numbers for ten cells: an error on those cells says little about others; the demand of "
            "densenet201, inceptionv3 and distilbert, seen in C only, is not identified",
        ),
        "truth.noise_cv": Provenance(
            "published", "Clockwork's sample @ a643837: median of three ResNets' run-to-run variation", "Apache-2.0"
        ),
    }


def make_observable(data: Path) -> Observable:
    """Return what solo runs show."""
    cells = read_rows(data / "disb" / RESULTS)
    pcie = fit_links(cells)
    return Observable(pcie=pcie, models={name: observable_model(name, rows, pcie) for name, rows in cells.items()})


def fit_kernel_queue(measured: Measured) -> KernelQueue:
    """Return the parameters fitted to all cells, rounded to what the data can tell."""
    best = fit(measured, kernel_queue_family(measured.length_s), measured.cells)
    hold, length_s = hold_and_lengths(best.numbers, measured.length_s)
    return KernelQueue(round(hold, 3), {name: {1: round(value, 7)} for name, value in length_s.items()})


def make(data: Path) -> Profile:
    """Return the profile."""
    observable = make_observable(data)
    return Profile(
        schema_version=1,  # it says nothing that is newer, and results name its checksum
        name=NAME,
        description=(
            "Five models in TensorRT at batch 1 on an RTX 3080, unpartitioned CUDA streams of one process, "
            "from DISB's published results."
        ),
        device=DEVICE,
        provenance=provenance(),
        observable=observable,
        device_model="kernel-queue",
        truth=Truth(
            kernel_queue=fit_kernel_queue(read_measured(data / "disb", observable)),
            sharing={name: {1: entry} for name, entry in SHARING.items()},
            noise_cv=read_noise_cv(data / "clockwork" / "inference_predictability_sample.csv"),
        ),
    )


def main() -> None:
    """Write the profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with disb/ and clockwork/")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(f"{NAME}.json"))
    arguments = parser.parse_args()
    arguments.out.write_text(dump_profile(make(arguments.data)), encoding="utf-8")


if __name__ == "__main__":
    main()
