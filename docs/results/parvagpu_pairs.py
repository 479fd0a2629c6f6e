"""Writes ParvaGPU's tables as a table of pairs: `python parvagpu_pairs.py FOLDER OUT.csv`.

Source of the tables: MunQ-Lee/ParvaGPU_SC24 @ 5f3de1e, prof_data (MIT): throughput per process, requests per second, by
MIG size (slices of 7), batch size and number of processes.
"""

import csv
import sys
from pathlib import Path

COLUMNS = [f"{name}_{side}" for side in "ab" for name in ("model", "batch", "alone", "together", "share")]


def batches_per_s(path: Path) -> dict[tuple[int, int, int], float]:
    """Return batches per second of each process, by MIG size, batch size and number of processes."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return {(int(mig), int(size), int(count)): float(rate) / int(size) for mig, size, count, rate, *_ in rows}


def main(folder: str, out: str) -> None:
    """Write two rows per model and batch size: copies that share the GPU, and copies in 3 and 4 slices of it."""
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for path in sorted(Path(folder).glob("*.csv")):
            if path.name.startswith("SLO_"):
                continue
            rate = batches_per_s(path)
            for size in sorted({size for _, size, _ in rate}):
                alone, two, three, four = (
                    rate[key] for key in ((7, size, 1), (7, size, 2), (3, size, 1), (4, size, 1))
                )
                if alone and two:  # measured; a rate of 0 is out of memory
                    writer.writerow([path.stem, size, alone, two, ""] * 2)
                if alone and three and four:  # measured apart: MIG instances are taken not to touch each other
                    row = [path.stem, size, alone]
                    writer.writerow([*row, three, 3 / 7, *row, four, 4 / 7])


if __name__ == "__main__":
    main(*sys.argv[1:])
