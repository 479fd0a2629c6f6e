"""NVIDIA's `nvbandwidth -j`: bandwidth matrices as strings in GB/s (1e9 bytes per second).

The rate of a link is that of one copy alone in one direction by the copy engine: `host_to_device_memcpy_ce` and
`device_to_host_memcpy_ce`. Copies are large, so what a copy costs to begin (`alpha_s`) is not in the file.

Source: NVIDIA/nvbandwidth, json_output.cpp and README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.imports.files import number
from stratsim.imports.found import Ask, Found
from stratsim.model.codec import read_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read"]

_DIRECTIONS = {"h2d": "host_to_device_memcpy_ce", "d2h": "device_to_host_memcpy_ce"}
_GB = 1e9


def read(path: Path, ask: Ask) -> Found:
    """Return the rates of the host link of one device, both directions.

    Raises:
        SpecError: it is another file, a test case is missing or did not pass, or there is no such device.
    """
    data = read_json(path)
    report = data.get("nvbandwidth") if isinstance(data, dict) else None
    if not isinstance(report, dict) or not isinstance(report.get("testcases"), list):
        raise SpecError(f"{path}: not nvbandwidth's JSON (`nvbandwidth -j`): no 'nvbandwidth' with 'testcases'")
    cases = {str(case.get("name")): case for case in report["testcases"] if isinstance(case, dict)}
    rates, notes = {}, []
    for direction, name in _DIRECTIONS.items():
        if name not in cases:
            raise SpecError(f"{path}: no test case {name!r}; {suggest(name, cases)}")
        found = _row(path, cases[name])
        if not 0 <= ask.device < len(found):
            raise SpecError(f"{path}: {name} has devices 0 to {len(found) - 1}, and --device says {ask.device}")
        rates[direction] = found[ask.device] * _GB
        spread = max(found) / min(found) - 1
        if spread > 0.01:
            notes.append(f"{path.name}: {name} differs between devices by {spread:.0%}; device {ask.device} was taken")
    version = report.get("version", "unknown version")
    driver = report.get("Driver Version")
    return Found(
        tool=f"nvbandwidth {version}" + (f", driver {driver}" if driver else ""),
        bytes_per_s=rates,
        statistics={
            f"observable.pcie.{direction}.bytes_per_s": f"{name}, device {ask.device}: large copies, pinned memory"
            for direction, name in _DIRECTIONS.items()
        },
        notes=(*notes, f"{path.name}: copies are large ones: what a copy costs to begin (alpha_s) is not in the file"),
    )


def _row(path: Path, case: dict[str, Any]) -> list[float]:
    """Return the rate of each device, GB/s: rows are the host (its NUMA nodes are never told apart by this test)."""
    name, status = case["name"], case.get("status")
    if status != "Passed":
        error = f": {case['error']}" if case.get("error") else ""
        raise SpecError(f"{path}: {name} has status {status!r}{error}")
    described = str(case.get("bandwidth_description", ""))
    if "(" in described and "(GB/s)" not in described:
        raise SpecError(f"{path}: {name} is not in GB/s: {described!r}")
    matrix = case.get("bandwidth_matrix")
    if not (isinstance(matrix, list) and len(matrix) == 1 and isinstance(matrix[0], list) and matrix[0]):
        raise SpecError(f"{path}: {name} has no bandwidth_matrix of one row")
    rates = [number(cell, f"{path}, {name}") for cell in matrix[0]]
    if min(rates) <= 0:
        raise SpecError(f"{path}, {name}: a rate must be > 0, got {min(rates):g} GB/s")
    return rates
