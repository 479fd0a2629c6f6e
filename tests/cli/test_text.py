"""Tables for people: on a terminal of any width, and in a pipe."""

import io
import re
import sys

import pytest

from stratsim.cli.text import duration, is_terminal, ms, number, rounded_ms, table

COLUMNS = ("policy", "class", *(f"figure {n}" for n in range(9)))
ROWS = [
    ["my_policy.py:Mine", "high", *(f"{n}234.56" for n in range(9))],
    ["", "low", *(f"{n}9.01" for n in range(9))],
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def drawn(monkeypatch):
    """Draw a table on a terminal of some width; return its lines without colours."""

    def run(width, columns=COLUMNS, rows=ROWS, left=2):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        table(columns, rows, left)
        text = re.sub("\x1b\\[[0-9;]*m", "", terminal.getvalue())
        return [line.rstrip() for line in text.splitlines() if line.strip()]

    return run


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130, 200])
def test_no_figure_is_ever_broken(drawn, width):
    lines = drawn(width)
    text = "\n".join(lines)
    for figure in (*COLUMNS[2:], *ROWS[0][2:], *ROWS[1][2:]):
        assert text.count(figure) >= 1, figure
    assert max(map(len, lines)) <= width


def test_a_wide_terminal_gets_one_table(drawn):
    lines = drawn(200)
    assert len(lines) == 4
    assert lines[0].split() == " ".join(COLUMNS).split()
    assert lines[2].split() == ROWS[0]
    assert lines[3].split() == ROWS[1][1:]


def test_a_narrow_terminal_gets_several_with_the_text_columns_in_each(drawn):
    lines = drawn(80)
    heads = [line for line in lines if line.lstrip().startswith("policy")]
    assert len(heads) == 3
    assert sum(line.lstrip().startswith("my_policy.py:Mine") for line in lines) == 3
    assert " ".join(heads).count("figure") == 9


def test_text_alone_is_folded_not_lost(drawn):
    rows = [["edf", "earliest deadline first, whatever the priority; not preemptive"]]
    text = " ".join(" ".join(drawn(30, ("name", "what it does"), rows)).split())
    assert "earliest deadline first," in text
    assert "not preemptive" in text


def test_square_brackets_are_text(drawn):
    lines = drawn(80, ("policy", "n"), [["mine(names=[a, b])", "1"]], 1)
    assert lines[-1].split("  ")[0].strip() == "mine(names=[a, b])"


def test_a_pipe_gets_one_line_per_row_however_wide(capsys):
    table(COLUMNS, ROWS, 2)
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.startswith("policy             class  figure 0")
    assert first.split() == ROWS[0]
    assert second.split() == ROWS[1][1:]
    assert len(header) == len(first) == len(second)


def test_a_pipe_folds_text_if_asked(capsys):
    table(("name", "does", "source"), [["a", "one two three four", "five six"], ["b", "one", "-"]], 3, width=25)
    assert capsys.readouterr().out.splitlines() == [
        "name  does        source",
        "a     one two     five",
        "      three four  six",
        "b     one         -",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (1, "1"),
        (0.000123456, "0.0001235"),
        (1234.56, "1235"),
        (123456.0, "123456"),
        (12.5, "12.5"),
        (-0.25, "-0.25"),
        (100, "100"),
    ],
)
def test_numbers_have_four_significant_digits(value, text):
    assert number(value) == text


def test_milliseconds():
    assert ms(0.0012345) == "1.234"
    assert ms(2.0) == "2000"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (4.054e-9, "<0.001"),
        (-6.671e-10, "<0.001"),
        (1.26e-6, "0.001"),
        (8.405e-6, "0.008"),
        (0.00024, "0.24"),
        (0.0123456, "12.3"),
        (123.456, "123456"),
    ],
)
def test_rounded_milliseconds(seconds, text):
    assert rounded_ms(seconds) == text


def test_a_closed_stream_is_no_terminal():
    assert not is_terminal(None)
    assert not is_terminal(io.StringIO())
    assert is_terminal(Terminal())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.003, "1 s"), (3.2, "3 s"), (89, "89 s"), (90, "2 minutes"), (725, "12 minutes"), (5400, "1.5 hours")],
)
def test_a_duration_is_in_the_unit_that_people_think_in(seconds, text):
    assert duration(seconds) == text
