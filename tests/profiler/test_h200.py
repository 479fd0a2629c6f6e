"""The profile of the H200 is what its raw samples say."""

import random
from pathlib import Path
from statistics import fmean, median

import pytest

from stratsim.fit.cells import Load
from stratsim.fit.queue import fit_queue
from stratsim.model.codec import load_profile
from stratsim_profiler.fit import samples_sha256
from stratsim_profiler.fit.check import check_profile, rules_of
from stratsim_profiler.fit.extract import extract_samples
from stratsim_profiler.fit.solo import kernel_lengths
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
    """The figures of docs/results/h200.md; the samples are another card's, nothing is fitted to them."""
    other = extract_samples(read_samples(FOLDER / "h200-fp16.other-card.samples.jsonl.gz"))
    found = check_profile(load_profile("h200-fp16"), other)
    assert found.scores["kernel-queue"].mean == pytest.approx(0.042, abs=0.001)
    assert found.scores["streams"].mean == pytest.approx(0.135, abs=0.001)
    assert all(ratio == pytest.approx(1, abs=0.005) for ratio in found.solo.values())
    assert found.scores["kernel-queue"].count == 18
    assert not {cell.name for cell in measured.cells} <= {cell.name for cell in found.cells}


ALONE_US = {
    "bert-base": {1: 589.7, 2: 594.9, 4: 653.4, 8: 799.0},
    "resnet50": {1: 1045.7, 2: 1130.7, 4: 1280.2, 8: 1560.0},
}
"""Median execution, one batch at a time, served by `CudaServer` on a third H200."""
LOOP_US = {
    "bert-base": {1: 765.8, 2: 761.4, 4: 849.9, 8: 1101.7},
    "resnet50": {1: 1388.9, 2: 1630.3, 4: 1809.7, 8: 2148.7},
}
"""Likewise with both slots kept busy: 300 batches in a random order, 1363 per second."""
TURN_US = 178.7
"""Median time from a stage's end until the server saw it: until a slot's next batch could be given."""


def closed_loop(rates, batches):
    """Return executions by load, and the time of all, of two slots that take the next batch when they are free."""
    now, done, slots = 0.0, {}, [None, None]  # per slot: [load, start, left], or when it is free
    free, waiting = [0.0, 0.0], list(reversed(batches))
    while waiting or any(slots):
        busy = [at for at in (0, 1) if slots[at]]
        speed = dict(zip(busy, rates([slots[at][0] for at in busy]) if busy else (), strict=True))
        events = [(now + slots[at][2] / speed[at], at) for at in busy]
        if waiting:
            events += [(max(now, free[at]), at) for at in (0, 1) if not slots[at]]
        then, at = min(events)
        for other in busy:
            slots[other][2] -= (then - now) * speed[other]
        now = then
        if slots[at]:
            done.setdefault(slots[at][0], []).append(now - slots[at][1])
            slots[at], free[at] = None, now + TURN_US
        else:
            load = waiting.pop()
            slots[at] = [load, now, ALONE_US[load.model][load.batch]]
    return done, now


def test_it_predicts_a_closed_loop_on_a_third_card():
    """The figures of docs/results/fidelity.md: alone measured, beside others predicted."""
    keys = sorted((model, batch) for model, table in ALONE_US.items() for batch in table)
    draw = random.Random(2)
    batches = [Load(*draw.choice(keys)) for _ in range(300)]
    profile = load_profile("h200-fp16")
    errors, per_s = {}, {}
    for name, rule in rules_of(profile, set(batches)).items():
        done, spent_us = closed_loop(rule.rates, batches)
        found = [median(done[load]) / LOOP_US[load.model][load.batch] - 1 for load in sorted(done)]
        errors[name], per_s[name] = fmean(map(abs, found)), 300e6 / spent_us
    assert errors == pytest.approx({"kernel-queue": 0.043, "streams": 0.121}, abs=0.002)
    assert per_s == pytest.approx({"kernel-queue": 1359, "streams": 1471}, abs=3)
    for model, table in ALONE_US.items():
        latency_s = profile.for_scheduler().models[model].latency_s
        assert all(20 < alone - 1e6 * latency_s[batch] < 40 for batch, alone in table.items())
