"""The profile of the H200 is what its raw samples say."""

from pathlib import Path

import pytest

from stratsim.model.codec import load_profile
from stratsim_profiler.fit import samples_sha256
from stratsim_profiler.fit.check import check_profile
from stratsim_profiler.fit.extract import extract_samples
from stratsim_profiler.fit.queue import fit_queue, kernel_lengths
from stratsim_profiler.store import read_samples

FOLDER = Path(__file__).parents[2] / "profiler" / "profiles"
SAMPLES = FOLDER / "h200-fp16.samples.jsonl.gz"


@pytest.fixture(scope="module")
def measured():
    return extract_samples(read_samples(SAMPLES))


def test_it_names_the_samples_it_was_made_of():
    source = load_profile("h200-fp16").provenance["observable.models.*.latency_s"].source
    assert samples_sha256(SAMPLES) in source


def test_solo_times_are_the_medians(measured):
    profile = load_profile("h200-fp16")
    for load, solo in measured.solo.items():
        assert profile.observable.models[load.model].latency_s[load.batch] == pytest.approx(solo.seconds, rel=1e-5)


def test_the_rule_fitted_anew_is_the_one_in_the_profile(measured):
    queue = fit_queue(measured.training, kernel_lengths(measured), starts=1).queue
    kept = load_profile("h200-fp16").truth.kernel_queue
    assert kept.residual == pytest.approx(queue.residual, abs=1e-3)
    assert kept.gap_s == pytest.approx(queue.gap_s, rel=1e-3)
    for load in queue.hold:
        assert kept.holds[load.model][load.batch] == pytest.approx(queue.hold[load], abs=2e-3)


def test_it_predicts_another_card_s_cells(measured):
    """The figures of docs/h200.md; the samples are another card's, nothing is fitted to them."""
    other = extract_samples(read_samples(FOLDER / "h200-fp16.other-card.samples.jsonl.gz"))
    found = check_profile(load_profile("h200-fp16"), other)
    assert found.scores["kernel-queue"].mean == pytest.approx(0.042, abs=0.001)
    assert found.scores["streams"].mean == pytest.approx(0.135, abs=0.001)
    assert all(ratio == pytest.approx(1, abs=0.005) for ratio in found.solo.values())
    assert found.scores["kernel-queue"].count == 18
    assert not {cell.name for cell in measured.cells} <= {cell.name for cell in found.cells}
