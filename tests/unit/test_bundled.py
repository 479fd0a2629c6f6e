"""Files that come with the package are found from any working directory, and never shadowed."""

import pytest

from stratsim import bundled
from stratsim.errors import BundledFileNotFoundError


def test_profiles_are_found_by_name():
    found = bundled.names("profiles")
    assert {"a100-80gb-parvagpu", "rtx3080-disb"} <= set(found)
    assert all(path.is_file() for path in found.values())


def test_a_users_own_folders_do_not_shadow_ours(tmp_path, monkeypatch):
    expected = bundled.find("profiles", "rtx3080-disb")
    for name in ("traces", "profiles", "profiler/profiles"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "rtx3080-disb.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert bundled.find("profiles", "rtx3080-disb") == expected
    assert expected.is_absolute()
    assert tmp_path not in expected.parents


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(BundledFileNotFoundError, match="no bundled profile 'rtx3080'; did you mean 'rtx3080-disb'"):
        bundled.find("profiles", "rtx3080")


def test_an_installed_copy_is_preferred(tmp_path, monkeypatch):
    """In a wheel the data lie in the package's own `_data` folder."""
    package = tmp_path / "stratsim"
    (package / "_data" / "traces").mkdir(parents=True)
    (package / "_data" / "traces" / "mine.csv.gz").write_bytes(b"")
    (package / "_data" / "traces" / "mine.csv").write_bytes(b"")
    monkeypatch.setattr(bundled, "__file__", str(package / "bundled.py"))
    assert bundled.folder("traces") == package / "_data" / "traces"
    assert bundled.names("traces") == {"mine": package / "_data" / "traces" / "mine.csv.gz"}


@pytest.mark.parametrize("kind", ["traces", "experiments", "profiles"])
def test_nothing_is_found_where_there_is_nothing(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "stratsim" / "bundled.py"))
    assert bundled.names(kind) == {}
    with pytest.raises(BundledFileNotFoundError, match=f"no bundled {kind.removesuffix('s')} 'x'; known: none"):
        bundled.find(kind, "x")
