"""sched-sim: its FCFS scheduler with room for one request.

It simulates LLM serving by iterations. A request of one prompt token and one output token takes two, a prefill and a
decode. On a machine of endless rates each costs the launch overhead alone: set to half the service time, both together
are the service. Sums of halves are rounded twice: its waits differ from the others' in the last digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sched_sim.core.event_engine import Simulator
from sched_sim.core.request import Request
from sched_sim.hardware.latency_model import RooflineLatencyModel
from sched_sim.hardware.profile import HardwareProfile
from sched_sim.memory.block_manager import BlockManager
from sched_sim.memory.preemption import PreemptionHandler
from sched_sim.schedulers.fcfs import FCFSScheduler

from queues import SERVICE_S

if TYPE_CHECKING:
    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    simulator = _machine()
    requests = [
        Request(request_id=str(number), arrived_at=arrival_s, prompt_tokens=1, output_tokens=1)
        for number, arrival_s in enumerate(np.cumsum(gaps_s).tolist())
    ]
    simulator.submit_workload(requests)
    simulator.run()
    return np.array([request.completed_at - request.arrived_at - SERVICE_S for request in requests])


def _machine() -> Simulator:
    hardware = HardwareProfile(
        name="overhead alone",
        vram_gb=1.0,
        memory_bandwidth_gb_s=1e18,
        fp16_tflops=1e18,
        parameter_count_billions=1e-9,
        kernel_launch_overhead_ms=SERVICE_S / 2 * 1e3,
    )
    blocks, latency = BlockManager(hardware, cpu_memory_gb=0.1), RooflineLatencyModel(hardware)
    return Simulator(hardware, FCFSScheduler(blocks, latency, PreemptionHandler(blocks, latency), max_batch_size=1))
