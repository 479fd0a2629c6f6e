"""docs/how-to/calibrate-from-a-log.md: what the page shows is what the commands print."""

import shutil
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (HOW_TO / "calibrate-from-a-log.md").read_text()
SHOWN = [block.partition("```")[0].strip("\n") for block in PAGE.split("```text\n")[1:]]
MACHINE = ["--policy", "fifo", "--set", "max_concurrency=1", "--set", "max_batch=4"]


@pytest.fixture
def files(here):
    for name in ("live-log.json.gz", "live-log-profile.json"):
        shutil.copy(HOW_TO / name, here / name)


@pytest.mark.usefixtures("files")
def test_what_is_observed_is_on_the_page(call):
    assert call("fidelity", "observe", "live-log.json.gz").out.strip("\n") == SHOWN[0]


@pytest.mark.usefixtures("files")
def test_what_is_calibrated_is_on_the_page(call):
    ran = call(
        "fidelity", "calibrate", "live-log.json.gz", "--profile", "live-log-profile.json", *MACHINE, "--out", "c.json"
    )
    assert SHOWN[1] in ran.out
    again = call("fidelity", "calibrate", "live-log.json.gz", "--profile", "c.json", *MACHINE, "--out", "d.json")
    assert again.status == 2
    assert "was calibrated with this very run" in again.err
    again = call("fidelity", "replay", "live-log.json.gz", "--profile", "c.json", *MACHINE)
    assert (again.status, "was calibrated with this very run" in again.err) == (2, True)


@pytest.mark.usefixtures("files")
def test_a_live_run_takes_no_settings_and_a_log_no_latencies(call):
    ran = call("fidelity", "calibrate", "live-log.json.gz", "--latencies", "--out", "c.json")
    assert (ran.status, "belongs to a live run" in ran.err) == (2, True)
    ran = call("fidelity", "calibrate", ".", "--policy", "fifo", "--out", "c.json")
    assert (ran.status, "a live run says itself" in ran.err) == (2, True)
    ran = call("fidelity", "replay", "live-log.json.gz", "--policy", "fifo")
    assert (ran.status, "--profile NAME or FILE" in ran.err) == (2, True)


@pytest.mark.usefixtures("files")
def test_a_file_of_settings_without_a_profile_names_no_device(call, write):
    config = write("settings.toml", 'policy = "fifo"\nmax_concurrency = 1\nmax_batch = 4\n')
    ran = call("fidelity", "replay", "live-log.json.gz", "--config", config)
    assert (ran.status, "--profile NAME or FILE" in ran.err) == (2, True)
    ran = call("fidelity", "replay", "live-log.json.gz", "--config", config, "--set", "profile=live-log-profile.json")
    assert ran.status == 0
