"""The shipped profiles against the published figures that they quote."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import mean

import pytest

from stratsim import bundled
from stratsim.model.codec import load_profile
from stratsim.model.interpolate import METHODS, leave_one_out

PROFILES = Path(__file__).parents[3] / "profiler" / "profiles"


@pytest.fixture(scope="module")
def a100():
    return load_profile("a100-80gb-parvagpu")


@pytest.fixture(scope="module")
def rtx3080():
    return load_profile("rtx3080-disb")


@pytest.mark.parametrize(
    ("model", "batch", "throughput"),
    [("resnet50", 1, 195.826), ("resnet50", 128, 2551.424), ("bert", 256, 322.346), ("vgg19", 64, 1460.63)],
)
def test_latency_is_batch_over_throughput(a100, model, batch, throughput):
    assert a100.observable.models[model].latency_s[batch] == pytest.approx(batch / throughput, rel=1e-6)


def test_the_eleven_models_and_their_batches(a100):
    models = a100.observable.models
    assert len(models) == 11
    most = {name: max(model.latency_s) for name, model in models.items()}
    assert {name for name, size in most.items() if size == 128} == {"densenet201", "resnet152"}  # out of memory at 256
    assert set(most.values()) == {128, 256}


def test_a100_sizes_follow_from_shapes(a100):
    models = a100.observable.models
    assert models["resnet50"].bytes_in == 3 * 224 * 224 * 4 == 602112
    assert models["resnet50"].bytes_out == 1000 * 4
    assert models["resnet50"].weights_bytes == 4 * 25_557_032
    assert (models["bert"].bytes_in, models["bert"].bytes_out) == (3 * 128 * 8, 2 * 4)


def test_demand_is_the_share_of_the_best_throughput_and_a_fixed_time_per_batch(a100):
    """s = c u (1 + k / b): c .94, k .95, fitted."""
    sharing = a100.truth.sharing["resnet50"]
    assert sharing[256].demand == pytest.approx(0.94 * (1 + 0.95 / 256), abs=1e-4)
    assert sharing[1].demand == pytest.approx(0.94 * 195.826 / 2582.226 * 1.95, abs=1e-4)
    assert {entry.weight for table in a100.truth.sharing.values() for entry in table.values()} == {1.0}


def test_bert_has_a_parameter_of_its_own(a100):
    assert a100.truth.sharing["bert"][256].demand == pytest.approx(0.47 * (1 + 0.95 / 256), abs=1e-4)
    assert a100.provenance["truth.sharing.bert"].kind == a100.provenance["truth.sharing"].kind == "synthetic"
    assert "c = 0.47" in a100.provenance["truth.sharing.bert"].source


def test_launch_bound_rows_are_marked(a100):
    bound = {name for name, model in a100.observable.models.items() if model.latency_s[8] / model.latency_s[1] < 1.2}
    marked = {
        path.split(".")[2] for path, entry in a100.provenance.items() if (entry.note or "").startswith("launch-bound")
    }
    assert marked == bound == set(a100.observable.models) - {"bert", "vgg16", "vgg19"}


def test_the_recorded_interpolation_has_the_smallest_error(a100):
    errors = {
        method: mean(
            abs(error)
            for model in a100.observable.models.values()
            for error in leave_one_out(model.latency_s, method).values()
        )
        for method in METHODS
    }
    assert min(errors, key=errors.get) == a100.observable.interpolation == "linear"
    assert errors["linear"] == pytest.approx(0.037, abs=0.0005)
    assert errors["log-log"] == pytest.approx(0.053, abs=0.0005)


@pytest.mark.parametrize(
    ("model", "solo_us"),
    [
        ("vgg19", (2767 + 2801 + 2786 + 2779) / 4),
        ("resnet152", (4235 + 4212 + 4185) / 3),
        ("densenet201", 8383),
        ("inceptionv3", 2847),
        ("distilbert", 1170),
    ],
)
def test_end_to_end_alone_is_what_was_measured(rtx3080, model, solo_us):
    assert rtx3080.for_scheduler().end_to_end_s(model) == pytest.approx(solo_us * 1e-6, abs=1e-9)
    assert [*rtx3080.observable.models[model].latency_s] == [1]


def test_the_link_reproduces_the_shortest_image_copy(rtx3080):
    assert rtx3080.observable.pcie.h2d.copy_s(602112) == pytest.approx(73e-6, abs=1e-8)
    assert rtx3080.observable.pcie.h2d.alpha_s == pytest.approx(12e-6)


@pytest.mark.parametrize("name", ["vgg19", "resnet152", "densenet201", "inceptionv3"])
def test_names_in_the_source_s_workloads_resolve(rtx3080, name):
    assert rtx3080.resolve(f"{name}-imagenet") == name
    assert rtx3080.resolve("distilbert") == "distilbert"


def test_sharing_is_labelled_as_a_fit(rtx3080):
    assert rtx3080.truth.sharing["vgg19"][1].weight == 9.2
    assert rtx3080.provenance["truth.sharing"].kind == "synthetic"


@pytest.mark.parametrize("name", ["a100-80gb-parvagpu", "rtx3080-disb"])
def test_noise_is_within_the_published_range(name):
    assert 0.001 <= load_profile(name).truth.noise_cv <= 0.006


@pytest.mark.parametrize("name", ["a100-80gb-parvagpu", "rtx3080-disb"])
def test_intensities_are_plausible(name):
    for model in load_profile(name).observable.models.values():
        assert set(model.features) == set(model.latency_s)
        assert all(0 < entry.compute < 1 and 0 < entry.memory < 1 for entry in model.features.values())


@pytest.mark.data
@pytest.mark.parametrize(
    ("script", "name"),
    [("make_a100_parvagpu.py", "a100-80gb-parvagpu"), ("make_rtx3080_disb.py", "rtx3080-disb")],
)
def test_the_script_makes_the_shipped_file(script, name, tmp_path):
    data = os.environ.get("STRATSIM_DATA")
    if not data:
        pytest.skip("needs the public data files: set STRATSIM_DATA")
    out = tmp_path / "made.json"
    command = [sys.executable, str(PROFILES / script), "--data", data, "--out", str(out)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert out.read_bytes() == bundled.find("profiles", name).read_bytes()
    if name.startswith("a100"):
        assert "law: c 0.94, k 0.95, c of bert 0.47" in printed
        assert "law, all models: 326 points, median 3.7%, mean 5.4%" in printed
        assert "law, without bert: 290 points, median 3.4%, mean 5.1%" in printed
        assert "law, leave one model out, all models: 326 points, median 4.5%, mean 12.9%" in printed
        assert "demand u, nothing fitted, all models: 326 points, median 6.1%, mean 14.7%" in printed
