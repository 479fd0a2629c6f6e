"""Bundles: what somebody measured comes out again, and what does not, or is none, is said in a line."""

import gzip
import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from stratsim.errors import LimitError, ProfileError, SchemaVersionError
from stratsim.model.codec import load_profile
from stratsim.model.write import write_profile
from stratsim_profiler import bundle
from stratsim_profiler.bundle import check_bundle, write_bundle
from stratsim_profiler.fit import fit_samples, samples_sha256
from stratsim_profiler.samples import Done
from stratsim_profiler.store import encode_line

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path for room in ("profiler/profiles", "docs") for path in (ROOT / room).rglob("*.bundle.json"))


FITS = {}


@pytest.fixture(scope="module", autouse=True)
def _fitted_once():
    """A fit is a function of the samples: those of one device are fitted once for all tests."""

    def fit(path, name=None, starts=1):
        key = samples_sha256(path)
        if key not in FITS:
            FITS[key] = fit_samples(path, name="my", starts=starts)
        return FITS[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fit_samples", fit)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, full_bench):
    """A profile and its samples, in a folder with both kinds of bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    samples = full_bench.samples()
    lines = [encode_line(each) for each in (samples.header, *samples.records, Done("all", 1.0))]
    (folder / "my.samples.jsonl.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    result = bundle.fit_samples(folder / "my.samples.jsonl.gz")
    write_profile(result.profile, folder / "my.json")
    files = folder / "my.json", folder / "my.samples.jsonl.gz"
    write_bundle(*files, folder / "my.zip", starts=1)
    write_bundle(*files, folder / "my.bundle.json", starts=1)
    return folder


def failing(lines):
    return [line.what for line in lines if not line.passed]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my.zip", "my.bundle.json"])
def test_a_bundle_comes_out_again(made, name):
    lines = check_bundle(made / name, starts=1)
    assert failing(lines) == []
    assert {"origin", "environment", "solo times", "link", "contention", "validation"} <= {line.what for line in lines}


def changed(made, tmp_path, edit):
    """Return the bundle with a profile that was edited, and says so."""
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_profile(edit(load_profile(tmp_path / "my.json")), tmp_path / "my.json", overwrite=True)
    document = json.loads((tmp_path / "my.bundle.json").read_text())
    document["profile"]["sha256"] = hashlib.sha256((tmp_path / "my.json").read_bytes()).hexdigest()
    (tmp_path / "my.bundle.json").write_text(json.dumps(document))
    return tmp_path / "my.bundle.json"


def test_a_solo_time_that_the_samples_do_not_have_fails(made, tmp_path):
    def edit(profile):
        models = dict(profile.observable.models)
        name = next(iter(models))
        models[name] = replace(models[name], latency_s={b: 1.01 * s for b, s in models[name].latency_s.items()})
        return replace(profile, observable=replace(profile.observable, models=models))

    assert failing(check_bundle(changed(made, tmp_path, edit), starts=1)) == ["solo times"]


def test_a_truth_that_the_samples_do_not_give_fails(made, tmp_path):
    def edit(profile):
        sharing = {
            name: {size: replace(entry, demand=min(1.0, 1.6 * entry.demand)) for size, entry in table.items()}
            for name, table in profile.truth.sharing.items()
        }
        return replace(profile, truth=replace(profile.truth, sharing=sharing))

    assert "contention" in failing(check_bundle(changed(made, tmp_path, edit), starts=1))


def test_what_is_stated_is_held_against_what_is_found(made, tmp_path):
    path = changed(made, tmp_path, lambda profile: profile)
    document = json.loads(path.read_text())
    document["validation"]["mean"] = 0.5
    document["environment"]["device"]["name"] = "another"
    document["samples"]["sha256"] = "0"
    path.write_text(json.dumps(document))
    assert failing(check_bundle(path, starts=1)) == ["file my.samples.jsonl.gz", "environment", "validation"]


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_with_other_members_is_refused(made, tmp_path):
    with zipfile.ZipFile(made / "my.zip") as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    for name in ("../escaped.json", "/tmp/x", "profile.json/x"):
        with pytest.raises(ProfileError, match="alone; this holds") as caught:
            check_bundle(zipped(tmp_path / "b.zip", {**good, name: b"x"}))
        assert "\n" not in str(caught.value)
    with pytest.raises(ProfileError, match="alone; this holds"):
        check_bundle(zipped(tmp_path / "b.zip", {"bundle.json": good["bundle.json"]}))
    document = json.loads(good["bundle.json"])
    document["profile"]["file"] = "../profile.json"
    with pytest.raises(ProfileError, match="other names"):
        check_bundle(zipped(tmp_path / "b.zip", {**good, "bundle.json": json.dumps(document)}))


def test_a_bundle_names_no_file_elsewhere(made, tmp_path):
    document = json.loads((made / "my.bundle.json").read_text())
    for name in ("../my.json", "/etc/passwd", "a/b", "..", ""):
        document["profile"]["file"] = name
        (tmp_path / "b.bundle.json").write_text(json.dumps(document))
        with pytest.raises(ProfileError, match="its files lie beside it"):
            check_bundle(tmp_path / "b.bundle.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"bundle": "x"}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    for name in ("b.bundle.json", "b.zip"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ProfileError, match=r"no bundle of a profile|no zip that can be read"):
            check_bundle(tmp_path / name)
    with pytest.raises(ProfileError, match="cannot be read"):
        check_bundle(tmp_path)


def test_another_version_is_called_by_its_number(made, tmp_path):
    document = json.loads((made / "my.bundle.json").read_text()) | {"bundle": 2}
    (tmp_path / "b.bundle.json").write_text(json.dumps(document))
    with pytest.raises(SchemaVersionError, match="version 2; this version reads 1"):
        check_bundle(tmp_path / "b.bundle.json")


def test_a_member_that_unpacks_to_more_than_the_budget_is_refused(made, tmp_path, monkeypatch):
    with zipfile.ZipFile(made / "my.zip") as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**good, "profile.json": b" " * (40 << 20)}.items():
            archive.writestr(name, content)
    monkeypatch.setenv("STRATSIM_MEMORY", "10M")
    with pytest.raises(LimitError, match="the budget is 10M"):
        check_bundle(tmp_path / "b.zip")


def test_files_lie_together_unless_they_are_packed(made, tmp_path):
    with pytest.raises(ProfileError, match=r"must lie in its folder; a \.zip takes them along"):
        write_bundle(made / "my.json", made / "my.samples.jsonl.gz", tmp_path / "my.bundle.json")


def test_the_repository_has_bundles_of_a_gpu_and_of_a_cpu():
    assert {path.name for path in SHIPPED} >= {"h200-fp16.bundle.json", "live-log-profile.bundle.json"}


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_bundle_of_the_repository_comes_out_again(path):
    """By the command, in a process of its own: linear algebra has one thread there."""
    argv = [sys.executable, "-m", "stratsim", "profile", "check", str(path), "--starts", "1", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert [line["what"] for line in json.loads(done.stdout) if not line["passed"]] == [], done.stderr
    assert done.returncode == 0
