import json

import pytest

from stratsim.cli import main
from stratsim.errors import OutsideProfileError, SpecError
from stratsim.imports import Ask, import_measurements
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.provenance import uncovered, unused
from stratsim.model.template import template


def test_a_template_is_valid_as_it_is_and_says_of_every_figure_that_it_stands_in(tmp_path):
    out = tmp_path / "my-gpu.json"
    assert main(["profile", "new", "--models", "a,b", "--out", str(out)]) == 0
    made = load_profile(out)
    assert made.name == "my-gpu"
    assert list(made.observable.models) == ["a", "b"]
    assert uncovered(made) == ()
    assert unused(made) == ()
    assert all(entry.source.startswith("assumed by stratsim: ") for entry in made.provenance.values())


def test_a_template_can_be_replayed(tmp_path):
    assert main(["profile", "new", "--out", str(tmp_path / "t.json")]) == 0
    assert main(["replay", "--profile", str(tmp_path / "t.json"), "--limit", "20", "--quiet"]) == 0


def test_like_a_profile_takes_its_solo_figures_and_nothing_of_contention():
    like = load_profile("a100-80gb-parvagpu")
    made = template("mine", ["vgg19", "resnet50"], like)
    assert list(made.observable.models) == ["vgg19", "resnet50"]
    assert made.observable.models["vgg19"] == like.observable.models["vgg19"]
    assert made.observable.pcie == like.observable.pcie
    assert not made.truth.sharing
    assert not made.pairs
    assert made.truth.noise_cv == 0
    assert uncovered(made) == ()


def test_models_that_cannot_be_are_refused():
    with pytest.raises(SpecError, match="names of their own, got 'a', 'a'"):
        template("mine", ["a", "a"])
    with pytest.raises(SpecError, match="names of their own"):
        template("mine", ["a", " "])
    with pytest.raises(OutsideProfileError, match="did you mean 'vgg19'"):
        template("mine", ["vgg20"], load_profile("a100-80gb-parvagpu"))


def test_an_import_replaces_stand_ins_whole_and_keeps_what_was_measured(tmp_path):
    rows = [{"startComputeMs": 10 * k, "endComputeMs": 10 * k + 2, "computeMs": 2.0} for k in range(3)]
    (tmp_path / "times.json").write_text(json.dumps(rows))
    like = template("mine", ["vgg19"], load_profile("a100-80gb-parvagpu"))
    made, _ = import_measurements("trtexec", [tmp_path / "times.json"], Ask(model="vgg19", batch=1), into=like)
    assert made.observable.models["vgg19"].latency_s == {1: 0.002}  # no stand-in of another GPU beside it
    assert set(made.observable.models["vgg19"].features) == {1}
    rows = [{**row, "endComputeMs": row["startComputeMs"] + 3, "computeMs": 3.0} for row in rows]
    (tmp_path / "again.json").write_text(json.dumps(rows))
    with pytest.raises(SpecError, match="takes 2 ms in the profile and 3 ms in the file"):
        import_measurements("trtexec", [tmp_path / "again.json"], Ask(model="vgg19", batch=1), into=made)


def test_a_profile_with_five_mistakes_is_one_refusal_of_five_lines(tmp_path, capsys):
    document = json.loads(dump_profile(template("broken")))
    document["nmae"] = "twice"
    document["device"]["sms"] = "many"
    document["observable"]["pcie"]["h2d"]["bytes_per_s"] = 0
    document["observable"]["models"]["my-model"]["latency_s"] = {"1": -0.01}
    document["truth"]["sharing"] = {"my-modle": {"1": {"demand": 0.5}}}
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    assert main(["profile", "show", str(path)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.split(": ", maxsplit=1)[-1].removeprefix(f"{path}: ") for line in lines] == [
        "unknown field 'nmae'; did you mean 'name'? - at $",
        "Expected `int | null`, got `str` - at $.device.sms",
        "bytes_per_s must be > 0, got 0.0 - at $.observable.pcie.h2d",
        "latency_s[1] must be > 0 and finite, got -0.01 - at $.observable.models.my-model",
        "truth.sharing names model 'my-modle', which observable.models lacks; did you mean 'my-model'? - at $",
    ]
