"""Copies between host and GPUs: engines, shared links, both directions at once; worked out by hand, and measured."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.engine import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.contention import ResourcePhase
from stratsim.model.parts import Link
from stratsim.model.topology import Branch, Branches, Topology, Trunk
from stratsim.model.truth import Transfers
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting
from stratsim.validate.suites.execution import with_truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CHECKS", "Copied", "Copy", "copies"]

_GB, _MB = 10**9, 10**6


class Copy(NamedTuple):
    """A request that copies this much in, and then out."""

    at_ms: float
    mb_in: float
    mb_out: float = 0.0


class Copied(NamedTuple):
    """When a request's copies started and ended, ms."""

    in_start: float
    in_end: float
    out_start: float
    out_end: float


def copies(
    wanted: Sequence[Copy],
    *,
    gb_per_s: float = 25.0,
    alpha_ms: float = 0.0,
    transfers: Transfers | None = None,
    **cluster: Any,
) -> list[Copied]:
    """Simulate requests that do little but copy; those that arrive together go to the GPUs in turn."""
    link = Link(alpha_ms / 1e3, gb_per_s * _GB)
    sizes = {f"m{i}": (round(copy.mb_in * _MB), round(copy.mb_out * _MB)) for i, copy in enumerate(wanted)}
    profile = make_profile(
        dict.fromkeys(sizes, _EXECUTION_MS / 1e3),
        h2d=link,
        d2h=link,
        bytes_in={name: size for name, (size, _) in sizes.items()},
        bytes_out={name: size for name, (_, size) in sizes.items()},
    )
    if transfers is not None:
        profile = with_truth(profile, transfers=transfers)
    rows = [(copy.at_ms / 1e3, name) for copy, name in zip(wanted, sizes, strict=True)]
    machine = Cluster(max_concurrency=len(wanted), device_model="streams", **cluster)
    result = simulate(
        make_workload(rows, profile=profile), profile, Fifo(max_batch=1, drop="never"), cluster=machine, max_batch=1
    )
    table, order = result.batches, result.requests.batch
    columns = (table.copy_in_start_s, table.copy_in_end_s, table.copy_out_start_s, table.copy_out_end_s)
    return [Copied(*(float(column[row]) * 1e3 for column in columns)) for row in order.tolist()]


_EXECUTION_MS = 1.0
"""Of every request; nothing here depends on it but when copies out begin."""


def _ends(name: str, expected: Sequence[float], why: str, wanted: Sequence[Copy], **setting: Any) -> Check:
    claims = tuple(Claim(f"{name}: end of copy {i}", end, 1e-6, why, "ms") for i, end in enumerate(expected, start=1))
    return Check(claims, partial(_measure_ends, wanted, setting))


def _measure_ends(wanted: Sequence[Copy], setting: Mapping[str, Any], _: Setting) -> Findings:
    return Findings([copied.in_end for copied in copies(wanted, **setting)])


_TWO = (Copy(0, 100), Copy(0, 50))
_INVERSION = (Copy(0, 100), Copy(0.1, 0.6))
_TREE = Topology(
    root=Trunk(32 * _GB),
    switches={"A": Branch(20 * _GB), "B": Branch(20 * _GB)},
    gpus=(Branches(16 * _GB, under="A", count=2), Branches(16 * _GB, under="B")),
)
"""Two GPUs below switch A, one below B."""


def _measure_tree(_: Setting) -> Findings:
    sizes = (10, 10, 12)
    found = copies([Copy(0, size) for size in sizes], gpus=3, topology=_TREE)
    return Findings([size / copied.in_end for size, copied in zip(sizes, found, strict=True)])


def _both(name: str, h2d: float, d2h: float, why: str, gb_per_s: float, transfers: Transfers) -> Check:
    claims = (
        Claim(f"{name}: rate to the GPU", h2d, 1e-6, why, "GB/s"),
        Claim(f"{name}: rate to the host", d2h, 1e-6, why, "GB/s"),
    )
    return Check(claims, partial(_measure_both, h2d, d2h, {"gb_per_s": gb_per_s, "transfers": transfers}))


def _measure_both(h2d: float, d2h: float, setting: Mapping[str, Any], _: Setting) -> Findings:
    """The first request copies out while the second copies in, as much as either is expected to in 100 ms."""
    mb_in, mb_out = 100 * h2d, 100 * d2h
    out, into = copies([Copy(0, 0, mb_out), Copy(_EXECUTION_MS, mb_in)], **setting)
    return Findings([mb_in / (into.in_end - into.in_start), mb_out / (out.out_end - out.out_start)])


def _measure_memory(_: Setting) -> Findings:
    """A kernel of 10 ms that wants all of 250 GB/s of memory, while 1 GB comes in at 25 GB/s."""
    phases = {"kernel": {1: (ResourcePhase(1.0, 0.0, 1.0),)}, "copy": {1: (ResourcePhase(1.0, 0.0, 0.0),)}}
    link = Link(0.0, 25.0 * _GB)
    profile = make_profile(dict.fromkeys(phases, 0.010), h2d=link, d2h=link, bytes_in={"copy": _GB})
    profile = with_truth(profile, roofline=phases)
    profile = replace(profile, device=replace(profile.device, memory_bandwidth_bytes_per_s=250.0 * _GB))
    workload = make_workload([(0.0, "copy"), (0.0, "kernel")], profile=profile)
    policy = Fifo(max_batch=1, drop="never")
    requests = simulate(workload, profile, policy, cluster=Cluster(device_model="roofline")).requests
    return Findings([float(requests.finish_s[requests.model == workload.models.index("kernel")][0]) * 1e3])


def _measure_v100(setting: Setting) -> Findings:
    """Fit t = alpha + bytes / rate by least squares of the relative error, and simulate each copy with it."""
    sizes, times_s = _transfer_times(setting.path(_V100_FILE))
    scaled = np.stack([1 / times_s, sizes / times_s], axis=1)
    alpha_s, per_byte = np.linalg.lstsq(scaled, np.ones(len(sizes)), rcond=None)[0].tolist()
    link = {"alpha_ms": alpha_s * 1e3, "gb_per_s": 1 / per_byte / _GB}
    found = [copies([Copy(0, size / _MB)], **link)[0] for size in sizes.tolist()]
    errors = [
        abs((copied.in_end - copied.in_start) / 1e3 / time_s - 1)
        for copied, time_s in zip(found, times_s.tolist(), strict=True)
    ]
    remark = f"{len(errors)} sizes; alpha {alpha_s * 1e6:.1f} us, {link['gb_per_s']:.2f} GB/s; worst {max(errors):.0%}"
    return Findings([median(errors)], [remark])


def _transfer_times(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sizes, bytes, and times, s, of the V100's copies to the device."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["gpu"] == _V100 and row["direction"] == "H2D"]
    if not rows:
        raise SpecError(f"{path}: has no row of {_V100!r}")
    sizes = np.array([float(row["bytes"]) for row in rows])
    return sizes, sizes / (np.array([float(row["value"]) for row in rows]) * _GB)


_V100, _V100_FILE = "Tesla V100 PCIe 16GB", "pcie/pcie_h2d_d2h_vs_size.csv"
_V100_SOURCE = "te42kyfo/gpu-benches @ 1c36d50, README: copy rate against size"

CHECKS = (
    _ends("one engine, 100 and 50 MB at 25 GB/s", (4.0, 6.0), "first in, first out", _TWO),
    _ends(
        "two GPUs behind 25 GB/s, 100 and 50 MB",
        (6.0, 4.0),
        "12.5 GB/s each until 4; then 50 MB are left for 25 GB/s",
        _TWO,
        gpus=2,
        uplink_bytes_per_s=25.0 * _GB,
    ),
    Check(
        tuple(
            Claim(
                f"links 16, switches 20, root 32: rate of GPU {i}", rate, 1e-6, "max-min: A is full at 10 each", "GB/s"
            )
            for i, rate in enumerate((10, 10, 12))
        ),
        _measure_tree,
    ),
    _ends(
        "0.6 MB behind 100 MB, alpha .01 ms",
        (4.01, 4.044),
        "alpha occupies the engine: 4.024 + 2 alpha",
        _INVERSION,
        alpha_ms=0.01,
    ),
    _ends(
        "0.6 MB behind 100 MB in chunks of 2 MB",
        (4.024, 0.184),
        "the second chunk ends at .16, then .6 MB take .024",
        _INVERSION,
        transfers=Transfers(chunk_bytes=2 * _MB),
    ),
    _both("both directions, kappa .71 of 26 GB/s", 18.46, 18.46, "kappa x 2 x 26 / 2", 26.0, Transfers(duplex=0.71)),
    _both(
        "both directions, kappa .7 of 25 GB/s, to the host first",
        10.0,
        25.0,
        "35 in all, 25 of them to the host",
        25.0,
        Transfers(duplex=0.7, h2d_share=0.0),
    ),
    Check(
        (
            Claim(
                "10 ms of all the DRAM, 250 GB/s, beside a copy of 25 GB/s: end", 10 / 0.9, 1e-6, "a rate of .9", "ms"
            ),
        ),
        _measure_memory,
    ),
    Check(
        (Claim("V100, copies of 1 KB and more: error of alpha + bytes / rate, median", 0.0, 0.03, _V100_SOURCE),),
        _measure_v100,
        needs=(_V100_FILE,),
    ),
)
"""One engine, a tree of links, chunks, both directions, the memory's bandwidth, and a measured link."""
