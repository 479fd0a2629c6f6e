"""The truth: how the simulated GPU and its links behave.

Everything here is a plain state machine that is told the time: no clock, no events, no policies. The parameters come
from a `HardwareProfile`; nothing in `stratsim.policy` or `stratsim.predict` may import this package.
"""

from stratsim.device.execution import EXECUTION_MODELS, ExecutionModel, Load, Phase, execution_model
from stratsim.device.gpu import Execution, ExecutionUnit
from stratsim.device.noise import LogNormal, Noise
from stratsim.device.pcie import CopyEngine, Direction, PrivateLinks, SharedUplink

__all__ = [
    "EXECUTION_MODELS",
    "CopyEngine",
    "Direction",
    "Execution",
    "ExecutionModel",
    "ExecutionUnit",
    "Load",
    "LogNormal",
    "Noise",
    "Phase",
    "PrivateLinks",
    "SharedUplink",
    "execution_model",
]
