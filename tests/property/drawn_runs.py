"""Random runs of compiled policies that have a belief, and how two results of one run are compared."""

import os
from dataclasses import fields, replace

import numpy as np

from stratsim.engine.options import Options
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Features, Link
from stratsim.model.profile import Pair, Sharing
from stratsim.model.request import Priority
from stratsim.model.truth import Host
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.run.oracle import reveal
from stratsim.testing import make_profile, make_workload

CASES = int(os.environ.get("STRATSIM_ENGINES", "12"))
FIRST = int(os.environ.get("STRATSIM_FIRST", "0"))
GPUS, MANY_GPUS = (1, 1, 1, 2, 3, 5), (1, 1, 16, 40, 64)


def random_profile(draws, *, many=False):
    """One to six models, or many, with batches, links, features and measured pairs, or some of these."""
    names = [f"m{number}" for number in draws.permutation(64 if many else 9)]
    names = names[: draws.integers(20, 65) if many else draws.integers(1, 7)]
    solo_s = {name: float(draws.uniform(0.5, 8.0)) * 1e-3 for name in names}
    most = {name: int(draws.choice([1, 2, 4, 8])) for name in names}
    link = Link(float(draws.choice([0.0, 1e-5])), float(draws.choice([1e9, 1.2e10])))
    profile = make_profile(
        {name: {1: s, most[name]: s * draws.uniform(1.0, most[name])} if most[name] > 1 else s
         for name, s in solo_s.items()},
        sharing={name: Sharing(float(draws.uniform(0.2, 1.0)), float(draws.uniform(0.5, 9.0))) for name in names},
        h2d=link,
        d2h=link,
        bytes_in=int(draws.choice([0, 602_112, 5_000_000])),
        bytes_out=int(draws.choice([0, 4_000])),
        noise_cv=float(draws.choice([0.0, 0.02, 0.2])),
    )  # fmt: skip
    if draws.random() < 0.7:
        known = {
            name: replace(model, features={1: Features(*map(float, draws.random(3)))})
            for name, model in profile.observable.models.items()
        }
        profile = replace(profile, observable=replace(profile.observable, models=known))
    if draws.random() < 0.5:
        sizes = {name: sorted({1, (1 + most[name]) // 2, most[name]}) for name in names}
        pairs = [
            Pair(
                one,
                own,
                two,
                beside,
                float(draws.uniform(1.0, 3.0)),
                held_out=bool(one != two and draws.random() < 0.1),
            )
            for one in names
            for two in names
            for own in sizes[one]
            for beside in sizes[two]
            if (own == beside == 1 and one == two == names[0]) or draws.random() < 0.5
        ]
        profile = replace(profile, pairs=tuple(pairs))
    if draws.random() < 0.2:
        host = Host(*(float(draws.choice([0.0, 1e-4])) for _ in range(4)))
        profile = replace(profile, truth=replace(profile.truth, host=host))
    return profile


def random_pairs(draws):
    """A predictor `ewma-pairs` with some arguments other than the default ones."""
    arguments = {
        "use_prior": ["true", "false"],
        "prior_slowdown": [1, 3],
        "max_slowdown": [50, 1.5, 2],
    }
    chosen = {name: draws.choice(values) for name, values in arguments.items() if draws.random() < 0.3}
    chosen |= [{}, {"alpha": 0.7}, {"alpha": 1}, {"samples": 6}][draws.integers(4)]
    return f"ewma-pairs({', '.join(f'{name}={value}' for name, value in chosen.items())})"


def random_belief(draws, profile, slots, *, many=False):
    """A predictor: mostly `rls` with some arguments other than the default ones, else one that never learns.

    Of many models it is `rls`: what it keeps and looks up grows with them.
    """
    fixed = ["solo", "constant(slowdown=1.5)", "constant(slowdown=2)", "constant(slowdown=3.7)"]
    if profile.pairs:
        fixed += ["gpulet"] * 3
    if slots <= 2:
        fixed += ["oracle"] * 2
    if draws.random() < 0.4 and not many:
        return str(draws.choice(fixed))
    belief = {
        "form": ["additive", "additive", "rate", "slowdown"],
        "forgetting": [0.99, 0.9, 1.0],
        "directional": ["true", "true", "false"],
        "pair_variance": [10.0, 0],
        "trace_cap": [10, 1.5],
        "change_threshold": [20, 2],
        "excitation": [0, 0.5],
        "features": ["compute+memory+batch", "compute", "batch+busy"],
    }
    inner = {name: draws.choice(values) for name, values in belief.items() if draws.random() < 0.3}
    if "features" in inner:
        inner["features"] = str(inner["features"].split("+"))
    made = ", ".join(f"{name}={value}" for name, value in {"form": "additive", **inner}.items())
    return f"rls({made})"


def random_run(draws, seed, name, *, many=False):
    """Return a workload, a profile and options of a run of a policy of that name.

    `many`: of 20 to 64 models, and of up to 64 GPUs.
    """
    profile = random_profile(draws, many=many)
    names = list(profile.observable.models)
    gpus = int(draws.choice(MANY_GPUS if many else GPUS))
    count = int(draws.integers(200, 500) if many else draws.integers(20, 160))
    mean_s = np.mean([model.latency_s[1] for model in profile.observable.models.values()])
    arrivals_s = np.cumsum(draws.exponential(mean_s / gpus / draws.uniform(0.4, 2.0), count))
    if draws.random() < 0.3:
        arrivals_s = np.round(arrivals_s, 3)  # ties
    slack = [float(draws.choice([2.0, 5.0, 20.0, np.inf])), float(draws.choice([3.0, 10.0, np.inf]))]
    rows = []
    for at_s in arrivals_s.tolist():
        model, level = names[draws.integers(len(names))], Priority(int(draws.random() < 0.6))
        rows.append((at_s, model, level, at_s + slack[level] * profile.observable.models[model].latency_s[1]))
    options = Options(
        name=name,
        cluster=Cluster(
            gpus=gpus,
            max_concurrency=int(draws.choice([1, 2, 2, 2, 3, 3 if many else 4])),
            prefetch=int(draws.choice([0, 1, 1, 2])),
        ),
        max_batch=int(draws.choice([1, 4, 8])),
        drop=DropMode.INFEASIBLE,
        seed=seed,
    )
    return make_workload(rows, profile=profile), profile, options


def made(text, profile, slots=2):
    (call,) = parse_policies(text)
    policy = make_policy(call)
    reveal(policy, profile, slots=slots)
    return policy


def differences(one, other):
    """Return the columns in which two results differ."""
    found = []
    for table in ("batches", "requests"):
        for column in fields(getattr(one, table)):
            left, right = (np.asarray(getattr(getattr(of, table), column.name)) for of in (one, other))
            if left.tobytes() != right.tobytes():
                found.append(f"{table}.{column.name}")
    found += [name for name in ("events", "reasons", "notes") if getattr(one, name) != getattr(other, name)]
    return found + ["attempts"] * bool(np.any(np.asarray(one.attempts) != np.asarray(other.attempts)))
