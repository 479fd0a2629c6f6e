"""Measures the Azure LLM 2023 traces and fits the figures in `default.toml`.

    stratsim trace fetch azure-conv --out DIR/AzureLLMInferenceTrace_conv.csv      # likewise azure-code
    python traces/fit_azure.py --data DIR            # prints the figures
    python traces/fit_azure.py --data DIR --write    # and writes default.toml; then run make_default.py

Only the first 40 minutes are used, counted from the first arrival of either trace, which makes about 20 000 arrivals.
Counts per minute are taken over as they are; the parameters within the minute minimise the squared log error of the
gaps' coefficient of variation and of the index of dispersion at 1 s and 10 s, averaged over seeds, on a grid.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_default

from stratsim.trace.summary import dispersion, gap_cv

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MINUTES = 40
SEEDS = range(100, 104)
FILE_SEEDS = range(10)
"""Of the file: the one whose superposition comes closest to the measured figures."""
WIDTHS_S = (1, 10, 60)
SOURCE = "Azure/AzurePublicDataset @ b469a11"


def load(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return the arrivals of both traces and of their superposition, seconds, in the window."""
    stamps = {}
    for name in ("conv", "code"):
        frame = pd.read_csv(folder / f"AzureLLMInferenceTrace_{name}.csv", usecols=["TIMESTAMP"])
        stamps[name] = pd.to_datetime(frame["TIMESTAMP"]).to_numpy().astype("datetime64[ns]").astype(np.int64)
    start = min(int(column.min()) for column in stamps.values())
    found = {name: np.sort(column - start) / 1e9 for name, column in stamps.items()}
    found = {name: column[column < MINUTES * make_default.MINUTE] for name, column in found.items()}
    return {**found, "both": np.sort(np.concatenate(list(found.values())))}


def measure(arrival: NDArray[np.float64]) -> dict[str, float]:
    """Return the figures that are compared."""
    figures: dict[str, Any] = {
        "requests": len(arrival),
        "rate_per_s": (len(arrival) - 1) / float(arrival[-1] - arrival[0]),
        "interarrival_cv": gap_cv(arrival),
    }
    return figures | {f"dispersion_{width}s": dispersion(arrival, width) for width in WIDTHS_S}


def per_minute(arrival: NDArray[np.float64]) -> list[int]:
    """Return the requests in each minute of the window."""
    counts = np.bincount((arrival // make_default.MINUTE).astype(int), minlength=MINUTES)
    return [int(count) for count in counts[:MINUTES]]


def distance(made: dict[str, float], wanted: dict[str, float]) -> float:
    """Return the squared log error of what happens within a minute."""
    keys = ("interarrival_cv", "dispersion_1s", "dispersion_10s")
    return sum(float(np.log(made[key] / wanted[key])) ** 2 for key in keys)


def best(
    wanted: dict[str, float],
    grid: dict[str, list[float]],
    make: Callable[[np.random.Generator, dict[str, float]], NDArray[np.float64]],
) -> dict[str, float]:
    """Return the point of the grid with the least mean distance over the seeds."""
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]

    def loss(point: dict[str, float]) -> float:
        made = [measure(make(np.random.default_rng(seed), point)) for seed in SEEDS]
        return float(np.mean([distance(figures, wanted) for figures in made]))

    return min(points, key=loss)


def fit(real: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return the content of default.toml, without what the generated file measures."""
    profiles = {name: per_minute(real[name]) for name in ("conv", "code")}
    wanted = {name: measure(arrival) for name, arrival in real.items()}
    conv = best(
        wanted["conv"],
        {"cv": [0.9, 0.95, 1.0, 1.05, 1.1, 1.15]},
        lambda rng, point: make_default.smooth(rng, profiles["conv"], **point),
    )
    code = best(
        wanted["code"],
        {"on_rate": [10.0, 11.0, 12.0, 13.0, 14.0, 16.0], "on_s": [4.0, 6.0, 8.0, 12.0, 16.0],
         "cv": [1.0, 1.4, 1.8, 2.2]},
        lambda rng, point: make_default.bursty(rng, profiles["code"], **point),
    )  # fmt: skip
    figures: dict[str, Any] = {
        "conv": {"per_minute": profiles["conv"], "model": conv, "measured": wanted["conv"]},
        "code": {"per_minute": profiles["code"], "model": code, "measured": wanted["code"]},
        "both": {"measured": wanted["both"]},
    }

    def miss(seed: int) -> float:
        return distance(measure(make_default.arrivals(figures, seed)["both"]), wanted["both"])

    return {"seed": min(FILE_SEEDS, key=miss), **figures}


def add_generated(figures: dict[str, Any]) -> None:
    """Add what the generated streams measure, and how well their minutes follow the real ones."""
    made = make_default.arrivals(figures, figures["seed"])
    real = {name: figures[name]["per_minute"] for name in ("conv", "code")}
    real["both"] = [sum(pair) for pair in zip(*real.values(), strict=True)]
    for name, arrival in made.items():
        correlation = float(np.corrcoef(per_minute(arrival), real[name])[0, 1])
        figures[name]["generated"] = measure(arrival) | {"per_minute_correlation": correlation}


def render(figures: dict[str, Any]) -> str:
    """Return the figures as TOML."""
    lines = [
        "# Figures behind default.csv.gz. Written by fit_azure.py; make_default.py makes the file from them.",
        "#",
        "# `per_minute` and `measured` are published figures: derived from the Azure LLM inference traces 2023",
        f"# (`conv`, `code`), {SOURCE}, CC-BY-4.0, Microsoft; first {MINUTES} minutes, own computation.",
        "# `model` is fitted to them, `generated` is what our own synthetic arrivals measure.",
        "",
        f"seed = {figures['seed']}",
        f'source = "{SOURCE}"',
        'licence = "CC-BY-4.0"',
        f"minutes = {MINUTES}",
    ]
    for name in ("conv", "code", "both"):
        if "per_minute" in figures[name]:
            lines += ["", f"[{name}]", f"per_minute = {figures[name]['per_minute']}"]
        for part in ("model", "measured", "generated"):
            if part in figures[name]:
                lines += ["", f"[{name}.{part}]"]
                lines += [f"{key} = {_figure(value)}" for key, value in figures[name][part].items()]
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}" if value % 1 else f"{value:.1f}"


def main() -> int:
    """Print the figures, or write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the two CSV files")
    parser.add_argument("--write", action="store_true", help="write default.toml")
    arguments = parser.parse_args()
    figures = fit(load(arguments.data))
    add_generated(figures)
    text = render(figures)
    if arguments.write:
        (make_default.HERE / "default.toml").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
