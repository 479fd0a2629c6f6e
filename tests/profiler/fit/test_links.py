"""Links: known parameters come back, public tables give the published figures, bad input is named."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from stratsim.errors import ProfileError
from stratsim_profiler.fit.links import fit_link

SIZES = [4096 * 2**step for step in range(17)]


def exact(alpha_s=10e-6, bytes_per_s=12e9):
    return {size: alpha_s + size / bytes_per_s for size in SIZES}


def test_exact_durations_give_the_exact_link():
    fit = fit_link(exact())
    assert fit.alpha_s == pytest.approx(10e-6, rel=1e-9)
    assert fit.bytes_per_s == pytest.approx(12e9, rel=1e-9)
    assert fit.median_error < 1e-9
    assert fit.rejected == ()


@pytest.mark.slow
def test_intervals_are_narrow_without_noise_and_hold_the_truth_with_it():
    fit = fit_link(exact())
    assert fit.alpha_s_interval == pytest.approx((10e-6, 10e-6), rel=1e-6)
    hits = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        noisy = {size: seconds * float(np.exp(random.normal(0, 0.03))) for size, seconds in exact().items()}
        low, high = fit_link(noisy).bytes_per_s_interval
        hits += low <= 12e9 <= high
    assert 180 <= hits <= 198  # 95 % of 200 is 190, give or take 3


def test_each_size_counts_alike():
    """A 10 % error at the smallest size moves alpha by 10 %, though it is a millionth of the longest duration."""
    times = exact()
    for size in SIZES[:3]:
        times[size] *= 1.1
    assert fit_link(times).alpha_s == pytest.approx(11e-6, rel=0.04)


@pytest.mark.parametrize("at", [0, 8, 16])
def test_one_outlier_is_left_out_and_named(at):
    times = exact()
    times[SIZES[at]] *= 3
    fit = fit_link(times)
    assert fit.rejected == (SIZES[at],)
    assert fit.alpha_s == pytest.approx(10e-6, rel=1e-6)
    assert fit.bytes_per_s == pytest.approx(12e9, rel=1e-6)
    assert fit.errors[SIZES[at]] == pytest.approx(1 / 3 - 1, rel=1e-6)


def test_deviations_of_a_few_percent_are_never_outliers():
    times = exact()
    times[SIZES[5]] *= 1.15
    assert fit_link(times).rejected == ()


def test_alpha_is_not_negative():
    times = {size: size / 12e9 * (0.9 if size < 10**6 else 1.0) for size in SIZES}
    fit = fit_link(times)
    assert fit.alpha_s >= 0
    assert fit.bytes_per_s == pytest.approx(12e9, rel=0.1)


def test_two_sizes_give_a_line_without_interval():
    fit = fit_link({1000: 11e-6, 2000: 12e-6})
    assert (fit.alpha_s, fit.bytes_per_s) == pytest.approx((10e-6, 1e9))
    assert fit.bytes_per_s_interval == (0.0, np.inf)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({}, "two sizes or more"),
        ({4096: 1e-5}, r"two sizes or more, has \[4096\]"),
        ({4096: 1e-5, 8192: 0.0}, "a copy of 8192 bytes took 0.0 s"),
        ({4096: 2e-5, 8192: 1e-5}, "do not take longer the larger"),
    ],
)
def test_what_cannot_be_fitted_is_refused(times, message):
    with pytest.raises(ProfileError, match=message):
        fit_link(times)


@pytest.fixture(scope="module")
def public_table():
    folder = os.environ.get("STRATSIM_DATA")
    if not folder:
        pytest.skip("STRATSIM_DATA is not set: the public PCIe tables are not here")
    with (Path(folder) / "pcie" / "pcie_h2d_d2h_vs_size.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def durations(rows, gpu, direction, memory=None):
    """Return seconds by size; the table gives 10^9 bytes per second."""
    return {
        int(row["bytes"]): int(row["bytes"]) / float(row["value"]) / 1e9
        for row in rows
        if row["gpu"] == gpu and row["direction"] == direction and memory in (None, row["host_mem"])
    }


@pytest.mark.data
def test_a_public_v100_table(public_table):
    fit = fit_link(durations(public_table, "Tesla V100 PCIe 16GB", "H2D"))
    assert fit.alpha_s * 1e6 == pytest.approx(32.6, abs=0.05)
    assert fit.bytes_per_s / 1e9 == pytest.approx(12.57, abs=0.005)
    assert fit.median_error == pytest.approx(0.017, abs=0.0005)
    assert fit.rejected == ()


@pytest.mark.data
def test_a_public_quadro_table(public_table):
    pinned = fit_link(durations(public_table, "Quadro RTX 6000", "H2D", "pinned"))
    assert pinned.alpha_s * 1e6 == pytest.approx(7.5, abs=0.05)
    assert pinned.bytes_per_s / 1e9 == pytest.approx(11.71, abs=0.005)
    pageable = fit_link(durations(public_table, "Quadro RTX 6000", "H2D", "pageable"))
    assert pinned.bytes_per_s / pageable.bytes_per_s == pytest.approx(3.15, abs=0.01)
