"""With a solo belief Strait takes the decisions of a reference written from its rule in terms of l(b) alone.

The reference shares no code with the policy: it has sorted lists, and for every batch in flight what it believes to be
left of it, l(b) less the time since it started, but at least a twentieth.
"""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority
from stratsim.policy.base import Drop, Policy, Start
from stratsim.policy.strait import Strait
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

LATENCY_S = {"a": {1: 0.010, 4: 0.016}, "b": {1: 0.004, 4: 0.009}, "c": {1: 0.007, 4: 0.013}}
EPSILON_S = 1e-12


class Reference(Policy):
    """One GPU, no copies, no places beyond the slots; no guard, no filling, no rescue, no margin."""

    def prepare(self, setting):
        self.latency_s = {name: model.latency_s for name, model in setting.profile.models.items()}
        self.slots = setting.max_concurrency
        self.queue = {priority: [] for priority in Priority}

    def on_arrival(self, request, view):
        self.queue[request.priority].append(request)
        self.queue[request.priority].sort(key=lambda each: (each.deadline_s, each.id))

    def decide(self, view):
        (gpu,), now_s = view.gpus, view.now_s
        for queue in self.queue.values():
            for request in list(queue):
                if now_s + self.latency_s[request.model][1] > request.deadline_s + EPSILON_S:
                    queue.remove(request)
                    yield Drop(request, "infeasible")
        for priority in Priority:
            while len(gpu.executing) + len(gpu.staged) < self.slots:
                batch = self.next(gpu, now_s, priority)
                if not batch:
                    break
                for request in batch:
                    self.queue[priority].remove(request)
                yield Start(tuple(batch))

    def next(self, gpu, now_s, priority):
        for model in dict.fromkeys(request.model for request in self.queue[priority]):
            queue = [request for request in self.queue[priority] if request.model == model]
            fits = [size for size in range(1, min(len(queue), 4) + 1) if self.in_time(queue, size, now_s)]
            for size in reversed(fits):
                if self.others_can_follow(gpu, now_s, model, size):
                    return queue[:size]
            if priority is Priority.HIGH and fits:  # whatever goes first, somebody waits: the largest
                return queue[: fits[-1]]
        return []

    def in_time(self, queue, size, now_s):
        return now_s + self.latency_s[queue[0].model][size] <= queue[0].deadline_s + EPSILON_S

    def others_can_follow(self, gpu, now_s, model, size):
        """Whether the first high-priority request of every other model is no later for this batch than without it."""
        ends_s = [self.ends_s(batch, now_s) for batch in [*gpu.executing, *gpu.staged]]
        later_s = [*ends_s, now_s + self.latency_s[model][size]]
        heads = {}
        for request in self.queue[Priority.HIGH]:
            heads.setdefault(request.model, request)
        for head in heads.values():
            last_s = head.deadline_s + EPSILON_S - self.latency_s[head.model][1]
            if head.model != model and self.slot_s(later_s, now_s) > last_s >= self.slot_s(ends_s, now_s):
                return False
        return True

    def ends_s(self, batch, now_s):
        lasts_s = self.latency_s[batch.model][batch.size]
        return now_s + max(lasts_s - (now_s - batch.dispatch_s), lasts_s / 20)

    def slot_s(self, ends_s, now_s):
        return now_s if len(ends_s) < self.slots else sorted(ends_s)[len(ends_s) - self.slots]


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_solo_beliefs_make_it_the_reference(seed, slots):
    sharing = {"a": Sharing(0.9, 6.0), "b": Sharing(0.5, 1.0), "c": Sharing(0.7, 2.0)}  # so that some are overdue
    profile = make_profile(LATENCY_S, sharing=sharing)
    draw = Streams(seed).get("reference")
    at_s = np.cumsum(draw.exponential(0.0045, 300)).tolist()
    names = [sorted(LATENCY_S)[which] for which in draw.integers(0, 3, 300).tolist()]
    slack = draw.uniform(1.5, 12.0, 300).tolist()
    urgent = (draw.random(300) < 0.5).tolist()
    rows = [
        (at, name, Priority.HIGH if high else Priority.LOW, at + k * LATENCY_S[name][1])
        for at, name, k, high in zip(at_s, names, slack, urgent, strict=True)
    ]
    workload = make_workload(rows, profile=profile)
    plain = Strait(predictor="solo", margin=0, guard="off", fill=False, rescue_low=False, explore=0, max_batch=4)
    machine = Cluster(max_concurrency=slots, prefetch=0)
    ours, theirs = (simulate(workload, profile, policy, cluster=machine) for policy in (plain, Reference()))
    assert ours.batches.dispatch_s.tolist() == theirs.batches.dispatch_s.tolist()
    assert ours.requests.batch.tolist() == theirs.requests.batch.tolist()
    assert ours.requests.status.tolist() == theirs.requests.status.tolist()
    assert len(set(ours.batches.size.tolist())) > 1
