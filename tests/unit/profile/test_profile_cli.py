import json

import pytest

from stratsim import bundled
from stratsim.cli import main
from stratsim.cli.profile.figures import describe, interpolation_check, model_figures, saturation_per_s
from stratsim.cli.text import ms, number
from stratsim.model.codec import load_profile


def test_list_names_every_bundled_profile(capsys):
    assert main(["profile", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "device", "models", "batches", "kind", "source"]
    rows = [line for line in lines[1:] if not line.startswith(" ")]
    assert [row.split()[0] for row in rows] == sorted(bundled.names("profiles"))
    known = {"asymmetric-six": "synthetic", "h200-fp16": "measured", "h200-fp16-served": "measured"}
    kinds = {name: known.get(name, "published") for name in bundled.names("profiles")}
    assert all(kinds[row.split()[0]] in row for row in rows)


def test_list_as_json(capsys):
    assert main(["profile", "list", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["a100-80gb-parvagpu"]["models"] == 11
    assert found["a100-80gb-parvagpu"]["batches"] == "1 to 256"
    assert found["rtx3080-disb"] == {
        "name": "rtx3080-disb",
        "device": "NVIDIA GeForce RTX 3080 10GB",
        "models": 5,
        "batches": "1",
        "kind": "published",
        "source": "SJTU-IPADS/disb @ 7ad5fba",
    }


def test_show_tells_everything(capsys):
    assert main(["profile", "show", "a100-80gb-parvagpu"]) == 0
    out = capsys.readouterr().out
    for expected in (
        "host to device  10 us + bytes / 24.8 GB/s",
        "the scheduler does not see it",
        "linear (used)      75    1.8%  3.7%  19.1%",
        "launch-bound: t(8) / t(1) = 0.98",
        "none; `stratsim profile pairs` simulates a campaign",
        "1 / 1",
    ):
        assert expected in out
    assert "\x1b" not in out
    assert "not said for" not in out


def test_show_one_model_by_its_alias(capsys):
    assert main(["profile", "show", "rtx3080-disb", "--model", "vgg19-imagenet"]) == 0
    out = capsys.readouterr().out
    assert "2.702" in out
    assert "8.302" not in out  # densenet201


def test_show_as_json_is_one_object(capsys):
    assert main(["profile", "show", "rtx3080-disb", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["derived"]["models"]["vgg19"]["end_to_end_s"] == pytest.approx(2783.25e-6)
    assert found["derived"]["fields_without_provenance"] == []
    assert found["derived"]["interpolation_check"] == {"linear": None, "log-log": None}
    assert found["observable"]["models"]["vgg19"]["latency_s"]["1"] == pytest.approx(0.002701847)


def test_show_says_what_has_no_origin(tmp_path, capsys):
    document = json.loads(bundled.find("profiles", "rtx3080-disb").read_text())
    del document["provenance"]["truth.noise_cv"], document["provenance"]["device"]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    assert main(["profile", "show", str(path)]) == 0
    assert "not said for 6 fields: device.name, device.memory_bytes" in capsys.readouterr().out


def test_pairs_writes_a_profile_that_show_reads(tmp_path, capsys):
    out = tmp_path / "mine.json"
    assert main(["profile", "pairs", "rtx3080-disb", "--out", str(out), "--seed", "5"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "25 slowdowns, 6 of them held out" in captured.err
    assert "batch size 8 is left out for models that do not cover it: vgg19" in captured.err
    profile = load_profile(out)
    assert profile.name == "mine"
    assert len(profile.pairs) == 25
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    assert main(["profile", "show", str(out)]) == 0
    assert "25 directed slowdowns, 6 held out" in capsys.readouterr().out


def test_pairs_is_repeatable(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert (
            main(["profile", "pairs", "rtx3080-disb", "--batches", "1", "--out", str(tmp_path / name / "p.json")]) == 0
        )
    assert (tmp_path / "a" / "p.json").read_bytes() == (tmp_path / "b" / "p.json").read_bytes()


def test_pairs_keeps_an_existing_file(tmp_path, capsys):
    out = tmp_path / "mine.json"
    out.write_text("precious")
    assert main(["profile", "pairs", "rtx3080-disb", "--out", str(out)]) == 2
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert main(["profile", "pairs", "rtx3080-disb", "--out", str(out), "--overwrite"]) == 0
    assert load_profile(out).pairs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "rtx3080"], "did you mean 'rtx3080-disb'?"),
        (["show", "rtx3080-disb", "--model", "vgg18"], "did you mean 'vgg19'?"),
        (["pairs", "rtx3080-disb", "--out", "{dir}/x.json", "--batches", "one"], "'one' is not a list of batch sizes"),
        (["pairs", "rtx3080-disb", "--out", "{dir}/x.json", "--batches", "0"], "batches must be different sizes >= 1"),
        (["pairs", "rtx3080-disb", "--out", "{dir}/x.json", "--noise", "-1"], "noise must be within 0 and 10"),
        (["pairs", "rtx3080-disb", "--out", "{dir}/x.json", "--device-model", "stream"], "did you mean 'streams'?"),
        (["pairs", "rtx3080-disb", "--out", "/dev/null/x.json"], "'/dev/null' is not a folder"),
        (["pairs", "rtx3080-disb", "--out", "{dir}"], "is a directory"),
        (["pairs", "rtx3080-disb"], "Missing option '--out'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, tmp_path, capsys):
    status = main(["profile", *(argument.format(dir=tmp_path) for argument in arguments)])
    captured = capsys.readouterr()
    assert (status, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert message in captured.err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", ["list", "show", "pairs"])
def test_help_teaches_with_examples(command, capsys):
    assert main(["profile", command, "-h"]) == 0
    assert f"stratsim profile {command}" in capsys.readouterr().out.split("Examples:")[1]


def test_derived_figures_by_hand():
    profile = load_profile("rtx3080-disb")
    solo = [model.latency_s[1] for model in profile.observable.models.values()]
    assert saturation_per_s(profile) == pytest.approx(5 / sum(solo))
    found = model_figures(load_profile("a100-80gb-parvagpu"), "mobilenetv2")
    assert found["best_batch"] == 32
    assert found["best_per_s"] == pytest.approx(4020.298, rel=1e-6)
    assert found["saturation_per_s"] == pytest.approx(215.396, rel=1e-6)
    assert found["copy_in_s"] == pytest.approx(10e-6 + 602112 / 24.8e9)


def test_interpolation_check_counts_inner_sizes():
    check = interpolation_check(load_profile("a100-80gb-parvagpu"))
    assert check["linear"]["points"] == 9 * 7 + 2 * 6
    assert check["linear"]["mean"] < check["log-log"]["mean"]


def test_describe_can_leave_models_out():
    found = describe(load_profile("rtx3080-disb"), ["vgg19"])
    assert [*found["observable"]["models"]] == [*found["derived"]["models"]] == ["vgg19"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (1.0, "1"),
        (0.25, "0.25"),
        (12.345, "12.35"),
        (123456.0, "123456"),
        (0.00012346, "0.0001235"),
    ],
)
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_milliseconds():
    assert ms(0.0123456) == "12.35"
