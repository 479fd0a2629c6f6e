"""Tables and notes for people: on a terminal of any width, and in a pipe."""

import io
import re
import sys

import pytest

from stratsim.cli.text import duration, echo, is_terminal, ms, number, rounded_ms, table

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
    assert len(lines) == 3
    assert lines[0].split() == " ".join(COLUMNS).split()
    assert lines[1].split() == ROWS[0]
    assert lines[2].split() == ROWS[1][1:]


def test_a_narrow_terminal_gets_several_with_the_text_columns_in_each(drawn):
    lines = drawn(80)
    heads = [line for line in lines if line.lstrip().startswith("policy")]
    assert len(heads) == 2
    assert sum(line.lstrip().startswith("my_policy.py:Mine") for line in lines) == 2
    assert " ".join(heads).count("figure") == 9


def test_text_alone_is_folded_not_lost(drawn):
    rows = [["edf", "earliest deadline first, whatever the priority; not preemptive"]]
    text = " ".join(" ".join(drawn(30, ("name", "what it does"), rows)).split())
    assert "earliest deadline first," in text
    assert "not preemptive" in text


def test_square_brackets_are_text(drawn):
    lines = drawn(80, ("policy", "n"), [["mine(names=[a, b])", "1"]], 1)
    assert lines[-1].split("  ")[0].strip() == "mine(names=[a, b])"


def test_a_pipe_gets_tables_of_100_characters(capsys):
    table(COLUMNS, ROWS, 2)
    header, first, second, empty, *more = capsys.readouterr().out.splitlines()
    assert header.startswith("policy             class  figure 0")
    assert len(header) == len(first) == len(second) == 94
    assert first.split() == ROWS[0][:9]
    assert second.split() == ROWS[1][1:9]
    assert empty == ""
    assert more[0].split() == ["policy", "class", "figure", "7", "figure", "8"]


def test_a_long_name_stands_on_a_line_of_its_own_where_the_table_would_not_fit(capsys):
    long = "policies/my_own.py:ReservedSlot(slots=1, drop=never)"
    columns = ("policy", "class", *(f"figure {n}" for n in range(8)))
    table(columns, [["edf", "high", *"12345678"], [long, "high", *"12345678"], ["", "low", *"87654321"]], 2)
    assert capsys.readouterr().out.splitlines() == [
        "policy  class  figure 0  figure 1  figure 2  figure 3  figure 4  figure 5  figure 6  figure 7",
        "edf     high          1         2         3         4         5         6         7         8",
        long,
        "        high          1         2         3         4         5         6         7         8",
        "        low           8         7         6         5         4         3         2         1",
    ]


def test_a_long_name_that_fits_stays_in_its_row(capsys):
    table(("policy", "n"), [["policies/my_own.py:ReservedSlot(slots=1)", "3"]])
    assert capsys.readouterr().out.splitlines()[1] == "policies/my_own.py:ReservedSlot(slots=1)  3"


def test_long_texts_share_the_room_and_short_ones_keep_theirs(capsys):
    words = " ".join(f"word{n}" for n in range(20))  # 129 characters
    table(("name", "does", "source", "n"), [["a", words, "five six", "7"]], 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"name  {'does':<81}  source    n"
    assert lines[1] == f"a     {' '.join(f'word{n}' for n in range(13)):<81}  five six  7"
    assert lines[2] == "      " + " ".join(f"word{n}" for n in range(13, 20))


def test_no_word_is_broken_where_the_words_fit(capsys):
    table(("a", "b", "c"), [["x", "one two three four " * 5, "Organisation/a-repository-with-a-long-name"]], 3)
    out = capsys.readouterr().out
    assert "Organisation/a-repository-with-a-long-name" in out
    assert max(map(len, out.splitlines())) <= 100


def test_wide_characters_take_two_places(capsys):
    table(("name", "n"), [["模型", "1"], ["abcd", "2"]])
    assert capsys.readouterr().out.splitlines() == ["name  n", "模型  1", "abcd  2"]


NOTE = "note: filled by the default rule: model (all 11 of the profile, equal shares); priority (30 % high)"


@pytest.fixture
def said(monkeypatch):
    """Print a text on stderr; return its lines. Where stderr is a terminal, it is 40 characters wide."""

    def run(text, stream):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "40")
        echo(text, err=True)
        return stream.getvalue().splitlines()

    return run


def test_the_lines_after_an_indented_one_are_indented_too(said):
    assert said("  a mistake in a file that has a long description", Terminal()) == [
        "  a mistake in a file that has a long",
        "  description",
    ]


def test_a_note_is_broken_between_words_on_a_terminal(said):
    lines = said(NOTE, Terminal())
    assert len(lines) == 3
    assert max(map(len, lines)) <= 40
    assert " ".join(lines) == NOTE


def test_a_path_in_a_note_stays_whole(said):
    path = "/a/long/path/to/a/folder/of/results/that/does/not/fit"
    assert path in said(f"note: written to {path}", Terminal())


def test_a_note_in_a_pipe_stays_on_its_line(said):
    assert said(NOTE, io.StringIO()) == [NOTE]


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
