"""Records every kernel of the zoo's inferences on a GPU, alone and in some pairs, as CUPTI saw them.

    PYTHONPATH=.:profiler python profiler/profiles/record_kernels.py --out kernels.json.gz

Made h200-fp16.kernels.json.gz, on an H200. The profiler keeps numbers and mean lengths of kernels only; this is for
for readers who want to know more: their order, lengths, grids, and how those of two streams interleave.

    names      names of kernels; a row's first entry is an index into it
    columns    of a row: times in microseconds, from the first kernel on
    solo       by MODEL@BATCH: the rows of two inferences, with the gate before each that `CudaDevice.fire` starts it by
    pairs      by MODEL@BATCH+MODEL@BATCH: the rows of 12 ms with both streams backlogged
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from torch.profiler import ProfilerActivity, profile

from stratsim_profiler.device.base import Inference, Lane
from stratsim_profiler.device.cuda import CudaDevice
from stratsim_profiler.zoo.registry import DEFAULT_CUDA

if TYPE_CHECKING:
    from collections.abc import Callable

Load = tuple[str, int]

PAIRS: tuple[tuple[Load, Load], ...] = (
    (("vgg19", 8), ("resnet50", 8)),
    (("resnet50", 1), ("resnet50", 1)),
    (("bert-base", 8), ("bert-base", 8)),
    (("mobilenetv2", 1), ("vgg19", 8)),
    (("vit-b-16", 8), ("resnet50", 1)),
    (("densenet201", 8), ("bert-base", 1)),
)
BATCHES = (1, 8)
PAIR_S = 0.012
COLUMNS = ("name", "start_us", "duration_us", "stream", "grid", "block", "registers", "shared_bytes")
COLUMNS += ("occupancy_percent",)
DETAILS = ("stream", "grid", "block", "registers per thread", "shared memory", "est. achieved occupancy %")


class Recorder:
    """Runs things under CUPTI, and numbers the names of kernels."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def rows(self, run: Callable[[], object]) -> list[list[Any]]:
        """Return the kernels of a run, in the order of their starts."""
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            run()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            seen.export_chrome_trace(str(path))
            events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        found = [event for event in events if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
        found.sort(key=lambda event: event["ts"])
        zero = found[0]["ts"] if found else 0.0
        return [self._row(event, zero) for event in found]

    def _row(self, event: dict[str, Any], zero: float) -> list[Any]:
        number = self.names.setdefault(event["name"], len(self.names))
        details = event.get("args", {})
        times = (round(event["ts"] - zero, 3), round(event["dur"], 3))
        return [number, *times, *(details.get(name) for name in DETAILS)]


def record(device: CudaDevice) -> dict[str, Any]:
    """Return everything."""
    recorder, lanes = Recorder(), {}

    def lane(load: Load, slot: int) -> Lane:
        if (load, slot) not in lanes:
            lanes[load, slot] = device.open(Inference(*load, "fp16", "graph"), slot)
        return lanes[load, slot]

    def twice(one: Lane) -> None:
        for _ in range(2):
            device.fire([one], [0.0])

    solo = {}
    for model in DEFAULT_CUDA:
        for batch in BATCHES:
            one = lane((model, batch), 0)
            twice(one)
            solo[f"{model}@{batch}"] = recorder.rows(lambda one=one: twice(one))  # type: ignore[misc]
    pairs = {}
    for first, second in PAIRS:
        both = [lane(first, 0), lane(second, 1)]
        rows = recorder.rows(lambda both=both: device.backlog(both, PAIR_S))  # type: ignore[misc]
        pairs["+".join(f"{model}@{batch}" for model, batch in (first, second))] = rows
    return {"names": list(recorder.names), "columns": COLUMNS, "solo": solo, "pairs": pairs}


def main() -> None:
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpu", type=int, default=0)
    options = parser.parse_args()
    device = CudaDevice(options.gpu)
    with gzip.open(options.out, "wt", encoding="utf-8") as file:
        json.dump(record(device), file)
    device.shutdown()


if __name__ == "__main__":
    main()
