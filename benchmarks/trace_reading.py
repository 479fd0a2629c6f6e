"""Reading speed and memory of traces, here and in another checkout, as ratios of one run.

    python benchmarks/trace_reading.py --against ../before day.csv ten-million.parquet

Each file is read by fresh processes that take turns; CPU seconds and peak memory are those of the reading alone. The
other checkout's own interpreter (`.venv/bin/python`) reads there, where it has one. `--make FILE.parquet` first writes
a trace of ten million requests.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
CODE = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
import msgspec, numpy, pandas, pyarrow.parquet
from stratsim.trace import read_trace
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
trace = read_trace(sys.argv[2])
print(time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, len(trace))
"""


def make(path: Path, requests: int = 10_000_000) -> None:
    """Write a Parquet trace with one column beside ours."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    names = {"model": [f"m{n}" for n in range(11)], "priority": ["high", "low"]}
    codes = {name: pa.array(rng.integers(0, len(known), requests, dtype=np.int32)) for name, known in names.items()}
    columns = {
        "arrival_s": np.cumsum(rng.exponential(0.001, requests)),
        **{name: pa.DictionaryArray.from_arrays(codes[name], pa.array(known)) for name, known in names.items()},
        "slo_s": rng.choice([0.05, 0.1], requests),
        "bytes_in": rng.integers(1, 10**6, requests),
        "tokens": rng.integers(1, 4000, requests),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def measure(checkout: Path, file: str) -> tuple[float, float, int]:
    """Return CPU seconds, MiB and requests of one reading."""
    own = checkout / ".venv" / "bin" / "python"
    words = [str(own if own.exists() else sys.executable), "-c", CODE, str(checkout), file]
    seconds, mebibytes, requests = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(mebibytes), int(requests)


def main() -> None:
    """Print a line per file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--against", type=Path, required=True, help="another checkout")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--make", type=Path, help="write a trace of ten million requests there first")
    asked = parser.parse_args()
    if asked.make is not None:
        make(asked.make)
    for file in asked.files:
        found: dict[Path, list[tuple[float, float, int]]] = {HERE: [], asked.against.resolve(): []}
        for turn in range(asked.repeat):
            for checkout in list(found)[:: 1 if turn % 2 else -1]:
                found[checkout].append(measure(checkout, str(Path(file).resolve())))
        here, there = ([statistics.median(column) for column in zip(*rows, strict=True)] for rows in found.values())
        print(
            f"{file}: {here[2]:.0f} requests; CPU {here[0]:.2f} s, {here[0] / there[0]:.2f} of the other's; "
            f"memory {here[1]:.0f} MiB, {here[1] / there[1]:.2f} of the other's"
        )


if __name__ == "__main__":
    main()
