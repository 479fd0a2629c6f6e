"""Differences between two profiles: what is compared, ratios, and the command."""

import json
import math
from dataclasses import replace

import pytest

from stratsim.cli import main
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.compare import Difference, differences
from stratsim.model.profile import Link, Pair, Pcie, Truth


@pytest.fixture
def profile():
    return load_profile("rtx3080-disb")


def faster(profile, factor):
    """Return the profile with a host link towards the device that is `factor` times as fast."""
    link = profile.observable.pcie.h2d
    pcie = Pcie(Link(link.alpha_s, link.bytes_per_s * factor), profile.observable.pcie.d2h)
    return replace(profile, observable=replace(profile.observable, pcie=pcie))


def test_a_profile_does_not_differ_from_itself(profile):
    assert differences(profile, profile) == []


def test_names_and_provenance_are_not_compared(profile):
    assert differences(profile, replace(profile, name="x", description="y", provenance={})) == []


def test_a_figure_is_named_by_its_path_with_its_ratio(profile):
    (row,) = differences(profile, faster(profile, 2.0))
    assert row.path == "observable.pcie.h2d.bytes_per_s"
    assert row.ratio == pytest.approx(2.0)
    assert row.size == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("factor", "tolerance", "count"), [(1.04, 0.05, 0), (1.06, 0.05, 1), (1 / 1.04, 0.05, 0), (1 / 1.06, 0.05, 1)]
)
def test_the_tolerance_counts_both_ways(profile, factor, tolerance, count):
    assert len(differences(profile, faster(profile, factor), tolerance)) == count


def test_what_only_one_has_is_shown_whatever_the_tolerance(profile):
    models = {name: model for name, model in profile.observable.models.items() if name != "vgg19"}
    profile = replace(profile, truth=Truth())
    less = replace(profile, observable=replace(profile.observable, models=models))
    rows = differences(profile, less, tolerance=10.0)
    assert rows
    assert all("vgg19" in row.path and row.second is None and row.ratio is None for row in rows)
    assert all(row.first is None for row in differences(less, profile, tolerance=10.0))


def test_pairs_are_matched_by_models_and_batches_not_by_place(profile):
    first, second = Pair("vgg19", 1, "distilbert", 1, 1.5), Pair("distilbert", 1, "vgg19", 1, 3.0)
    left, right = (
        replace(profile, pairs=(first, second)),
        replace(profile, pairs=(replace(second, slowdown=4.5), first)),
    )
    (row,) = differences(left, right)
    assert row.path == "pairs.distilbert x1 beside vgg19 x1.slowdown"
    assert row.ratio == 1.5


@pytest.mark.parametrize(
    ("first", "second", "ratio", "size"),
    [
        (2, 1, 0.5, math.log(2)),
        (0, 1, None, math.inf),
        (0, 0, None, 0.0),
        ("a", "b", None, math.inf),
        (True, False, None, math.inf),
        (1.0, 0.0, 0.0, math.inf),
    ],
)
def test_ratio_and_size(first, second, ratio, size):
    row = Difference("x", first, second)
    assert row.ratio == ratio
    assert row.size == pytest.approx(size)


def test_the_command_prints_a_table_and_a_count(capsys):
    assert main(["profile", "compare", "rtx3080-disb", "a100-80gb-parvagpu", "--only", "observable.pcie"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == ["entry", "A:", "rtx3080-disb", "B:", "a100-80gb-parvagpu", "ratio"]
    assert all(line.startswith("observable.pcie.") for line in lines[1:])
    assert "entries differ, 0 of them in one profile only" in said.err


def test_the_command_says_when_there_is_no_difference(capsys):
    assert main(["profile", "compare", "rtx3080-disb", "rtx3080-disb", "--tolerance", "0.1"]) == 0
    assert capsys.readouterr().out == "rtx3080-disb and rtx3080-disb do not differ by more than 0.1\n"


def test_the_command_s_json(profile, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(dump_profile(replace(faster(profile, 2.0), name="other")))
    assert main(["profile", "compare", "rtx3080-disb", str(other), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["a"]["name"], data["b"]["name"]) == ("rtx3080-disb", "other")
    (row,) = data["differences"]
    assert row["ratio"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rtx3080-disb"], "Missing argument 'B'"),
        (["rtx3080-disb", "rtx308-disb"], "did you mean 'rtx3080-disb'?"),
        (["rtx3080-disb", "rtx3080-disb", "--tolerance", "-1"], "-1"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    assert main(["profile", "compare", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
