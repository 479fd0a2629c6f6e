"""Tables of co-located pairs."""

import os
import re
from pathlib import Path

import pytest

from stratsim.errors import SpecError
from stratsim.imports import Ask, import_measurements
from stratsim.imports.pairs import read
from stratsim.testing import make_profile

HEAD = "model_a,batch_a,model_b,batch_b,slowdown_a,slowdown_b\n"


def slowdowns(found):
    return {(p.target, p.target_batch, p.other, p.other_batch): p.slowdown for p in found.pairs}


def test_a_row_is_two_directed_slowdowns(write):
    found = read(write("p.csv", HEAD + "a,1,b,8,1.25,2.5\na,1,a,1,1.5,1.5\n"), Ask())
    assert slowdowns(found) == {("a", 1, "b", 8): 1.25, ("b", 8, "a", 1): 2.5, ("a", 1, "a", 1): 1.5}


def test_rates_give_slowdowns_and_times_alone(write):
    # a: 100/s alone, 80 beside b; b: 50/s alone, 20 beside a.
    text = "x,y,alone_a,alone_b,t1,t2\na,b,100,50,80,20\n"
    columns = {"model_a": "x", "model_b": "y", "together_a": "t1", "together_b": "t2"}
    found = read(write("p.csv", text), Ask(columns=columns))
    assert slowdowns(found) == {("a", 1, "b", 1): 1.25, ("b", 1, "a", 1): 2.5}
    assert {name: dict(solo.latency_s) for name, solo in found.models.items()} == {"a": {1: 0.01}, "b": {1: 0.02}}


@pytest.mark.parametrize(
    ("text", "ask", "says"),
    [
        (HEAD + "a,1,b,1,0.6,0.7\n", Ask(), "normalised rate"),
        (HEAD + "a,1,b,1,1.2,1.3\nb,1,a,1,1.3,1.25\n", Ask(), "is 1.2 on line 2 and 1.25 on line 3"),
        (HEAD + "a,1,a,1,1.2,1.6\n", Ask(), "beside itself is slowed 1.2 and 1.6 times"),
        (HEAD + "a,1.5,b,1,1.2,1.6\n", Ask(), "batch_a: not a whole number: '1.5'"),
        (HEAD + "a,1,b,1,nan,1.6\n", Ask(), "not a finite number: 'nan'"),
        ("model_a,model_b,alone_a,together_a\na,b,1,1\n", Ask(), "no column alone_b, together_b"),
        ("job,other\na,b\n", Ask(), "--column FIELD=COLUMN names them"),
        (HEAD, Ask(columns={"modle_a": "x"}), "no field 'modle_a'; did you mean 'model_a'"),
        (HEAD, Ask(columns={"model_a": "job"}), "no column 'job' for model_a"),
    ],
)
def test_what_cannot_be_a_slowdown_is_refused(write, text, ask, says):
    with pytest.raises(SpecError, match=says):
        read(write("p.csv", text), ask)


def test_pairs_extend_a_profile_that_knows_their_models(write):
    profile = make_profile({"a": {1: 0.01}, "b": {1: 0.02}})
    made, _ = import_measurements("pairs", [write("p.csv", HEAD + "a,1,b,1,1.25,2.5\n")], into=profile)
    assert len(made.pairs) == 2
    assert made.provenance["pairs"].kind == "imported"
    with pytest.raises(SpecError, match="name what the profile lacks: c at batch size 1"):
        import_measurements("pairs", [write("q.csv", HEAD + "a,1,c,1,1.25,2.5\n")], into=profile)
    with pytest.raises(SpecError, match=r"slowed 1\.25 times in the profile and 1\.5 times in the file"):
        import_measurements("pairs", [write("r.csv", HEAD + "a,1,b,1,1.5,2.5\n")], into=made)


@pytest.mark.data
@pytest.mark.skipif("STRATSIM_DATA" not in os.environ, reason="needs the public data files: set STRATSIM_DATA")
def test_the_published_pairs_of_a_v100():
    path = Path(os.environ["STRATSIM_DATA"], "gavel", "colocated_v100.csv")
    columns = {"model_a": "job_a", "model_b": "job_b"}
    columns |= {f"{name}_{side}": f"{name}_{side}_per_s" for name in ("alone", "together") for side in "ab"}
    profile, _ = import_measurements("pairs", [path], Ask(columns=columns))
    # The first row: ResNet-18 beside itself, 77.31737 iterations/s alone, 55.4458 and 55.47124 together.
    first = profile.pairs[0]
    assert first.slowdown == pytest.approx(
        (77.31737353972872 / 55.44580542829698 + 77.31737353972872 / 55.47123638413884) / 2
    )
    assert profile.observable.models["ResNet-18 (batch size 16)"].latency_s[1] == pytest.approx(1 / 77.31737353972872)


def test_shares_are_parts_or_percent_and_the_whole_is_no_limit(write):
    head = "model_a,percent_a,slowdown_a,model_b,share_b,slowdown_b\n"
    profile = make_profile({"a": 0.010, "b": 0.020})
    found, _ = import_measurements(
        "pairs", [write("s.csv", head + "a,50,2,b,0.5,2.5\na,100,1.5,b,,1.25\n")], into=profile
    )
    made = [(p.target, p.other, p.slowdown, p.target_share, p.other_share) for p in found.pairs if p.limited]
    assert made == [("a", "b", 2.0, 0.5, 0.5), ("b", "a", 2.5, 0.5, 0.5)]
    assert found.schema_version == 2
    whole = [(p.target, p.slowdown) for p in found.pairs if not p.limited]
    assert ("a", 1.5) in whole


def test_copies_in_unequal_parts_are_two_pairs(write):
    profile = make_profile({"a": 0.010, "b": 0.020})
    head = "model_a,percent_a,slowdown_a,model_b,percent_b,slowdown_b\n"
    found, _ = import_measurements("pairs", [write("s.csv", head + "a,30,3,a,70,1.5\n")], into=profile)
    assert [(p.slowdown, p.target_share) for p in found.pairs if p.limited] == [(3.0, 0.3), (1.5, 0.7)]


@pytest.mark.parametrize(
    ("column", "value", "said"), [("percent", "120", "(0, 100], got 120"), ("share", "30", "(0, 1], got 30")]
)
def test_a_share_that_cannot_be_is_refused(write, column, value, said):
    head = f"model_a,{column}_a,slowdown_a,model_b,slowdown_b\n"
    with pytest.raises(SpecError, match=re.escape(f"line 2, {column}_a: must be within {said}")):
        import_measurements("pairs", [write("s.csv", head + f"a,{value},2,b,2.5\n")])
