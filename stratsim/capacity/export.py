"""Back to the server: where the winner is Triton's batcher, its configurations, read back to the same run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.capacity.choose import trials
from stratsim.capacity.fewest import FewestSpec
from stratsim.capacity.probe import Job, inputs_of
from stratsim.errors import SimulationError, SpecError
from stratsim.policy.base import DropMode, Setting
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.policy.triton import Triton
from stratsim.policy.triton.write import check_new, write_repository
from stratsim.rng import Streams
from stratsim.run.replay import run_policy
from stratsim.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.capacity.choose import Choose
    from stratsim.capacity.measure import Question
    from stratsim.engine import Result
    from stratsim.policy.registry import PolicyCall
    from stratsim.run.inputs import Inputs

__all__ = ["check_export", "export_triton"]

_WAY_OUT = "only Triton's settings are those of a server; --policy triton asks about it alone"


def check_export(policies: str, choose: Choose, folder: Path) -> None:
    """Raise what can be said before a long search.

    Raises:
        SpecError: no policy is Triton's.
        OutputError: the folder is not empty.
    """
    check_new(folder)
    if not any(_is_triton(tried[0].policy) for tried in trials(policies, choose.values)):
        raise SpecError(f"--export triton: no policy of {policies!r} is triton: {_WAY_OUT}")


def export_triton(document: dict[str, Any], question: Question, folder: Path) -> list[Path]:
    """Write the configurations of the winner and return the files; the first seed's run is made with them once more.

    The winner is the policy with the fewest GPUs, or the highest rate, and among equals the first that is Triton's.

    Args:
        document: The answer.
        question: What was asked.
        folder: The model repository, to be made.

    Raises:
        SpecError: nothing meets the target, the winner is another policy, or a setting that no configuration can say.
        OutputError: a file cannot be written.
        SimulationError: what was written does not give the same run: a defect of stratsim.
    """
    job = _winner(document, question)
    inputs = inputs_of(job)
    (call,) = inputs.policies
    policy = make_policy(call)
    assert isinstance(policy, Triton)  # noqa: S101 (the winner)
    used = sorted({inputs.workload.models[code] for code in set(inputs.workload.model.tolist())})
    files = write_repository(policy, _setting(inputs), used, folder, _about(call, inputs, job))
    again = replace(call, text="triton", parameters={"repository": str(folder)})
    if not _same(run_policy(inputs, call), run_policy(replace(inputs, policies=(again,)), again)):
        raise SimulationError(f"{folder}: its configurations do not give the run that they were written from")
    return files


def _winner(document: dict[str, Any], question: Question) -> Job:
    run = replace(question.run, load=None, rate_scale=None)
    if isinstance(question, FewestSpec):
        found = [(fleet["gpus"], fleet) for fleet in document["fleets"] if fleet["gpus"] is not None]
        unit, rates = "GPUs", {fleet["policy"]: document["rate_per_s"] for _, fleet in found}
        run = replace(run, gpus=question.gpus[0])
    else:
        found = [(-each["rate_per_s"], each) for each in document["capacities"] if each["rate_per_s"] is not None]
        unit, rates = "requests/s", {each["policy"]: each["rate_per_s"] for _, each in found}
    if not found:
        raise SpecError("--export triton: no policy meets the target, so there is nothing to serve with")
    best = min(figure for figure, _ in found)
    ours = [each for figure, each in found if figure == best and _is_triton(each["policy"])]
    if not ours:
        first = next(each["policy"] for figure, each in found if figure == best)
        raise SpecError(f"--export triton: the winner is {first}, with {abs(best):g} {unit}: {_WAY_OUT}")
    policy = ours[0]["policy"]
    settings = tuple(ours[0].get("settings", {}).items())
    run = replace(run, policy=policy)
    return Job(run, question.arrivals, policy, rates[policy], gpus=ours[0].get("gpus"), settings=settings)


def _is_triton(policy: str) -> bool:
    (call,) = parse_policies(policy)
    return isinstance(make_policy(call), Triton)


def _setting(inputs: Inputs) -> Setting:
    """Return what the policy was told."""
    spec, cluster = inputs.spec, inputs.cluster
    return Setting(
        profile=inputs.profile.for_scheduler(cluster.solo_links(inputs.profile.observable.pcie)),
        gpus=cluster.gpus // spec.groups,
        max_concurrency=cluster.max_concurrency,
        prefetch=cluster.prefetch,
        max_batch=spec.max_batch,
        drop=DropMode(spec.drop),
        streams=Streams(spec.seed),
    )


def _about(call: PolicyCall, inputs: Inputs, job: Job) -> list[str]:
    spec, gpus = inputs.spec, inputs.cluster.gpus
    text = " ".join(call.text.split())
    at_once = (
        f"at most {spec.max_concurrency} batches at once on a GPU (max_concurrency), {spec.prefetch} ahead (prefetch)"
    )
    return [
        f"stratsim {__version__}: {text}, {gpus} GPU{'' if gpus == 1 else 's'}, {job.rate:.6g} requests/s.",
        f"Simulated with {at_once}: Triton itself limits instances alone.",
    ]


def _same(one: Result, other: Result) -> bool:
    """Whether every request and every batch had the same fate."""
    columns = ("status", "batch", "finish_s")
    requests = all(
        np.array_equal(getattr(one.requests, name), getattr(other.requests, name), equal_nan=name == "finish_s")
        for name in columns
    )
    return requests and np.array_equal(one.batches.size, other.batches.size)
