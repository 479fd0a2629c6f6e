"""Makes docs/how-to/live-log.json.gz: a live run of ours, as a server that is not ours would have logged it.

    python docs/how-to/live_log.py

The run was served by `stratsim live` on one core of a CPU (docs/results/fidelity-cpu.md): each of three models at
batch sizes 1 to 4, 30 times, in random order. Of its tables seven time stamps a request are left, in the shape of
Triton's traces: when it came (REQUEST_START, QUEUE_START: the executor has no front end of its own), when its batch's
slot took it and copied its inputs (COMPUTE_START), the begin and end of the execution (COMPUTE_INPUT_END,
COMPUTE_OUTPUT_START), the end of the copy of its outputs (COMPUTE_END, REQUEST_END). Nothing else is in it.
"""

import gzip
import json
from pathlib import Path

from stratsim.results import read_results

DOCS = Path(__file__).parents[1]
RUN = DOCS / "figures" / "fidelity-cpu" / "alone"
OUT = Path(__file__).with_name("live-log.json.gz")
STAMPS = {
    "COMPUTE_START": "copy_in_start_s",
    "COMPUTE_INPUT_END": "execution_start_s",
    "COMPUTE_OUTPUT_START": "execution_end_s",
    "COMPUTE_END": "copy_out_end_s",
}


def records():
    """Yield a record per request that was answered."""
    stored = read_results(RUN)
    batches = stored.batches().set_index("batch_id")
    for number, row in enumerate(stored.requests().sort_values("arrival_s").itertuples(), start=1):
        if row.status not in ("met", "late"):
            continue
        batch = batches.loc[row.batch_id]
        times = {"REQUEST_START": row.arrival_s, "QUEUE_START": row.arrival_s}
        times |= {name: float(batch[column]) for name, column in STAMPS.items()}
        times["REQUEST_END"] = times["COMPUTE_END"]
        stamps = [{"name": name, "ns": round(time_s * 1e9)} for name, time_s in times.items()]
        yield {"id": number, "model_name": row.model, "model_version": 1, "timestamps": stamps}


if __name__ == "__main__":
    text = "[\n" + ",\n".join(json.dumps(record, separators=(",", ":")) for record in records()) + "\n]\n"
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
