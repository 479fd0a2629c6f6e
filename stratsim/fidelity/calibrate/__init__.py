"""Calibration: a device is measured while it serves, and a copy of its profile is corrected by what was measured.

    from stratsim.fidelity.calibrate import calibrated, with_served

`arrivals` makes requests whose batches execute alone; `latency` measures how long executions take alone as they are
served, `overheads` what the host adds, `thinking` what policies take to decide, `contention` what corrects the device
model beside others, `scatter` how far executions vary beyond that. `correct` writes these into a copy of the profile,
`latency` its latencies. `compare` shows latencies of the profile, of the calibration and of the runs that are judged.
No run is judged by what was measured in it.

`from_log` learns all of that from the first part of one run, a server's log too: with `handover` (the host, by the
stamps of a log), `factors` (solo times), `copies` (the link) and, where a log knows no batches, `trips`
(latencies alone).
"""

from stratsim.fidelity.calibrate.arrivals import check_budget, kinds_of, one_by_one, span_s
from stratsim.fidelity.calibrate.compare import Calibration, compare_latencies, drift_notes
from stratsim.fidelity.calibrate.contention import Contention, learn_contention
from stratsim.fidelity.calibrate.correct import Calibrated, calibrated, calibrated_by
from stratsim.fidelity.calibrate.from_log import Learned, first_part, learn
from stratsim.fidelity.calibrate.latency import Drift, Served, measure_drift, measure_served, with_served
from stratsim.fidelity.calibrate.overheads import Overhead, measure_overheads
from stratsim.fidelity.calibrate.scatter import Scatter, measure_scatter
from stratsim.fidelity.calibrate.thinking import measure_thinking, with_thinking

__all__ = [
    "Calibrated",
    "Calibration",
    "Contention",
    "Drift",
    "Learned",
    "Overhead",
    "Scatter",
    "Served",
    "calibrated",
    "calibrated_by",
    "check_budget",
    "compare_latencies",
    "drift_notes",
    "first_part",
    "kinds_of",
    "learn",
    "learn_contention",
    "measure_drift",
    "measure_overheads",
    "measure_scatter",
    "measure_served",
    "measure_thinking",
    "one_by_one",
    "span_s",
    "with_served",
    "with_thinking",
]
