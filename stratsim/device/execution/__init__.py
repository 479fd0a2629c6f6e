"""Execution models: at which pace each of several co-located batches progresses.

`base` says what a model is, `registry` finds one by name; each of the other modules is one model or what several share.
"""

from stratsim.device.execution.base import (
    Execution,
    ExecutionModel,
    ExecutionUnit,
    PreemptableModel,
    PreemptableUnit,
)
from stratsim.device.execution.fluid import FluidModel, FluidUnit, Phase
from stratsim.device.execution.registry import (
    EXECUTION_MODELS,
    DeviceModel,
    describe_model,
    execution_model,
    find_model,
    preemptable,
    supported,
)

__all__ = [
    "EXECUTION_MODELS",
    "DeviceModel",
    "Execution",
    "ExecutionModel",
    "ExecutionUnit",
    "FluidModel",
    "FluidUnit",
    "Phase",
    "PreemptableModel",
    "PreemptableUnit",
    "describe_model",
    "execution_model",
    "find_model",
    "preemptable",
    "supported",
]
