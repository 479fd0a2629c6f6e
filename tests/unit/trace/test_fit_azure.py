"""The script that measures the public traces and fits the default's figures, on made-up files."""

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "traces"


@pytest.fixture(scope="module")
def fitting():
    path, modules = list(sys.path), set(sys.modules)
    spec = importlib.util.spec_from_file_location("fit_azure", FOLDER / "fit_azure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in {"make_default", "fit_azure"} - modules:
        sys.modules.pop(name, None)


def azure_file(folder, name, seconds):
    stamps = np.datetime64("2023-11-16T18:00:00", "ns") + np.asarray(seconds * 1e9).astype("timedelta64[ns]")
    lines = [f"{str(stamp).replace('T', ' ')[:-2]},1,1" for stamp in stamps]
    (folder / f"AzureLLMInferenceTrace_{name}.csv").write_text(
        "\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines])
    )


def test_loading_aligns_both_traces_and_cuts_the_window(fitting, tmp_path):
    azure_file(tmp_path, "conv", np.asarray([0.0, 1.5, 2399.0, 2400.0]))
    azure_file(tmp_path, "code", np.asarray([77.25, 3000.0]))
    found = fitting.load(tmp_path)
    assert found["conv"].tolist() == [0.0, 1.5, 2399.0]
    assert found["code"].tolist() == [77.25]
    assert found["both"].tolist() == [0.0, 1.5, 77.25, 2399.0]


def test_measuring_a_metronome(fitting):
    figures = fitting.measure(np.arange(0.0, 601.0, 0.5))
    assert (figures["requests"], figures["rate_per_s"], figures["interarrival_cv"]) == (1202, 2.0, 0.0)
    assert figures["dispersion_1s"] == figures["dispersion_10s"] == figures["dispersion_60s"] == 0.0


def test_counts_per_minute(fitting):
    counts = fitting.per_minute(np.asarray([0.0, 59.9, 60.0, 125.0]))
    assert counts[:4] == [2, 1, 1, 0]
    assert len(counts) == fitting.MINUTES


def test_the_best_point_of_a_grid_is_the_one_that_made_the_data(fitting):
    make = sys.modules["make_default"].smooth
    profile = [600] * fitting.MINUTES
    wanted = fitting.measure(make(np.random.default_rng(0), profile, 1.8))
    found = fitting.best(wanted, {"cv": [0.6, 1.2, 1.8]}, lambda rng, point: make(rng, profile, **point))
    assert found == {"cv": 1.8}


def test_rendered_figures_read_back_as_they_were(fitting):
    part = {"requests": 3, "rate_per_s": 1.25, "on_s": 8.0}
    figures = {
        "seed": 4,
        "conv": {"per_minute": [1, 2], "model": {"cv": 1.05}, "measured": part},
        "code": {"per_minute": [3, 4], "generated": part},
        "both": {"measured": part},
    }
    read = tomllib.loads(fitting.render(figures))
    for name in ("conv", "code", "both"):
        assert read[name] == figures[name]
    assert (read["seed"], read["licence"]) == (4, "CC-BY-4.0")


@pytest.mark.data
def test_the_committed_figures_are_those_of_the_real_files():
    data = os.environ.get("STRATSIM_DATA")
    if not data or not Path(data, "azure").is_dir():
        pytest.skip("STRATSIM_DATA does not name the folder of public data files")
    command = [sys.executable, str(FOLDER / "fit_azure.py"), "--data", str(Path(data, "azure"))]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    fresh, kept = tomllib.loads(printed), tomllib.loads((FOLDER / "default.toml").read_text())
    for name in ("conv", "code", "both"):
        assert fresh[name]["measured"] == kept[name]["measured"]
        assert fresh[name].get("model") == kept[name].get("model")


def test_the_check_of_the_shipped_file():
    command = [sys.executable, str(FOLDER / "make_default.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout in {"default.csv.gz: identical\n", "default.csv.gz: differs\n"}
    assert done.returncode == (0 if "identical" in done.stdout else 1)
