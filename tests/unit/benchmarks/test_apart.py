"""Measurements in processes of their own, and the pages that show them."""

import sys
from pathlib import Path

import apart
import facts
import pytest

BENCHMARKS = Path(apart.__file__).parent


def script(folder, body):
    path = folder / "script.py"
    path.write_text(
        f"import sys\nsys.path.append({str(BENCHMARKS)!r})\nimport apart\n"
        f"def point(**at):\n    {body}\n"
        "if not apart.answer(point):\n    raise SystemExit('not asked')\n"
    )
    return path


def test_a_point_comes_back(tmp_path):
    path = script(tmp_path, "print('by the way'); return {'sum': at['a'] + at['b']}")
    assert apart.measure(path, a=1, b=2) == {"sum": 3}


def test_a_failure_says_why(tmp_path):
    with pytest.raises(apart.MeasureError, match=r"'a': 1.*ValueError: no"):
        apart.measure(script(tmp_path, "raise ValueError('no')"), a=1)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a child's peak includes its parent's")
def test_a_peak_is_the_process_s_own(tmp_path):
    """A child reports what it holds, 80 MB more when it holds that, and nothing of its parent's 400 MB."""
    parent = bytearray(b"x") * 400_000_000
    little = apart.measure(script(tmp_path, "return {'peak': apart.peak_mb()}"))["peak"]
    much = apart.measure(script(tmp_path, "x = bytearray(b'x') * 80_000_000; del x; return {'peak': apart.peak_mb()}"))
    assert little < 200 < len(parent) / 1e6
    assert much["peak"] - little == pytest.approx(80, abs=8)


def test_the_page_is_changed_between_its_marks_only(tmp_path):
    page, folder, figures = tmp_path / "page.md", tmp_path / "out", tmp_path / "figures"
    page.write_text("a\n<!-- peers -->\nold\nold\n<!-- /peers -->\nb\n<!-- growth -->\n<!-- /growth -->\n")
    folder.mkdir()
    (folder / "peers.csv").write_text("x\n")
    facts.publish("peers", "new \\1 table\n", folder, page, figures)
    assert page.read_text() == (
        "a\n<!-- peers -->\nnew \\1 table\n<!-- /peers -->\nb\n<!-- growth -->\n<!-- /growth -->\n"
    )
    assert [file.name for file in figures.iterdir()] == ["peers.csv"]
    with pytest.raises(SystemExit, match="no place for other"):
        facts.publish("other", "", folder, page, figures)


@pytest.mark.parametrize(("page", "name"), [("performance", "peers"), ("growth", "growth")])
def test_the_page_has_a_place_for_it(page, name):
    text = facts.PAGE.with_name(f"{page}.md").read_text(encoding="utf-8")
    assert text.count(f"<!-- {name} -->\n") == text.count(f"<!-- /{name} -->\n") == 1


def test_facts_name_machine_code_and_versions():
    known = facts.facts(["no-such-distribution", "pandas"])
    assert known["versions"].keys() == {"numpy", "simpy", "pandas"}
    assert f"code {known['code_sha256'][:10]}" in facts.in_words(known)
