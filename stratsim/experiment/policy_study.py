"""The kind `policies`: the same requests through rival policies, settings chosen on pilot seeds, figures from others.

Two stages. The pilot runs every setting of every policy at every concurrency. The results run each policy with what the
pilot chose for it in that cell, at its best concurrency and at the fixed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.experiment.analysis import summarise
from stratsim.experiment.grid import applies, axis_columns, cells, task
from stratsim.experiment.kinds import Kind
from stratsim.experiment.one_run import FIGURES, run_one
from stratsim.experiment.report import figures, tables
from stratsim.experiment.selection import PILOT, choose
from stratsim.experiment.study import CONCURRENCY, check_study

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.experiment.grid import Cell, Task
    from stratsim.experiment.kinds import Context
    from stratsim.experiment.store import Row
    from stratsim.experiment.study import Study

__all__ = ["KIND"]

RESULTS = "results"
_AFTER_AXES = ("policy", "role", "setting", CONCURRENCY, "seed", "rate_per_s", "solo_load")


def columns(study: Study) -> list[str]:
    """Return the columns of the table of runs: where a run belongs, what was run, what came out."""
    return ["phase", *axis_columns(study).values(), *_AFTER_AXES, *FIGURES]


def pilot(study: Study, context: Context, rows: Sequence[Row]) -> list[Task]:  # noqa: ARG001 (the first stage)
    """Return the runs of the pilot: everything, on its seeds."""
    return [
        task(study, cell, name, setting, slots, seed, PILOT, _profile(context, cell))
        for cell in cells(study)
        for seed in study.seeds.pilot
        for name, policy in study.policies.items()
        for slots in cell.concurrency
        if applies(policy, cell, slots)
        for setting in policy.trials()
    ]


def results(study: Study, context: Context, rows: Sequence[Row]) -> list[Task]:
    """Return the runs of the results: what the pilot chose, on their seeds."""
    chosen = choose(
        [row for row in rows if row["phase"] == PILOT],
        list(axis_columns(study).values()),
        study.seeds.pilot,
        study.analysis.fixed_concurrency,
    )
    return [
        task(study, cell, name, *choice, seed, RESULTS, _profile(context, cell))
        for cell in cells(study)
        for seed in study.seeds.results
        for name in study.policies
        for choice in dict.fromkeys(chosen.get(cell.key, {}).get(name, {}).values())
    ]


def run(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a task and return its row."""
    base, load = settings["base"], settings["saturation"]
    row = {
        "phase": settings["phase"],
        **settings["cell"],
        **{name: settings[name] for name in ("policy", "role", "setting", "seed", "rate_per_s")},
        CONCURRENCY: base[CONCURRENCY],
        "solo_load": base["load"] * load["solo_load"],
    }
    return [{**row, **run_one(settings)}]


def estimate(study: Study, context: Context) -> dict[str, int]:
    """Return the number of runs: exact for the pilot, at most for the results."""
    first = pilot(study, context, [])
    servers: dict[tuple[str, ...], set[int]] = {}
    for each in first:
        place = (*each.settings["cell"].values(), each.settings["policy"])
        servers.setdefault(place, set()).add(each.settings["base"][CONCURRENCY])
    fixed = study.analysis.fixed_concurrency
    most = sum(1 + (fixed in slots and len(slots) > 1) for slots in servers.values())
    return {PILOT: len(first), RESULTS: most * len(study.seeds.results)}


def _profile(context: Context, cell: Cell) -> Mapping[str, str]:
    return context.profiles[cell.base["profile"]]


KIND = Kind(
    columns=columns,
    stages=(pilot, results),
    run=run,
    summarise=summarise,
    tables=tables,
    figures=figures,
    estimate=estimate,
    check=check_study,
)
