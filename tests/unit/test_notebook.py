"""What objects say of themselves: a line for `repr`, a small table for notebooks, nothing that a file could inject."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from stratsim import load_profile, read_results, read_trace, simulate
from stratsim.notebook import card, facts, line
from stratsim.sweep import make_sweep, read_sweeps, run_sweep
from stratsim.trace.rule import complete


class Cells(HTMLParser):
    """Collects the texts of cells, row by row, and sees that every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(text)


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    profile, trace = load_profile("a100-80gb-parvagpu"), read_trace(limit=50)
    runs = simulate(trace, profile, "edf", load=0.5)
    record = {"title": "two loads", "base": {"limit": 20, "policy": "edf"}, "axes": {"load": [0.5, 0.9]}}
    record["sweep"] = {"seeds": [1]}
    folder = tmp_path_factory.mktemp("sweep") / "out"
    sweep = run_sweep(make_sweep(record, "test"), record, folder)
    workload = complete(trace, profile.for_scheduler(), resolve=profile.resolve, load=0.5)
    return {
        "Profile": profile,
        "Trace": trace,
        "Workload": workload,
        "Result": runs["edf"],
        "Outcome": runs,
        "Sweep": sweep,
        "Sweep, read": read_sweeps(folder)[0],
    }


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Profile", "<Profile a100-80gb-parvagpu: NVIDIA A100 80GB, 11 models>"),
        ("Trace", "<Trace default.csv.gz: 50 requests, without a rate, csv format>"),
        ("Outcome", "<Outcome edf: 50 requests, a100-80gb-parvagpu>"),
        ("Sweep", "<Sweep two loads: 2 cells, 2 runs>"),
        ("Sweep, read", "<Sweep two loads: 2 cells, 2 runs>"),
    ],
)
def test_repr_is_a_line(things, kind, text):
    assert repr(things[kind]) == text


@pytest.mark.parametrize("kind", ["Profile", "Trace", "Workload", "Result", "Outcome", "Sweep"])
def test_every_object_is_short_in_a_terminal_and_a_table_in_a_notebook(things, kind):
    assert len(repr(things[kind])) < 120
    assert "\n" not in repr(things[kind])
    rows = Cells(things[kind]._repr_html_()).rows
    assert rows
    assert len({len(row) for row in rows}) == 1


def test_a_result_counts_its_requests(things):
    result = things["Result"]
    assert repr(result).startswith("<Result edf: 50 requests, 50 met, ")
    head, high, low = Cells(result._repr_html_()).rows
    assert head == ["class", "arrived", "late", "dropped", "unfinished", "violations"]
    assert int(high[1]) + int(low[1]) == 50
    assert high[2:] == low[2:] == ["0", "0", "0", "0.00 %"]


def test_a_stored_result_shows_its_policies(things, tmp_path):
    from stratsim.results import write_results

    runs = things["Outcome"]
    write_results(runs.results, tmp_path / "r", manifest=runs.manifest(), summaries=runs.summaries)
    stored = read_results(tmp_path / "r")
    assert repr(stored).endswith("r: edf>")
    assert [row[:2] for row in Cells(stored._repr_html_()).rows[1:]] == [["edf", "high"], ["edf", "low"]]


def test_names_from_files_cannot_become_markup(things):
    evil = "<script>alert(1)</script>"
    profile = replace(things["Profile"], name=evil, description=evil)
    trace = replace(things["Trace"], source=evil, notes=(evil,))
    result = replace(things["Result"], policy=evil, notes=(evil,))
    for thing in (profile, trace, result):
        html = thing._repr_html_()
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_a_long_table_says_how_much_is_left_out():
    html = card("title", ("n",), [[n] for n in range(1234)], [f"note {n}" for n in range(9)])
    assert len(Cells(html).rows) == 41
    assert "and 1,194 more rows" in html
    assert "and 4 more notes" in html


def test_texts_are_to_the_left_and_numbers_to_the_right():
    html = facts("title", {"share": "1.5 %", "name": "edf", "big": 12345.6, "small": 0.00123, "whole": 1000})
    assert '<td style="text-align: left">edf' in html
    for number in ("1.5 %", "12,346", "0.00123", "1,000"):
        assert f'<td style="text-align: right">{number}' in html


def test_a_line_leaves_out_what_is_not_known():
    assert line("Trace", "", "3 requests", "") == "<Trace: 3 requests>"
    assert line("Profile", "h200") == "<Profile h200>"
