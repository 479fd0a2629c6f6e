"""Why the design of the measurement is what it is: errors on unseen triples by what was measured.

Eight models, demands uniform in [0.2, 0.7], weights log-uniform in [1, 3], 3 % noise. Pairs alone cannot identify
demand and weight; copies of one model add the demands, cells beside the heaviest model the weights.
"""

import itertools

import numpy as np
import pytest

from stratsim.fit.cells import Cell
from stratsim.fit.scores import score
from stratsim.fit.sharing import fit_sharing

SEEDS = range(6)
DESIGNS = ("pairs", "pairs + copies", "pairs + copies + saturated")


def study(bench):
    """Return the score of each design on all triples, which are exact."""
    heavy = max(bench.loads, key=lambda load: bench.demand[load])
    others = [load for load in bench.loads if load != heavy]
    pairs = [bench.cell(pair) for pair in itertools.combinations(bench.loads, 2)]
    copies = [bench.cell((load,) * count, "self") for load in bench.loads for count in (2, 3, 4)]
    saturated = [bench.cell((load, heavy, heavy), "anchor") for load in others]
    saturated += [bench.cell((load, load, heavy, heavy), "anchor") for load in others]
    triples = [Cell(loads, (1.0, 1.0, 1.0)) for loads in itertools.combinations(bench.loads, 3)]
    truth = [slowdown for cell in bench.truth.slowdowns(triples) for slowdown in cell]
    found = []
    for cells in (pairs, pairs + copies, pairs + copies + saturated):
        guesses = fit_sharing(cells, anchor=heavy).shares.slowdowns(triples)
        found.append(score([guess for cell in guesses for guess in cell], truth))
    return found


@pytest.fixture
def by_design(make_bench):
    rows = [study(make_bench(8, seed=seed, noise=0.03, demand=(0.2, 0.7), weight=(1.0, 3.0))) for seed in SEEDS]
    mean = np.array([[found.mean for found in row] for row in rows]).mean(axis=0)
    worst = np.array([[found.worst for found in row] for row in rows]).mean(axis=0)
    return dict(zip(DESIGNS, mean.tolist(), strict=True)), dict(zip(DESIGNS, worst.tolist(), strict=True))


@pytest.mark.slow
def test_each_part_of_the_design_pays(by_design):
    mean, worst = by_design
    assert mean["pairs"] > mean["pairs + copies"] > mean["pairs + copies + saturated"]
    assert worst["pairs + copies + saturated"] < min(worst["pairs"], worst["pairs + copies"])
    assert 0.1 < mean["pairs"] < 0.3
    assert 0.05 < mean["pairs + copies"] < 0.2
    assert mean["pairs + copies + saturated"] < 0.02
    assert worst["pairs + copies + saturated"] < 0.15
