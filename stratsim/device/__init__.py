"""The truth: how the simulated GPU and its links behave.

Everything here is a plain state machine that is given the time: no clock, no events, no policies. The parameters come
from a `HardwareProfile`; nothing in `stratsim.policy` or `stratsim.predict` may import this package.
"""

from stratsim.device.execution import (
    EXECUTION_MODELS,
    Execution,
    ExecutionModel,
    ExecutionUnit,
    FluidModel,
    FluidUnit,
    Phase,
    PreemptableModel,
    PreemptableUnit,
    execution_model,
    find_model,
    preemptable,
)
from stratsim.device.fabric import Copy, Fabric, Network, host_links, network
from stratsim.device.memory import DeviceMemory, device_memory
from stratsim.device.noise import LogNormal, Noise
from stratsim.device.pcie import CopyEngine, Direction, PrivateLinks

__all__ = [
    "EXECUTION_MODELS",
    "Copy",
    "CopyEngine",
    "DeviceMemory",
    "Direction",
    "Execution",
    "ExecutionModel",
    "ExecutionUnit",
    "Fabric",
    "FluidModel",
    "FluidUnit",
    "LogNormal",
    "Network",
    "Noise",
    "Phase",
    "PreemptableModel",
    "PreemptableUnit",
    "PrivateLinks",
    "device_memory",
    "execution_model",
    "find_model",
    "host_links",
    "network",
    "preemptable",
]
