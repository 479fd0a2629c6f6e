"""A predictor from scratch: one slowdown per target model, the mean of what was seen."""

from stratsim.predict import Predictor


class MeanSlowdown(Predictor):
    """A co-located batch is slowed as its model has been, on average, while it was co-located."""

    def __init__(self, first=1.5):
        self.first = first

    def start(self):
        self.loss_ = dict.fromkeys(self.profile_.models, 1 - 1 / self.first)
        self.seen_ = dict.fromkeys(self.profile_.models, 1)

    def rate(self, target, others):
        return min(1.0, max(0.02, 1 - self.loss_[target[0]]))

    def learn(self, observation):
        model, _ = observation.target
        overlap_s = sum(length_s for length_s, others in observation.intervals if others)
        loss = (observation.duration_s - observation.solo_s) / overlap_s
        self.seen_[model] += 1
        self.loss_[model] += (loss - self.loss_[model]) / self.seen_[model]
