"""Ticks of the clock that stamped a trace: found, said, spread or left."""

import json

import numpy as np
import pytest

from stratsim.cli import main
from stratsim.errors import SpecError
from stratsim.trace import read_trace
from stratsim.trace.summary import dispersion
from stratsim.trace.ticks import resolution


def stamps(step_s, ticks, each, jitter_s=0.0):
    rng = np.random.default_rng(7)
    return np.repeat(np.arange(ticks) * step_s + rng.uniform(0, jitter_s, ticks), each)


@pytest.mark.parametrize("step_s", [0.001, 0.5, 1.0, 3.05, 57.0])
def test_a_common_step_is_found(step_s):
    found = resolution(stamps(step_s, 12, 3))
    assert (found.coarse, found.simultaneous, found.largest) == (True, 24, 3)
    assert found.tick_s == pytest.approx(step_s)


def test_a_step_that_drifts_is_found_and_batches_at_any_time_are_none():
    assert resolution(stamps(3.05, 12, 3, jitter_s=0.01)).tick_s == pytest.approx(3.05, abs=0.002)
    batches = np.repeat(np.cumsum(np.random.default_rng(1).exponential(1.0, 12)), 3)
    assert not resolution(batches).coarse
    assert not resolution(np.arange(30.0)).coarse  # a beat, and nobody coincides


def test_ticks_of_our_own_columns_are_said_spread_or_left(write):
    path = write("arrival_s,deadline_s\n" + "".join(f"{n // 4},{n // 4 + 0.5}\n" for n in range(20)))
    said = "time stamps are quantised to 1 s: 15 of 20 requests arrive at the same instant as another; left as they are"
    assert read_trace(path).notes == (f"{said}; --ticks spread spreads them",)
    assert read_trace(path, ticks="leave").notes == (said,)
    spread = read_trace(path, ticks="spread", seed=3)
    assert np.floor(spread.arrival_s).tolist() == [n // 4 for n in range(20)]
    assert len(set(spread.arrival_s.tolist())) == 20
    assert (spread.deadline_s - spread.arrival_s).tolist() == pytest.approx([0.5] * 20)
    assert spread.arrival_s.tolist() == read_trace(path, ticks="spread", seed=3).arrival_s.tolist()
    with pytest.raises(SpecError, match="ticks must be spread or leave, got 'keep'"):
        read_trace(path, ticks="keep")


def test_mooncake_in_whole_seconds_is_spread_by_what_its_stamps_say(write):
    lines = [json.dumps({"timestamp": 1000 * (n // 5), "input_length": 1}) for n in range(20)]
    trace = read_trace(write("\n".join(lines)))
    assert np.floor(trace.arrival_s).tolist() == [n // 5 for n in range(20)]
    assert len(set(trace.arrival_s.tolist())) == 20
    assert len(set(read_trace(write("\n".join(lines)), ticks="leave").arrival_s.tolist())) == 4


def test_inspect_shows_simultaneous_arrivals_and_the_resolution(write, capsys):
    assert main(["trace", "inspect", str(write("arrival_s\n0\n0\n0\n0.5\n1\n1\n"))]) == 0
    out = capsys.readouterr().out
    assert "simultaneous arrivals  3, at most 3 at one instant" in out
    assert "resolution             0.5 s" in out


def test_figures_of_requests_far_apart_need_no_window_between_them():
    far = np.asarray([0.0, 1.0, 4e10])
    assert resolution(far).simultaneous == 0
    assert dispersion(far, 1.0) == pytest.approx(1.0)
    dense = np.sort(np.random.default_rng(2).uniform(0, 5000, 40))
    counts = np.bincount((dense - dense[0]).astype(int))[: int(dense[-1] - dense[0])]
    assert dispersion(dense, 1.0) == pytest.approx(counts.var() / counts.mean())
