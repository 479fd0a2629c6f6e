"""Small result folders written by hand, as `replay --out` writes them."""

from __future__ import annotations

import gzip
import json

import pytest

CLASS = {
    "arrived": 10, "met": 6, "late": 1, "dropped": 3, "unfinished": 0, "violation": 0.4,
    "violation_completed": 1 / 7, "latency_s": {"p50": 1.0, "p95": 1.0, "p99": 1.0, "mean": 1.0},
    "goodput_per_s": 1.0, "jain_models": 1.0, "drop_reasons": {"infeasible": 3},
}  # fmt: skip

# policy, class, arrival, latency (None: dropped)
REQUESTS = [
    (policy, name, 0.5 * number, latency)
    for policy in ("fifo", "edf(max_batch=4)")
    for name in ("high", "low")
    for number, latency in enumerate((0.002, 0.004, 0.004, 0.008, None))
]

# policy, gpu, batch, model, size, class, copy-in start, execution start, execution end
BATCHES = [
    ("fifo", 0, 0, "resnet50", 1, "high", 1.000, 1.001, 1.030),
    ("fifo", 0, 1, "vgg19", 4, "low", 1.001, 1.002, 1.060),
    ("fifo", 1, 2, "vgg19", 2, "low", 1.002, 1.003, 1.050),
    ("fifo", 0, 3, "resnet50", 1, "low", 1.029, 1.030, 1.040),
    ("fifo", 0, 4, "resnet50", 1, "low", 5.000, 5.001, 5.002),
    ("edf(max_batch=4)", 0, 0, "resnet50", 1, "high", 1.000, 1.001, 1.030),
]


def write_folder(
    folder,
    *,
    violations=(0.4, 0.2),
    load=0.7,
    label="published",
    policies=("fifo", "edf(max_batch=4)"),
    seed=0,
    trace="t0",
    profile="p0",
    **spec,
):
    folder.mkdir(parents=True)
    runs = []
    for policy in policies:
        classes = {name: {**CLASS, "violation": v} for name, v in zip(("high", "low"), violations, strict=True)}
        runs.append({"policy": policy, "classes": classes, "gpu": [], "pcie": [], "simulated_s": 10.0})
    manifest = {
        "seed": seed,
        "trace": {"sha256": trace},
        "profile": {"name": "toy-gpu", "label": label, "sha256": profile},
        "spec": {"load": load, "gpus": 2, "seed": seed, **spec},
        "notes": [],
    }
    (folder / "summary.json").write_text(json.dumps({"runs": runs}))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    named = dict(zip(("fifo", "edf(max_batch=4)"), policies, strict=False))
    lines = ["policy,arrival_s,priority,latency_s"]
    lines += [
        f"{named[p]},{arrival},{name},{'' if latency is None else latency}"
        for p, name, arrival, latency in REQUESTS
        if p in named
    ]
    (folder / "requests.csv.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    stages = [f"{stage}_{end}_s" for stage in ("copy_in", "execution", "copy_out") for end in ("start", "end")]
    lines = ["policy,batch_id,gpu,model,batch_size,priority,dispatch_s," + ",".join([*stages, "solo_s"])]
    for policy, gpu, batch, model, size, name, begin, start, end in BATCHES:
        times = (begin, begin, start, start, end, end, end + 0.001, end - start)
        if policy in named:
            lines.append(f"{named[policy]},{batch},{gpu},{model},{size},{name}," + ",".join(map(str, times)))
    (folder / "batches.csv.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return folder


@pytest.fixture
def folder_at():
    """The function `write_folder`."""
    return write_folder


@pytest.fixture
def folder(tmp_path):
    """One result folder of two policies."""
    return write_folder(tmp_path / "demo")
