"""Which checks run, and that every claim ends as exactly one case."""

import pytest

from stratsim.errors import SpecError
from stratsim.validate import Check, Claim, Findings, Setting, Status, Table, plan, validate
from stratsim.validate.run import Validation


def claims(*names):
    return tuple(Claim(name, float(i), 0.1, "by hand") for i, name in enumerate(names))


def counts(*names, **options):
    """A check of claims that expect 0, 1, 2 ...; it is right about all."""
    return Check(claims(*names), lambda setting: Findings([float(i) for i in range(len(names))]), **options)


SUITES = {"one": (counts("a", "b/c"), counts("d")), "two": (counts("a", "Error of x"),)}


def names(planned):
    return [f"{one.suite}/{name}" for one in planned for name in sorted(one.wanted)]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (None, ["one/a", "one/b/c", "one/d", "two/Error of x", "two/a"]),
        ("one", ["one/a", "one/b/c", "one/d"]),
        ("*/a", ["one/a", "two/a"]),
        ("one/b*", ["one/b/c"]),
        ("*error*", ["two/Error of x"]),
        ("TWO/*", ["two/Error of x", "two/a"]),
        ("o*", ["one/a", "one/b/c", "one/d"]),
    ],
)
def test_a_pattern_chooses_claims(only, expected):
    assert names(plan(SUITES, only)) == expected


def test_a_pattern_that_matches_nothing_names_the_nearest_suite():
    with pytest.raises(SpecError, match="no validation case matches 'tow'; did you mean 'two'"):
        plan(SUITES, "tow")


def test_only_what_was_asked_for_becomes_a_case():
    found = validate(plan(SUITES, "one/b*"), Setting())
    assert [(case.name, case.expected, case.status) for case in found.cases] == [("one/b/c", 1.0, Status.PASSED)]


def test_checks_run_in_order_and_say_so():
    seen = []
    validate(plan(SUITES), Setting(), lambda done, one: seen.append((done, one.title)))
    assert seen == [(0, "one/a (and 1 more)"), (1, "one/d"), (2, "two/a (and 1 more)")]


def run(check, setting=None):
    return validate(plan({"s": (check,)}), setting or Setting()).cases


def test_a_blocked_check_is_skipped_claim_by_claim():
    cases = run(counts("a", "b", blocked="needs preemption"))
    assert [(case.status, case.reason, case.got) for case in cases] == [(Status.SKIPPED, "needs preemption", None)] * 2


def test_a_module_that_is_not_installed_skips():
    (case,) = run(counts("a", modules=("numpy", "no_such_package")))
    assert case.status is Status.SKIPPED
    assert case.reason == "needs the Python package no_such_package, which is not installed"


def test_absent_data_skips(tmp_path):
    check = counts("a", needs=("folder/file.csv",))
    (without,) = run(check)
    assert (without.status, without.error) == (Status.SKIPPED, None)
    assert without.reason == (
        "needs the public data files (folder/file.csv): name their folder with --data or STRATSIM_DATA"
    )
    (empty,) = run(check, Setting(tmp_path))
    assert empty.reason == f"{tmp_path} has no folder/file.csv"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.csv").touch()
    (there,) = run(check, Setting(tmp_path))
    assert there.status is Status.PASSED


def test_what_cannot_be_measured_fails_with_the_reason():
    def broken(setting):
        raise SpecError("file.csv: has no column 'x'")

    cases = run(Check(claims("a", "b"), broken))
    assert [(case.status, case.reason) for case in cases] == [(Status.FAILED, "file.csv: has no column 'x'")] * 2
    assert Validation(cases, []).failed


def test_a_defect_of_ours_is_no_failed_case():
    def broken(setting):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Check(claims("a"), broken))


def test_a_check_must_answer_every_claim():
    with pytest.raises(ValueError, match="zip"):
        run(Check(claims("a", "b"), lambda setting: Findings([0.0])))


def test_tables_and_remarks_come_through():
    table = Table("t", "a table", ("x",), [(1,)])
    check = Check(claims("a", "b"), lambda setting: Findings([0.0, 1.0], ["first", ""], [table]))
    found = validate(plan({"s": (check,)}), Setting())
    assert [case.reason for case in found.cases] == ["first", ""]
    assert found.tables == [table]
    assert not found.failed


def test_the_setting_reaches_the_check(tmp_path):
    seen = []
    check = Check(claims("a"), lambda setting: seen.append(setting) or Findings([0.0]))
    run(check, Setting(tmp_path, quick=True))
    assert seen == [Setting(tmp_path, quick=True)]


def test_skipped_cases_do_not_fail_a_run():
    assert not validate(plan({"s": (counts("a", blocked="later"),)}), Setting()).failed
