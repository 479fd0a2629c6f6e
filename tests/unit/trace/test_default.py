"""The bundled default: its own statistics are those that are stated beside it."""

import gzip
import importlib.util
import sys
import tomllib

import numpy as np
import pytest

from stratsim import bundled
from stratsim.trace import read_trace
from stratsim.trace.summary import dispersion, gap_cv

FOLDER = bundled.folder("traces")
FIGURES = tomllib.loads((FOLDER / "default.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_default", FOLDER / "make_default.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_default"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_default"]


@pytest.fixture(scope="module")
def arrival_s():
    """The arrivals at the rate of the originals."""
    trace = read_trace()
    return trace.arrival_s / FIGURES["both"]["generated"]["rate_per_s"]


def test_it_is_a_shape_and_nothing_else():
    trace = read_trace()
    assert trace.normalised
    assert trace.rate == pytest.approx(1.0, rel=1e-6)
    assert (trace.arrival_s[0], trace.extra, trace.notes) == (0.0, {}, ())
    assert trace.model is trace.priority is trace.slo_s is trace.deadline_s is None


def test_its_statistics_are_the_stated_ones(arrival_s):
    stated = FIGURES["both"]["generated"]
    assert len(arrival_s) == stated["requests"]
    # The file rounds times to 1e-4 mean gaps.
    assert gap_cv(arrival_s) == pytest.approx(stated["interarrival_cv"], rel=1e-3)
    for width in (1, 10, 60):
        # A request on the edge of a window may change sides by the rounding.
        assert dispersion(arrival_s, width) == pytest.approx(stated[f"dispersion_{width}s"], rel=5e-3)


@pytest.mark.parametrize("stream", ["conv", "code", "both"])
def test_the_fit_is_close_where_it_was_fitted(stream):
    real, ours = FIGURES[stream]["measured"], FIGURES[stream]["generated"]
    for name, tolerance in (
        ("requests", 0.02),
        ("rate_per_s", 0.02),
        ("interarrival_cv", 0.05),
        ("dispersion_1s", 0.05),
        ("dispersion_10s", 0.10),
    ):
        assert ours[name] == pytest.approx(real[name], rel=tolerance), name
    assert ours["per_minute_correlation"] > 0.95


def test_minutes_follow_the_published_profile(arrival_s):
    profile = np.add(FIGURES["conv"]["per_minute"], FIGURES["code"]["per_minute"])
    assert len(profile) == FIGURES["minutes"]
    counts = np.bincount((arrival_s // 60).astype(int), minlength=len(profile))[: len(profile)]
    assert np.corrcoef(counts, profile)[0, 1] > 0.95


def test_the_figures_name_their_source_and_licence():
    assert FIGURES["source"] == "Azure/AzurePublicDataset @ b469a11"
    assert FIGURES["licence"] == "CC-BY-4.0"
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert FIGURES["source"] in readme
    assert "synthetic" in readme


def test_the_script_makes_the_file_that_is_shipped(maker):
    shipped = gzip.decompress((FOLDER / "default.csv.gz").read_bytes())
    made = gzip.decompress(maker.content(FIGURES))
    if made != shipped and np.__version__.split(".")[0] != "2":
        pytest.skip(f"numpy {np.__version__} draws another stream than the numpy 2 that made the file")
    assert made == shipped


def test_a_renewal_process_has_its_rate_and_variation(maker):
    points = maker.renewal(np.random.default_rng(1), 50_000.0, 1.8)
    # The standard deviation of the count is cv sqrt(n); four of them.
    assert abs(len(points) - 50_000) < 4 * 1.8 * 50_000**0.5
    assert gap_cv(points) == pytest.approx(1.8, rel=0.05)


def test_a_clock_is_read_off_where_it_runs(maker):
    times = maker.warp(np.asarray([1.0, 2.0, 3.0]), np.asarray([0.0, 1.0, 5.0, 6.0]), np.asarray([2.0, 0.0, 4.0]))
    assert times[0] == 0.5
    assert 1.0 <= times[1] <= 5.0
    assert times[2] == 5.25


def test_bursts_stay_within_their_minute(maker):
    arrivals = maker.bursty(np.random.default_rng(3), [0, 300, 0, 900], on_rate=10.0, on_s=8.0, cv=1.0)
    counts = np.bincount((arrivals // 60).astype(int), minlength=4)
    assert counts[0] == counts[2] == 0
    assert abs(counts[1] - 300) < 4 * 300**0.5
    assert abs(counts[3] - 900) < 4 * 900**0.5
    # 300 requests at 10 per second: half of the seconds are silent.
    silent = 60 - len(set(arrivals[counts[0] : counts[1]].astype(int).tolist()))
    assert 15 < silent < 35
