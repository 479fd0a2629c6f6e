"""Beliefs of schedulers: how fast co-located batches progress, and when copies end. They never see the device's truth.

`base.py` says what a belief about interference is, `transfer.py` what one about copies is; the registry makes either
from a name with parameters.
"""

from stratsim.predict.base import Active, Interval, Member, Observation, Predictor
from stratsim.predict.oracle import Oracle
from stratsim.predict.registry import make_predictor, make_transfer_predictor
from stratsim.predict.transfer import Copy, TransferPredictor

__all__ = [
    "Active",
    "Copy",
    "Interval",
    "Member",
    "Observation",
    "Oracle",
    "Predictor",
    "TransferPredictor",
    "make_predictor",
    "make_transfer_predictor",
]
