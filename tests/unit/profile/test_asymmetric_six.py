"""The made-up profile: its script gives the shipped bytes, and it is what it claims to be."""

import importlib.util
from pathlib import Path

import pytest

from stratsim import bundled
from stratsim.model.codec import dump_profile, load_profile

SCRIPT = Path(__file__).parents[3] / "profiler/profiles/make_asymmetric_six.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_asymmetric_six", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_makes_the_shipped_bytes(script):
    assert dump_profile(script.make()) == bundled.find("profiles", "asymmetric-six").read_text(encoding="utf-8")


def test_it_lies_within_the_ranges_that_were_set():
    profile = load_profile("asymmetric-six")
    for name, table in profile.truth.sharing.items():
        demands, weights = {entry.demand for entry in table.values()}, {entry.weight for entry in table.values()}
        low, high, least, most = (0.8, 1.0, 6, 9) if name.startswith("wide") else (0.3, 0.6, 1, 1.5)
        assert low <= min(demands) <= max(demands) <= high
        assert least <= min(weights) <= max(weights) <= most
    for model in profile.observable.models.values():
        per_request = [latency / batch for batch, latency in model.latency_s.items()]
        assert 0.004 <= model.latency_s[1] <= 0.020
        assert per_request == sorted(per_request, reverse=True)
        assert list(model.latency_s.values()) == sorted(model.latency_s.values())
    assert {entry.kind for entry in profile.provenance.values()} == {"synthetic"}
    assert any(pair.held_out for pair in profile.pairs)
