"""The small sweeps that tests of this folder run, and what they left."""

import csv

from stratsim.sweep import How, make_sweep, run_sweep

TINY = {
    "title": "tiny",
    "sweep": {"seeds": [1, 2]},
    "base": {"profile": "asymmetric-six", "max_batch": 2},
    "arrivals": {"requests": 60},
    "axes": {"load": [0.7, 1.1], "policy": ["fifo", "edf(max_batch={b})"], "settings.b": [1, 2]},
}
UNTIL = {
    **TINY,
    "sweep": {"seeds": [5, 3], "until": {"metric": "high_violation", "half_width": 0.15, "most": 7}},
    "axes": {**TINY["axes"], "load": [0.7, 2.0, 3.0]},
}


def run(data, out, **options):
    return run_sweep(make_sweep(data), data, out, How(**options))


def rows_of(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))
