"""Makes `default.csv.gz` from the figures in `default.toml`: our own arrivals, fitted to two public traces.

    python traces/make_default.py            # writes traces/default.csv.gz
    python traces/make_default.py --check    # compares it with the committed file, byte for byte

Two streams are superposed. `conv` is a smooth one: Gamma gaps on a clock that runs at the rate of the minute. `code` is
an on/off one: the arrivals of each minute fall into a few on periods at a high rate, Gamma gaps within. The file holds
times in units of the mean inter-arrival time and nothing else. Equal bytes for equal figures on one numpy version.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.rng import Streams

if TYPE_CHECKING:
    from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
MINUTE = 60.0
DIGITS = 4
"""Decimals of the file: a ten-thousandth of the mean gap, about 0.01 ms at the rate of the originals."""


def renewal(rng: np.random.Generator, total: float, cv: float) -> NDArray[np.float64]:
    """Return Gamma renewal points of rate 1 in [0, total), the first gap drawn at a random phase."""
    shape = cv**-2
    expected = int(total + 10 * cv * total**0.5 + 100)
    points = np.cumsum(rng.gamma(shape, 1 / shape, expected)) - rng.random() / shape
    return points[(points >= 0) & (points < total)]


def warp(points: NDArray[np.float64], edges: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return when a clock that runs at `rates[i]` between `edges[i]` and `edges[i + 1]` shows each of `points`."""
    clock = np.concatenate([[0.0], np.cumsum(np.diff(edges) * rates)])
    return np.interp(points, clock, edges)


def smooth(rng: np.random.Generator, profile: list[int], cv: float) -> NDArray[np.float64]:
    """Return arrivals at a rate that is constant within each minute of `profile` (requests per minute)."""
    rates = np.asarray(profile, dtype=np.float64) / MINUTE
    edges = np.arange(len(profile) + 1, dtype=np.float64) * MINUTE
    return warp(renewal(rng, float(sum(profile)), cv), edges, rates)


def bursty(rng: np.random.Generator, profile: list[int], on_rate: float, on_s: float, cv: float) -> NDArray[np.float64]:
    """Return arrivals that come in on periods only.

    Args:
        rng: Random stream.
        profile: Requests per minute.
        on_rate: Requests per second while on; more in a minute that would not fit otherwise.
        on_s: Mean length of an on period, seconds.
        cv: Coefficient of variation of the gaps within.
    """
    edges, rates = [0.0], []
    for minute, count in enumerate(profile):
        busy = min(count / on_rate, 0.95 * MINUTE)
        periods = max(1, round(busy / on_s))
        lengths = rng.dirichlet(np.ones(periods)) * busy
        pauses = rng.dirichlet(np.ones(periods + 1)) * (MINUTE - busy)
        for pause, length in zip(pauses, [*lengths, 0.0], strict=True):
            edges += [edges[-1] + pause, edges[-1] + pause + length]
            rates += [0.0, count / busy if busy else 0.0]
        edges[-1] = (minute + 1) * MINUTE
    return warp(renewal(rng, float(sum(profile)), cv), np.asarray(edges), np.asarray(rates))


def arrivals(figures: dict[str, Any], seed: int) -> dict[str, NDArray[np.float64]]:
    """Return the arrivals of both streams and of their superposition, seconds."""
    streams = Streams(seed)
    conv, code = figures["conv"], figures["code"]
    made = {
        "conv": smooth(streams.get("default", "conv"), conv["per_minute"], conv["model"]["cv"]),
        "code": bursty(streams.get("default", "code"), code["per_minute"], **code["model"]),
    }
    return {**made, "both": np.sort(np.concatenate([made["conv"], made["code"]]))}


def content(figures: dict[str, Any]) -> bytes:
    """Return the bytes of the trace file."""
    both = arrivals(figures, figures["seed"])["both"]
    shape = (both - both[0]) * (len(both) - 1) / (both[-1] - both[0])
    text = "arrival_norm\n" + "".join(f"{stamp:.{DIGITS}f}\n" for stamp in shape.tolist())
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as file:
        file.write(text.encode())
    return packed.getvalue()


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed file")
    arguments = parser.parse_args()
    made = content(tomllib.loads((HERE / "default.toml").read_text(encoding="utf-8")))
    target = HERE / "default.csv.gz"
    if arguments.check:
        same = gzip.decompress(target.read_bytes()) == gzip.decompress(made)
        print(f"{target.name}: {'identical' if same else 'differs'}")
        return 0 if same else 1
    target.write_bytes(made)
    print(f"{target.name}: {len(made)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
