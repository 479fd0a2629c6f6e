"""`stratsim profile check`: a profile against samples that it was not fitted to."""

import json
from dataclasses import replace

import pytest

from stratsim.cli import main
from stratsim.errors import ProfileError
from stratsim.model.codec import dump_profile
from stratsim_profiler.fit.check import check_profile
from stratsim_profiler.fit.extract import extract_samples
from stratsim_profiler.samples import Done
from stratsim_profiler.store import encode_line


def test_its_own_samples_give_the_errors_of_the_fit(full_bench, full_fit):
    found = check_profile(full_fit.profile, extract_samples(full_bench.samples()))
    assert found.rule == "streams"
    cells = full_fit.summary.measured.cells
    assert [cell.name for cell in found.cells] == [cell.name for cell in cells]
    exact = full_fit.summary.sharing.slowdowns(cells)
    for checked, row in zip(found.cells, exact, strict=True):
        assert checked.predicted["streams"] == pytest.approx(row, rel=1e-4)  # the profile has six digits
    assert set(found.scores) == {"streams", "kernel-queue"}
    assert all(ratio == pytest.approx(1, abs=1e-4) for ratio in found.solo.values())


def test_a_slower_device_shows_in_its_solo_times_not_in_its_slowdowns(full_bench, full_fit):
    other = replace(full_bench, solo_s=2 * full_bench.solo_s, records=[])
    other.measure_models()
    other.measure_transfers()
    other.measure_design()
    found = check_profile(full_fit.profile, extract_samples(other.samples()))
    assert all(ratio == pytest.approx(2, rel=0.05) for ratio in found.solo.values())
    assert found.scores["streams"].mean < 0.05
    assert found.copies["h2d"] == pytest.approx(1, rel=0.03)


def test_other_models_are_refused_by_name(full_fit, make_bench):
    bench = make_bench(2, seed=1, noise=0.0, demand=(0.5, 0.9))
    bench.measure_models()
    measured = extract_samples(bench.samples())
    named = replace(measured, solo={load._replace(model="strange"): one for load, one in measured.solo.items()})
    with pytest.raises(ProfileError, match=r"has none of the samples' models and batch sizes: strange"):
        check_profile(full_fit.profile, named)


def test_the_command(full_bench, full_fit, tmp_path, capsys):
    profile, samples = tmp_path / "mine.json", tmp_path / "other.jsonl"
    profile.write_text(dump_profile(full_fit.profile))
    found = full_bench.samples()
    lines = [encode_line(record) for record in (found.header, *found.records, Done("all", 1.0))]
    samples.write_text("\n".join(lines) + "\n")
    assert main(["profile", "check", str(profile), str(samples), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["device_model"] == "streams"
    assert document["errors"]["streams"]["count"] == sum(len(cell["measured"]) for cell in document["cells"])
    assert main(["profile", "check", str(profile), str(samples)]) == 0
    said = capsys.readouterr().out
    assert "streams (the profile's own)" in said
    assert "worst first" in said
