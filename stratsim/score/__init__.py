"""Scores: how far predictors and device models are from the slowdowns that a profile's pairs hold.

Each is judged on pairs that it has not seen: a pair of models left out in turn, or all pairs of a model with others;
and on a device that has changed since. Docs: docs/reference/predictors.md.
"""

from stratsim.score.devices import score_devices
from stratsim.score.folds import SPLITS, Asked
from stratsim.score.predictors import score_predictors
from stratsim.score.scored import Scored, Scores, write_scores

__all__ = ["SPLITS", "Asked", "Scored", "Scores", "score_devices", "score_predictors", "write_scores"]
