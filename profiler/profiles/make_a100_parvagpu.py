"""Makes a100-80gb-parvagpu.json from ParvaGPU's published measurements.

    python profiler/profiles/make_a100_parvagpu.py --data DIR [--out FILE]

DIR holds `parvagpu/*.csv` (MunQ-Lee/ParvaGPU_SC24 @ 5f3de1e, folder prof_data, MIT) and
`clockwork/inference_predictability_sample.csv` (Clockwork's sample, Apache-2.0). The tables are not
part of this project.
Also prints the error of the law of sharing (`stratsim.validate.parvagpu`) and of the interpolation, as quoted in
docs/reference/bundled-profiles.md.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path

from architectures import ARCHITECTURES, CLASSES_BYTES, FLOAT_BYTES, FLOPS_SOURCE, IMAGE_BYTES

from stratsim.model.codec import dump_profile
from stratsim.model.interpolate import METHODS, leave_one_out
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
from stratsim.validate.parvagpu import APART, Law, Throughput, fit, leave_out, points, read_tables, utilisation

NAME = "a100-80gb-parvagpu"
TOKENS = 128
DEVICE = Device(
    name="NVIDIA A100 80GB",
    memory_bytes=80 * 1024**3,
    memory_bandwidth_bytes_per_s=2.039e12,
    peak_flops=156e12,
    sms=108,
)
LINK = Link(alpha_s=10e-6, bytes_per_s=24.8e9)
LAUNCH_BOUND = 1.2


def read_noise_cv(path: Path) -> float:
    """Return the median over Clockwork's three models of the run-to-run coefficient of variation."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [[float(row[name]) for row in rows] for name in rows[0]]
    return round(statistics.median(statistics.stdev(column) / statistics.mean(column) for column in columns), 5)


def latencies(throughput: Throughput) -> dict[int, float]:
    """Return batch / throughput of one process alone, seconds."""
    return {batch: round(batch / rate, 9) for (batch, count), rate in sorted(throughput.items()) if count == 1}


def demands(law: Law, name: str, throughput: Throughput) -> dict[int, float]:
    """Return the law's demand of every batch size that ran alone."""
    return {batch: round(law.demand(name, batch, share), 4) for batch, share in utilisation(throughput).items()}


def observable_model(name: str, latency_s: dict[int, float]) -> ObservableModel:
    """Return what solo runs show."""
    shape = ARCHITECTURES[name]
    tokens = name == "bert"
    intensity = {
        batch: Features(*shape.features(batch, t, DEVICE.peak_flops or 0, DEVICE.memory_bandwidth_bytes_per_s or 0))
        for batch, t in latency_s.items()
    }
    return ObservableModel(
        latency_s=latency_s,
        bytes_in=3 * 8 * TOKENS if tokens else IMAGE_BYTES,
        bytes_out=2 * FLOAT_BYTES if tokens else CLASSES_BYTES,
        weights_bytes=FLOAT_BYTES * shape.parameters,
        aliases=("bert-large",) if tokens else (),
        features=intensity,
        kernels=Kernels(shape.eager_kernels, mean_s=round(latency_s[1] / shape.eager_kernels, 9)),
    )


def provenance(tables: dict[str, Throughput], law: Law) -> dict[str, Provenance]:
    """Return where every field comes from."""
    parva = "MunQ-Lee/ParvaGPU_SC24 @ 5f3de1e"
    script = f"{parva}, scripts/dl_infer_runtime.py"
    datasheet = "NVIDIA A100 80GB SXM data sheet"
    found = {
        "device": Provenance(
            "published", datasheet, note="peak_flops: TF32 tensor cores, dense, the framework's default"
        ),
        "observable.pcie.*.alpha_s": Provenance("synthetic", "assumed: 10 us per copy; no published figure was found"),
        "observable.pcie.*.bytes_per_s": Provenance(
            "published",
            "forums.developer.nvidia.com 352186: A100, PCIe 4.0 x16, one direction",
            note="d2h taken as equal",
        ),
        "observable.interpolation": Provenance(
            "synthetic", "chosen by leave-one-out check, docs/reference/bundled-profiles.md"
        ),
        "observable.models.*.latency_s": Provenance(
            "published",
            f"{parva}, prof_data: batch / throughput of one process on the whole GPU (MIG 7)",
            "MIT",
            note="eager PyTorch 21.11; includes the input's copy from pageable memory, which was not measured apart",
        ),
        "observable.models.*.bytes_in": Provenance(
            "published", f"{script}: shapes; 3x224x224 float32, bert 3 int64 inputs of {TOKENS} tokens", "MIT"
        ),
        "observable.models.*.bytes_out": Provenance(
            "published",
            f"{script}: shapes; 1000 float32, bert 2 float32",
            "MIT",
            note="its script does not copy them back",
        ),
        "observable.models.*.weights_bytes": Provenance(
            "published", "4 bytes per parameter; torchvision's documentation of pretrained weights; BERT-large's shape"
        ),
        "observable.models.*.aliases": Provenance("synthetic", f"our choice; {script} builds BERT-large"),
        "observable.models.*.features": Provenance(
            "synthetic", f"operations and bytes over latency x peak: {FLOPS_SOURCE}", "Apache-2.0"
        ),
        "observable.models.*.kernels.count": Provenance(
            "synthetic", "counted from the layers, profiler/profiles/architectures.py"
        ),
        "observable.models.*.kernels.mean_s": Provenance(
            "synthetic", "latency at batch 1 / count: includes launch gaps"
        ),
        "truth.sharing": Provenance(
            "synthetic",
            f"demand = min(1, c u (1 + k / b)), u = throughput(b) / max throughput of one process, c = {law.busy:g}, "
            f"k = {law.fixed:g} fitted to the slowdowns of 2 to 5 processes of ten models, {parva}",
            "MIT",
            note="copies of one model cannot identify weights: weight 1 is assumed",
        ),
        f"truth.sharing.{APART}": Provenance(
            "synthetic",
            f"the same with c = {law.busy_apart:g}, fitted to its own slowdowns: they refute the other models' c",
            "MIT",
            note="weight 1 is assumed",
        ),
        "truth.noise_cv": Provenance(
            "published", "Clockwork's sample @ a643837: median of three ResNets' run-to-run variation", "Apache-2.0"
        ),
    }
    for name in ("bert", "mobilenetv2", "resnet50", "resnet101"):
        found[f"observable.models.{name}.kernels.count"] = Provenance(
            "published", "eth-easl/orion @ aded65d: rows of its kernel profile", "MIT", note="V100, batch 2 (bert) or 4"
        )
    for name, throughput in tables.items():
        latency_s = latencies(throughput)
        ratio = latency_s[8] / latency_s[1]
        if ratio < LAUNCH_BOUND:
            general = found["observable.models.*.latency_s"]
            note = f"launch-bound: t(8) / t(1) = {ratio:.2f}, below {LAUNCH_BOUND}; {general.note}"
            found[f"observable.models.{name}.latency_s"] = Provenance("published", general.source, "MIT", note)
    return found


def make(data: Path) -> Profile:
    """Return the profile."""
    tables = read_tables(data / "parvagpu")
    law = fit(points(tables))
    sharing = {
        name: {batch: Sharing(demand, weight=1.0) for batch, demand in demands(law, name, throughput).items()}
        for name, throughput in tables.items()
    }
    return Profile(
        schema_version=1,  # it says nothing that is newer, and results name its checksum
        name=NAME,
        description=(
            "11 models in eager PyTorch on a whole A100 80GB, batch sizes 1 to 256, from ParvaGPU's published tables. "
            "Co-location there is of processes under MPS, each model beside copies of itself."
        ),
        device=DEVICE,
        provenance=provenance(tables, law),
        observable=Observable(
            pcie=Pcie(h2d=LINK, d2h=LINK),
            models={name: observable_model(name, latencies(throughput)) for name, throughput in tables.items()},
            interpolation="linear",
        ),
        truth=Truth(sharing, noise_cv=read_noise_cv(data / "clockwork" / "inference_predictability_sample.csv")),
    )


def report(data: Path, profile: Profile) -> None:
    """Print the checks that docs/reference/bundled-profiles.md quotes."""
    measured = points(read_tables(data / "parvagpu"))
    law = fit(measured)
    print(f"law: c {law.busy:g}, k {law.fixed:g}, c of {APART} {law.busy_apart:g}")
    predictions = {
        "full speed (slowdown 1)": [1.0 for _ in measured],
        "equal shares (slowdown n)": [float(point.processes) for point in measured],
        "demand u, nothing fitted": [max(1.0, point.processes * point.utilisation) for point in measured],
        "law": [law.slowdown(point) for point in measured],
        "law, leave one model out": leave_out(measured, lambda point: point.model),
        "law, leave one number of processes out": leave_out(measured, lambda point: point.processes),
        "law, leave one batch size out": leave_out(measured, lambda point: point.batch),
    }
    for label, predicted in predictions.items():
        found = [
            (point.model, abs(slowdown / point.slowdown - 1))
            for point, slowdown in zip(measured, predicted, strict=True)
        ]
        print(f"{label}, all models: {_summary([error for _, error in found])}")
        print(f"{label}, without {APART}: {_summary([error for model, error in found if model != APART])}")
        print(f"{label}, {APART} alone: {_summary([error for model, error in found if model == APART])}")
    for method in METHODS:
        errors = [
            abs(error)
            for model in profile.observable.models.values()
            for error in leave_one_out(model.latency_s, method).values()
        ]
        print(f"interpolation {method}: {_summary(errors)}")


def _summary(points: list[float]) -> str:
    median, mean, worst = statistics.median(points), statistics.mean(points), max(points)
    return f"{len(points)} points, median {median:.1%}, mean {mean:.1%}, worst {worst:.1%}"


def main() -> None:
    """Write the profile and print its checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with parvagpu/ and clockwork/")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(f"{NAME}.json"))
    arguments = parser.parse_args()
    profile = make(arguments.data)
    arguments.out.write_text(dump_profile(profile), encoding="utf-8")
    report(arguments.data, profile)


if __name__ == "__main__":
    main()
