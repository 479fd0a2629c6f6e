"""One trace over independent groups of GPUs, each with a policy of its own: a load balancer in front of servers.

The front end deals requests to groups by a rule that needs no answer from them (`stratsim.model.groups`). Groups know
nothing of each other, so they may run one after the other or in processes of their own: the result is the same
to the byte. What is one per server is one per group: the policy, and the thread of the host that dispatches.

A request's luck is its own: the n-th request of a model in the *trace* takes the model's n-th draw, whatever its group.
Where clients wait for replies there is no n-th request before the run: every group then draws from streams of its own.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from heapq import heapreplace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from stratsim.device import network
from stratsim.device.noise import profile_noise
from stratsim.engine.arrivals import NoiseFactors
from stratsim.engine.merge import merged
from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.engine.worker import begin
from stratsim.errors import SimulationError, SpecError
from stratsim.model.rejection import Rejection
from stratsim.model.truth import Transfers
from stratsim.plugins import allowed_code
from stratsim.rng import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.model.cluster import Cluster
    from stratsim.model.groups import Groups
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import DropMode, Policy

__all__ = ["check_cut", "check_deal", "of_group", "simulate_groups"]


def check_deal(groups: Groups, workload: Workload) -> None:
    """Raise SpecError if a client that waits for replies would have them from several groups."""
    if workload.waits_for_replies and groups.count > 1 and groups.deal != "client":
        raise SpecError(
            f"deal = {groups.deal!r} would send one client's requests to several groups, and this trace has clients "
            "that wait for replies: their next request would depend on all of them; use deal = 'client'"
        )


def check_cut(groups: Groups, cluster: Cluster, profile: Profile) -> None:
    """Raise SpecError if the groups would share GPUs or links."""
    if cluster.gpus % groups.count:
        raise SpecError(f"{cluster.gpus} GPUs cannot be cut into {groups.count} equal groups")
    if cluster.transfers and groups.count > 1:
        each = cluster.gpus // groups.count
        transfers = profile.truth.transfers or Transfers()
        group_of: dict[int, int] = {}
        for gpu, ways in enumerate(network(cluster, profile.observable.pcie, transfers).paths):
            for link in {link for way in ways for link in way}:
                if group_of.setdefault(link, gpu // each) != gpu // each:
                    raise SpecError(
                        f"topology {cluster.tree.name!r} has a link that GPUs of groups {group_of[link]} and "
                        f"{gpu // each} share: what one copies slows the other, so they are no groups"
                    )


def simulate_groups(
    workload: Workload,
    profile: Profile,
    make_policy: Callable[[], Policy],
    groups: Groups,
    *,
    cluster: Cluster,
    name: str,
    max_batch: int,
    drop: DropMode,
    seed: int = 0,
    rejection: Rejection | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Replay a workload through groups of GPUs.

    Args:
        workload: What arrives.
        profile: The hardware.
        make_policy: Makes the policy of one group; called in the process that runs it, so with several it must be
            picklable.
        groups: How the cluster is cut, and requests are dealt.
        cluster: All GPUs.
        name: What to call the policy.
        max_batch: As for `simulate`; so are the others.
        drop: As for `simulate`.
        rejection: As for `simulate`.
        seed: As for `simulate`; every group's policy draws from streams of its own.
        jobs: Number of processes; 1 stays in this one. The result is the same but for its `wall_s`. Processes import
            the main script anew, so a script that asks for several needs its `if __name__ == "__main__":`.
        progress: Called whenever a group is done with (requests of the groups done, requests in all; 0 when not known).

    Raises:
        SpecError: the groups would have something in common.
        PolicyError: a policy failed.
        SimulationError: time does not advance, or a process was killed.
    """
    check_cut(groups, cluster, profile)
    check_deal(groups, workload)
    began = time.perf_counter()
    options = Options(
        name=name, cluster=cluster, max_batch=max_batch, drop=drop, seed=seed, rejection=rejection or Rejection()
    )
    parts = _Parts(workload, profile, make_policy, groups, options)
    done: dict[int, Result] = {}
    for group, result in _here(parts) if jobs == 1 else _apart(parts, min(jobs, groups.count)):
        done[group] = result
        if progress is not None:
            total = 0 if workload.waits_for_replies else len(workload)
            progress(sum([len(result.requests) for result in done.values()]), total)
    results = [done.pop(group) for group in range(groups.count)]
    each = cluster.gpus // groups.count
    known = not workload.waits_for_replies
    whole = merged(results, each, parts.rows, workload) if known else merged(results, each)
    return replace(whole, wall_s=time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one group is given, and nothing of the others: this much goes to its process."""

    workload: Workload
    profile: Profile
    make_policy: Callable[[], Policy]
    options: Options

    def run(self) -> Result:
        """Replay it."""
        return simulate_with(self.workload, self.profile, self.make_policy(), self.options)


class _Parts:
    """All groups' parts, each made when it is asked for: together they are as large as the workload."""

    def __init__(
        self,
        workload: Workload,
        profile: Profile,
        make_policy: Callable[[], Policy],
        groups: Groups,
        options: Options,
    ) -> None:
        self._workload = workload
        self._profile = profile
        self._make_policy = make_policy
        self._options = options
        self._streams = Streams(options.seed)
        self._factors: NDArray[np.float64] | None = None
        if not workload.waits_for_replies:
            noise = profile_noise(profile.truth.noise_cv, profile.truth.noise_cvs)
            self._factors = np.array(NoiseFactors(workload, noise, self._streams).factors)
        group = _dealt(workload, profile, groups)
        self.rows = [np.flatnonzero(group == number) for number in range(groups.count)]
        """Of the workload, by group."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, group: int) -> _Part:
        rows, count = self.rows[group], len(self)
        options = replace(
            self._options,
            cluster=of_group(self._options.cluster, group, count),
            seed=self._streams.child("group", str(group)).seed,
            factors=None if self._factors is None else self._factors[rows],
        )
        workload = _dealt_to(self._workload, rows, group, count)
        return _Part(workload, self._profile, self._make_policy, options)


def _here(parts: _Parts) -> Iterator[tuple[int, Result]]:
    """Run one after the other."""
    for group in range(len(parts)):
        yield group, parts[group].run()


def _apart(parts: _Parts, jobs: int) -> Iterator[tuple[int, Result]]:
    """Run in so many processes; a part is made and sent when a process is free for it."""
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), begin, (allowed_code(),))
    groups = iter(range(len(parts)))
    running: dict[Future[Result], int] = {}
    try:
        while True:
            for group in islice(groups, jobs - len(running)):
                running[pool.submit(_Part.run, parts[group])] = group
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    except BrokenExecutor:
        raise SimulationError("the process of a group was killed (out of memory?)") from None
    finally:
        if running:  # an error, or Ctrl-C: nobody wants the rest
            for process in list((pool._processes or {}).values()):
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _dealt(workload: Workload, profile: Profile, groups: Groups) -> NDArray[np.int64]:
    """Return each request's group."""
    turns = np.arange(len(workload)) % groups.count
    if groups.deal == "model":
        return _by_work(workload, profile, groups.count)[workload.model]
    if groups.deal == "client":
        nameless = workload.client < 0
        dealt = workload.client.astype(np.int64) % groups.count
        dealt[nameless] = np.arange(int(nameless.sum())) % groups.count
        return dealt
    return turns


def _by_work(workload: Workload, profile: Profile, count: int) -> NDArray[np.int64]:
    """Return each model's group: the largest first, to the group with the least so far (longest processing time)."""
    asked = np.bincount(workload.model, minlength=len(workload.models))
    work_s = [
        number * profile.observable.models[model].latency_s[1] if number else 0.0
        for number, model in zip(asked.tolist(), workload.models, strict=True)
    ]
    loads = [(0.0, group) for group in range(count)]
    dealt = np.zeros(len(work_s), dtype=np.int64)
    for model in sorted(range(len(work_s)), key=lambda model: -work_s[model]):
        load_s, dealt[model] = loads[0]
        heapreplace(loads, (load_s + work_s[model], loads[0][1]))
    return dealt


def _dealt_to(workload: Workload, rows: NDArray[np.intp], group: int, count: int) -> Workload:
    """Return what one group is sent, with the clients that it is sent by."""
    used, client = np.unique(workload.client[rows], return_inverse=True)
    names = tuple(workload.client_names[code] for code in used.tolist() if code >= 0)
    known = set(names)
    first = len(workload.client_names)  # closed-loop clients are counted on after those of the rows
    return replace(
        workload,
        arrival_s=workload.arrival_s[rows],
        model=workload.model[rows],
        priority=workload.priority[rows],
        deadline_s=workload.deadline_s[rows],
        bytes_in=workload.bytes_in[rows],
        bytes_out=workload.bytes_out[rows],
        client=(client.reshape(-1) - (len(used) - len(names))).astype(np.int32),
        client_names=names,
        closed_loop=tuple([c for i, c in enumerate(workload.closed_loop) if (first + i) % count == group]),
        one_at_a_time=tuple([client for client in workload.one_at_a_time if client.id in known]),
    )


def of_group(cluster: Cluster, group: int, count: int) -> Cluster:
    """Return the GPUs of one group, on their own links."""
    each = cluster.gpus // count
    topology = cluster.topology
    if topology is not None and topology.gpus:
        own = [replace(entry, count=1) for entry in topology.gpus for _ in range(entry.count)]
        topology = replace(topology, gpus=tuple(own[group * each : (group + 1) * each]))
    return replace(cluster, gpus=each, topology=topology)
