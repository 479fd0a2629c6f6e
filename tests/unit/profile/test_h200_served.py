"""The H200 as it serves: its script gives the shipped bytes, from live runs that are committed."""

import importlib.util
from pathlib import Path

import pytest

from stratsim import bundled
from stratsim.model.codec import dump_profile, load_profile

SCRIPT = Path(__file__).parents[3] / "profiler/profiles/make_h200_served.py"


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("make_h200_served", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make()


@pytest.mark.slow
def test_the_script_makes_the_shipped_bytes(made):
    assert dump_profile(made) == bundled.find("profiles", "h200-fp16-served").read_text(encoding="utf-8")


def test_it_has_what_serving_showed_of_the_models_that_were_served(made):
    assert sorted(made.observable.models) == ["inceptionv3", "resnet152", "resnet50", "vit-b-16"]
    assert {max(model.latency_s) for model in made.observable.models.values()} == {8}
    assert set(made.truth.kernel_queue.served.factors) == set(made.observable.models) == set(made.truth.noise_cvs)
    assert made.truth.host.speeds is not None
    assert 1e-5 < made.truth.host.decide_s["strait"].median_s < 1e-3


def test_what_was_not_measured_there_says_so():
    provenance = load_profile("h200-fp16-served").provenance
    assert provenance["truth.host.decide_s"].source.endswith("not the H200's host")
    assert provenance["truth.kernel_queue.served"].kind == "measured"
