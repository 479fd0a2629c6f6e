from dataclasses import replace

import pytest

from stratsim.model.codec import load_profile
from stratsim.model.profile import Pair, Provenance
from stratsim.model.provenance import origin, uncovered, unused

GENERAL = Provenance("published", "a table")
SPECIAL = Provenance("measured", "our bench")


@pytest.fixture
def profile():
    return load_profile("rtx3080-disb")


@pytest.mark.parametrize("name", ["a100-80gb-parvagpu", "asymmetric-six", "rtx3080-disb"])
def test_shipped_profiles_say_where_every_figure_comes_from(name):
    assert uncovered(load_profile(name)) == ()
    assert unused(load_profile(name)) == ()


def test_a_pattern_speaks_for_everything_below_it(profile):
    bare = replace(profile, provenance={"observable": GENERAL, "truth": GENERAL})
    assert origin(bare, ("observable", "models", "vgg19", "latency_s", "1")) == GENERAL
    assert {path.split(".")[0] for path in uncovered(bare)} == {"device"}


def test_a_missing_pattern_names_the_fields(profile):
    patterns = {key: value for key, value in profile.provenance.items() if not key.endswith("bytes_in")}
    missing = uncovered(replace(profile, provenance=patterns))
    assert missing == tuple(f"observable.models.{model}.bytes_in" for model in profile.observable.models)


def test_the_most_specific_pattern_counts(profile):
    patterns = {"observable.models.vgg19": SPECIAL, "observable.models.*": GENERAL, "observable": GENERAL}
    special = replace(profile, provenance=patterns)
    assert origin(special, ("observable", "models", "vgg19", "bytes_in")) == SPECIAL
    assert origin(special, ("observable", "models", "resnet152", "bytes_in")) == GENERAL
    assert origin(special, ("truth", "noise_cv")) is None


def test_a_longer_pattern_wins_over_one_without_wildcards(profile):
    patterns = {"observable.models.vgg19": GENERAL, "observable.models.*.bytes_in": SPECIAL}
    assert origin(replace(profile, provenance=patterns), ("observable", "models", "vgg19", "bytes_in")) == SPECIAL


def test_a_part_is_matched_whole(profile):
    partial = replace(profile, provenance={"observable.models.vgg": GENERAL, "obs": GENERAL})
    assert unused(partial) == ("observable.models.vgg", "obs")
    assert origin(partial, ("observable", "models", "vgg19", "bytes_in")) is None


def test_pairs_need_an_origin_too(profile):
    with_pairs = replace(profile, pairs=(Pair("vgg19", 1, "resnet152", 1, 1.1),))
    assert uncovered(with_pairs)[0] == "pairs.0.target"
    assert uncovered(replace(with_pairs, provenance={**profile.provenance, "pairs": GENERAL})) == ()
