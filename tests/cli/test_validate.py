"""`stratsim validate`: the table, the JSON, the exit status, the report; which cases there are is tested elsewhere."""

import json
import sys

import pytest

from stratsim import validate
from stratsim.validate import Check, Claim, Findings

KEYS = {"name", "expected", "got", "error", "tolerance", "status", "reason", "source", "unit"}


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.delenv("STRATSIM_DATA", raising=False)


@pytest.fixture
def suites(monkeypatch):
    """Replace the suites; return how."""

    def run(**made):
        monkeypatch.setattr(validate, "SUITES", made)

    return run


def check(*values, expected=1.0, **options):
    claims = tuple(Claim(f"figure {i}", expected, 0.1, "by hand", "ms") for i in range(len(values)))
    return Check(claims, lambda setting: Findings(list(values)), **options)


def test_a_table_by_suite_and_a_last_line(call, suites):
    suites(one=(check(1.0, 1.05),), two=(check(1.0),))
    ran = call("validate")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert [line for line in lines if line in ("one", "two")] == ["one", "two"]
    assert "ok      figure 1  ms           1  1.05   0.05        0.1" in lines
    assert lines[-1].startswith("3 passed, 0 failed, 0 skipped in ")


def test_progress_goes_to_stderr_case_by_case(call, suites):
    suites(one=(check(1.0, 1.05),), two=(check(1.0),))
    assert call("validate").err == "[1/2] one/figure 0 (and 1 more)\n[2/2] two/figure 0\n"
    assert call("validate", "--quiet").err == ""


def test_a_failed_case_is_shown_with_its_reason_and_exits_1(call, suites):
    suites(one=(check(1.0, 3.0),))
    ran = call("validate", "--quiet")
    assert ran.status == 1
    assert "FAILED  figure 1  ms           1     3      2        0.1" in ran.out
    assert "  FAILED one/figure 1: error beyond the tolerance" in ran.out
    assert "1 passed, 1 failed, 0 skipped" in ran.out


def test_skipped_cases_do_not_fail_and_share_a_line_for_their_reason(call, suites):
    suites(one=(check(1.0, 1.0, needs=("disb/x.json",)), check(1.0, needs=("disb/x.json",))))
    ran = call("validate", "--quiet")
    assert ran.status == 0
    assert ran.out.count("name their folder with --data or STRATSIM_DATA") == 1
    assert "0 passed, 0 failed, 3 skipped" in ran.out


def test_json_is_all_there_is_on_stdout(call, suites):
    suites(one=(check(1.0, 3.0),), two=(check(1.0, blocked="later"),))
    ran = call("validate", "--json")
    assert ran.status == 1
    cases = ran.document["cases"]
    assert list(ran.document) == ["cases"]
    assert all(set(case) == KEYS for case in cases)
    assert [case["status"] for case in cases] == ["passed", "failed", "skipped"]
    assert [case["got"] for case in cases] == [1.0, 3.0, None]


def test_a_report_is_written_beside_the_table(call, suites, here):
    suites(one=(check(1.0),))
    ran = call("validate", "--quiet", "--out", "report")
    assert ran.status == 0
    assert sorted(path.name for path in (here / "report").iterdir()) == ["cases.json", "report.md"]
    assert json.loads((here / "report" / "cases.json").read_text())["cases"][0]["name"] == "one/figure 0"


def test_the_folder_is_refused_before_anything_runs(refused, suites, here):
    def never(setting):
        raise AssertionError("it ran")

    suites(one=(Check((Claim("a", 1.0, 0.1, "by hand"),), never),))
    (here / "taken").mkdir()
    (here / "taken" / "thesis.tex").write_text("mine")
    assert "taken: holds files but no earlier report" in refused("validate", "--out", "taken")
    assert "'taken/thesis.tex' is not a folder" in refused("validate", "--out", "taken/thesis.tex/report")


def test_data_reaches_the_checks(call, suites, here, monkeypatch):
    seen = []
    claim = (Claim("a", 1.0, 0.1, "by hand"),)
    suites(one=(Check(claim, lambda setting: seen.append(setting) or Findings([1.0])),))
    (here / "data").mkdir()
    call("validate", "--data", "data", "--quick")
    monkeypatch.setenv("STRATSIM_DATA", str(here / "data"))
    call("validate")
    monkeypatch.setenv("STRATSIM_DATA", "")
    call("validate")
    assert [(setting.data and setting.data.name, setting.quick) for setting in seen] == [
        ("data", True),
        ("data", False),
        (None, False),
    ]


def test_a_data_folder_that_is_not_there_is_refused(refused, monkeypatch):
    assert refused("validate", "--data", "gone") == "--data: there is no folder 'gone'"
    monkeypatch.setenv("STRATSIM_DATA", "gone too")
    assert refused("validate") == "STRATSIM_DATA: there is no folder 'gone too'"


def test_a_pattern_without_a_match_is_refused(refused):
    assert refused("validate", "--only", "parvagpus") == (
        "no validation case matches 'parvagpus'; did you mean 'parvagpu'?"
    )


def test_ours_for_real(call):
    """The fastest of the real suites, through everything."""
    ran = call("validate", "--json", "--quiet", "--only", "transfers/links*")
    assert ran.status == 0
    cases = ran.document["cases"]
    assert [(case["expected"], case["unit"]) for case in cases] == [(10, "GB/s"), (10, "GB/s"), (12, "GB/s")]
    assert all(abs(case["got"] - case["expected"]) < 1e-6 for case in cases)


def test_on_a_terminal_progress_takes_one_line_and_leaves_none(call, suites, monkeypatch):
    suites(one=(check(1.0), check(1.0, 1.0)))
    monkeypatch.setattr("stratsim.cli.validate.is_terminal", lambda stream: stream is sys.stderr)
    ran = call("validate")
    assert ran.err.split("\r") == ["", "[1/2] one/figure 0", "[2/2] one/figure 0 (and 1 more)", ""]
