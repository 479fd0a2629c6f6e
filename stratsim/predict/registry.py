"""Finds predictors by name, or in a user's file: see `stratsim.plugins`.

Beliefs about interference are entry points of group `stratsim.predictors`, those about copies of group
`stratsim.transfer_predictors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.plugins import Registry

if TYPE_CHECKING:
    from stratsim.predict.base import Predictor
    from stratsim.predict.transfer import TransferPredictor

__all__ = ["PREDICTORS", "TRANSFER_PREDICTORS", "make_predictor", "make_transfer_predictor"]

PREDICTORS: Registry[Predictor] = Registry(
    kind="predictor",
    group="stratsim.predictors",
    base="stratsim.predict.base.Predictor",
    needed=("fit", "predict", "observe", "rate"),
    family="rate",
)
"""Beliefs about interference."""

TRANSFER_PREDICTORS: Registry[TransferPredictor] = Registry(
    kind="transfer predictor",
    group="stratsim.transfer_predictors",
    base="stratsim.predict.transfer.TransferPredictor",
    needed=("fit", "predict"),
    family="predict",
)
"""Beliefs about copies."""


def make_predictor(text: str) -> Predictor:
    """Return a new predictor named as on the command line: `rls(forgetting=0.98)` or `FILE.py:CLASS`.

    Raises:
        SpecError: no such predictor or parameter (with the nearest name), or a value that it refuses.
    """
    return PREDICTORS.make(PREDICTORS.parse_one(text))


def make_transfer_predictor(text: str) -> TransferPredictor:
    """Return a new transfer predictor named as on the command line: `contended(uplink_bytes_per_s=12e9)`.

    Raises:
        SpecError: no such predictor or parameter (with the nearest name), or a value that it refuses.
    """
    return TRANSFER_PREDICTORS.make(TRANSFER_PREDICTORS.parse_one(text))
