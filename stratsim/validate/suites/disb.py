"""DISB's workloads A, B and C on an RTX 3080: what each client measured, against the whole product's replay.

DISB (SJTU-IPADS/disb @ 7ad5fba, Apache-2.0) runs its clients on unpartitioned streams of one process, so the policy is
`native`. These are the cells that the profile was fitted to: they show how well the execution model can describe them,
not how well it predicts others. What fits say that have not seen a cell is checked too, by the fit's own steady-state
calculation: A and B as whole workloads, C cell by cell. And forms of the rule are held against the workloads A to D,
each left out of the fit: the profile's form, and the best with as many numbers (docs/results/validation-disb.md has all
forms).
"""

from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

from stratsim.model.codec import load_profile
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec
from stratsim.validate import disb as source
from stratsim.validate.case import Check, Claim, Findings, Setting, Table
from stratsim.validate.disb_forms import FORMS
from stratsim.validate.disb_unseen import RESULTS_D, WORKLOADS, left_out, read_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CELLS", "CHECKS", "Cell"]

PROFILE = "rtx3080-disb"
_FOLDER = "disb"
WORST, MEAN = 0.20, 0.10
"""Relative errors that we aim at: of any cell, and of all in the mean."""
_SOURCE = "SJTU-IPADS/disb @ 7ad5fba, TensorRT results (Apache-2.0): tot_us over solo_us"


class Cell(NamedTuple):
    """One client of one workload, and its mean end-to-end latency, loaded and alone, us."""

    workload: str
    client: str
    loaded_us: float
    alone_us: float

    @property
    def slowdown(self) -> float:
        """Loaded over alone."""
        return self.loaded_us / self.alone_us


CELLS = (
    Cell("A", "resnet152_be", 5241, 4235),
    Cell("A", "vgg19_rt", 2975, 2767),
    Cell("B", "resnet152_be", 13439, 4212),
    Cell("B", "vgg19_rt", 3120, 2801),
    Cell("C", "densenet201_be", 97569, 8383),
    Cell("C", "distilbert_be", 6064, 1170),
    Cell("C", "inceptionv3_be", 20455, 2847),
    Cell("C", "resnet152_be", 26559, 4185),
    Cell("C", "vgg19_be", 4773, 2786),
    Cell("C", "vgg19_rt", 5616, 2779),
)
_WORKLOADS = tuple(dict.fromkeys(cell.workload for cell in CELLS))


def _file(workload: str) -> str:
    return f"{_FOLDER}/workload_{workload}.json"


def _unseen(setting: Setting) -> list[float]:
    """Return the slowdown of each cell as predicted by a fit without it."""
    measured = source.read_measured(setting.path(_FOLDER), load_profile(PROFILE).observable)
    best = source.fit(measured, source.kernel_queue_family(measured.length_s), measured.cells)
    found = source.held_out(measured, best)
    return [found[source.Cell(cell.workload, cell.client)] for cell in CELLS]


def _errors(slowdowns: Sequence[float]) -> list[float]:
    return [abs(got / cell.slowdown - 1) for cell, got in zip(CELLS, slowdowns, strict=True)]


def _measure(setting: Setting) -> Findings:
    clients = {name: _replayed(setting, name) for name in _WORKLOADS}
    figures = [clients[cell.workload][cell.client] for cell in CELLS]
    slowdowns = [figure["slowdown"] for figure in figures]
    unseen = _unseen(setting)
    remarks = [f"{got / cell.slowdown - 1:+.1%}" for cell, got in zip(CELLS, slowdowns, strict=True)]
    rows = [
        (*cell[:2], cell.slowdown, got, other, *(1e3 * figure[name] for name in _TAILS))
        for cell, got, other, figure in zip(CELLS, slowdowns, unseen, figures, strict=True)
    ]
    columns = ("workload", "client", "measured", "simulated", "unseen", "mean_ms", "p95_ms", "p99_ms")
    table = Table("disb-cells", "Slowdown of DISB's clients, and the simulated service's tail", columns, rows)
    fitted, left = _errors(slowdowns), _errors(unseen)
    worst, cell = max(zip(left, CELLS, strict=True))
    remarks += [f"worst {max(fitted):.1%}", f"worst {worst:.1%}: workload {cell.workload}, {cell.client}"]
    return Findings([*slowdowns, mean(fitted), mean(left)], remarks, [table])


_TAILS = ("mean_service_s", "service_p95_s", "service_p99_s")


def _replayed(setting: Setting, workload: str) -> Mapping[str, Mapping[str, float]]:
    spec = RunSpec(trace=str(setting.path(_file(workload))), profile=PROFILE, policy="native")
    found: Mapping[str, Mapping[str, float]] = replay(prepare(spec), keep_results=False).summaries[0]["clients"]
    return found


_CARRIED = ("kernel-queue, one hold (5)", "an H200's slope and residual (5)")
"""Forms of the rule that are judged here: the profile's, and the best of those that were tried."""


def _carried(form: str, setting: Setting) -> Findings:
    """Judge a form by workloads left out of its fit."""
    measured = read_all(setting.path(_FOLDER), load_profile(PROFILE).observable)
    unseen = left_out(measured, FORMS[form])
    off = {cell: value / measured.slowdown[cell] - 1.0 for cell, value in unseen.items()}
    rows = [(*cell, measured.slowdown[cell], unseen[cell], value) for cell, value in off.items()]
    title = f"Slowdowns by a fit without their workload: {form}"
    table = Table(
        f"disb-left-out-{_CARRIED.index(form) + 1}", title, ("workload", "client", "measured", "unseen", "off"), rows
    )
    worst = max(off, key=lambda cell: abs(off[cell]))
    parts = (
        f"{name} {mean(abs(value) for cell, value in off.items() if cell.workload == name):.1%}" for name in WORKLOADS
    )
    remarks = [", ".join(parts), f"workload {worst.workload}, {worst.client}"]
    return Findings([mean(map(abs, off.values())), abs(off[worst])], remarks, [table])


def _carries(form: str) -> Check:
    return Check(
        (
            Claim(f"{form}, workloads left out: error of the slowdown, mean", 0.0, MEAN, _SOURCE),
            Claim(f"{form}, workloads left out: error of the slowdown, worst cell", 0.0, WORST, _SOURCE),
        ),
        partial(_carried, form),
        needs=(*(_file(name) for name in WORKLOADS), f"{_FOLDER}/{source.RESULTS}", f"{_FOLDER}/{RESULTS_D}"),
    )


CHECKS = (
    Check(
        (
            *(
                Claim(
                    f"workload {cell.workload}, {cell.client}: slowdown", cell.slowdown, WORST * cell.slowdown, _SOURCE
                )
                for cell in CELLS
            ),
            Claim("error of the slowdown over the ten cells, mean", 0.0, MEAN, _SOURCE),
            Claim("error of the slowdown of cells left out of the fit, mean", 0.0, MEAN, _SOURCE),
        ),
        _measure,
        needs=(*(_file(name) for name in _WORKLOADS), f"{_FOLDER}/{source.RESULTS}"),
    ),
    *(_carries(form) for form in _CARRIED),
)
"""Ten cells, and their mean; two forms with workloads left out."""
