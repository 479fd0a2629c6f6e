"""How long AISimulate takes for each further request: LLM serving, other work than ours, so it stands in no table.

    python -m venv apart && apart/bin/pip install --pre --only-binary :all: aisimulate
    python benchmarks/aisimulate.py apart/bin/aisimulate

One vLLM server with Qwen3-32B on an H200, Poisson arrivals, 16 tokens in and two out: two iterations per request, as
`sched-sim` makes them in `benchmarks/peers.py`. Start-up is cancelled: what 100,000 further requests cost is counted,
in the process's own time of a processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

FEW, MORE = 10_000, 110_000
SETTINGS = """
engine: {mode: aggregated, model: Qwen/Qwen3-32B-FP8, hardware: h200_sxm, backend: vllm, workers: {aggregated: {}}}
traffic:
  source: {type: synthetic, input_tokens: 16, output_tokens: 2}
  load: {type: poisson, requests_per_second: 20}
  stop: {requests: 1}
"""


def main() -> None:
    """Print the rate of each round and their median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="where `aisimulate` is")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            few_s, more_s = (cpu_s(options.program.resolve(), Path(folder), requests) for requests in (FEW, MORE))
            rates.append((MORE - FEW) / (more_s - few_s))
            print(f"{few_s:.2f} and {more_s:.2f} s: {rates[-1]:,.0f} further requests per second", flush=True)
    print(f"median of {len(rates)}: {statistics.median(rates):,.0f}")


def cpu_s(program: Path, folder: Path, requests: int) -> float:
    """Return what one prediction of so many requests takes."""
    (folder / "settings.yaml").write_text(SETTINGS, encoding="utf-8")
    given = ["--config", "settings.yaml", "--set", f"traffic.stop.requests={requests}", "--output-dir", "out"]
    process = subprocess.Popen([program, "predict", *given, "--overwrite"], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{program} ended with status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
