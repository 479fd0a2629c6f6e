"""Our own CSV: what is read, and what is refused with file, row, column and value."""

import numpy as np
import pytest

from stratsim.errors import TraceError
from stratsim.model.request import Priority
from stratsim.trace import read_trace

GOOD = "arrival_s,model,priority,slo_s,bytes_in,bytes_out,client\n0.5,bert,high,0.1,8,4,a\n1.25,vgg,low,,16,4,\n"


def test_every_column_is_read(write):
    trace = read_trace(write(GOOD))
    assert trace.arrival_s.tolist() == [0.5, 1.25]
    assert trace.model.decode() == ["bert", "vgg"]
    assert trace.priority.tolist() == [Priority.HIGH, Priority.LOW]
    assert trace.slo_s.tolist() == [0.1, np.inf]
    assert trace.bytes_in.tolist() == [8, 16]
    assert trace.bytes_out.tolist() == [4, 4]
    assert trace.client.decode() == ["a", None]
    assert (trace.format, trace.normalised, trace.deadline_free, trace.notes) == ("csv", False, False, ())
    assert len(trace.sha256) == 64


def test_everything_but_the_arrivals_may_be_missing(write):
    trace = read_trace(write("arrival_s\n0\n1\n"))
    assert trace.arrival_s.tolist() == [0, 1]
    for name in ("model", "priority", "slo_s", "deadline_s", "bytes_in", "bytes_out", "client"):
        assert getattr(trace, name) is None


def test_a_column_that_is_all_empty_counts_as_missing(write):
    trace = read_trace(write("arrival_s,model,priority,bytes_in\n0,,,\n1,,,\n"))
    assert trace.model is None
    assert trace.priority is None
    assert trace.bytes_in is None


def test_a_deadline_column_that_is_all_empty_says_that_nobody_has_one(write):
    trace = read_trace(write("arrival_s,slo_s\n0,\n1,\n"))
    assert trace.slo_s is None
    assert trace.deadline_free


def test_absolute_deadlines(write):
    trace = read_trace(write("arrival_s,deadline_s\n1,1\n2,\n"))
    assert trace.deadline_s.tolist() == [1, np.inf]


def test_a_normalised_shape(write):
    trace = read_trace(write("arrival_norm\n0\n1.5\n2\n"))
    assert trace.normalised
    assert trace.rate == 1.0


def test_floats_are_read_exactly(write):
    stamps = [0.1, 1 / 3, 2.675, 123456.78901234567, 123456.7890123457]
    trace = read_trace(write("arrival_s\n" + "".join(f"{stamp!r}\n" for stamp in stamps)))
    assert trace.arrival_s.tolist() == stamps


def test_names_that_look_like_numbers_or_gaps_stay_names(write):
    trace = read_trace(write("arrival_s,model\n0,50\n1,NA\n2,nan\n3,50\n"))
    assert trace.model.decode() == ["50", "NA", "nan", "50"]


def test_names_that_all_look_like_numbers_keep_their_digits(write):
    trace = read_trace(write("arrival_s,model,client\n0,007,1e3\n1,07,\n2,007,1.50\n"))
    assert trace.model.decode() == ["007", "07", "007"]
    assert trace.client.decode() == ["1e3", None, "1.50"]


def test_windows_line_ends_a_byte_order_mark_and_blank_lines(write):
    trace = read_trace(write(b"\xef\xbb\xbfarrival_s,model\r\n0,a\r\n\r\n1,b\r\n\r\n"))
    assert trace.arrival_s.tolist() == [0, 1]
    assert [trace.row_of(0), trace.row_of(1)] == [2, 4]


def test_gzip_is_recognised_whatever_the_name(write):
    assert len(read_trace(write(GOOD, "trace.txt", packed=True))) == 2


def test_other_columns_are_kept(write):
    trace = read_trace(write("arrival_s,tokens,share,kind,flag\n0,5,0.5,x,True\n1,6,,y,False\n"))
    assert trace.extra["tokens"].tolist() == [5, 6]
    assert trace.extra["tokens"].dtype == np.int64
    assert trace.extra["share"].tolist()[0] == 0.5
    assert np.isnan(trace.extra["share"][1])
    assert trace.extra["kind"].decode() == ["x", "y"]
    assert trace.extra["flag"].decode() == ["True", "False"]


def test_rows_out_of_order_are_sorted_stably_with_a_note(write):
    trace = read_trace(write("arrival_s,model\n3,a\n1,b\n3,c\n1,d\n"))
    assert trace.arrival_s.tolist() == [1, 1, 3, 3]
    assert trace.model.decode() == ["b", "d", "a", "c"]
    assert trace.notes == ("sorted by arrival: 2 rows were out of order, the first is row 3",)
    assert [trace.row_of(index) for index in range(4)] == [3, 5, 2, 4]


def test_strict_refuses_rows_out_of_order(write):
    with pytest.raises(TraceError, match=r"row 3, column 'arrival_s': arrives before the row above it \(got 1.0\)"):
        read_trace(write("arrival_s\n3\n1\n"), strict=True)


def test_the_first_requests(write):
    trace = read_trace(write("arrival_s,model\n0,a\n1,b\n2,a\n"), limit=1)
    assert trace.arrival_s.tolist() == [0]
    assert trace.model.names == ("a",)


BAD = [
    ("arrival_s,model\nnan,a\n", 2, "arrival_s", "is not a number (got 'nan')"),
    ("arrival_s,model\n0,a\n,a\n", 3, "arrival_s", "is empty"),
    ("arrival_s\n0\ninf\n", 3, "arrival_s", "must be finite (got inf)"),
    ("arrival_s\n0\n-1\n", 3, "arrival_s", "must not be negative (got -1.0)"),
    ("arrival_s\n0\nsoon\n", 3, "arrival_s", "is not a number (got 'soon')"),
    ("arrival_s\n0\n1_0\n", 3, "arrival_s", "is not a number (got '1_0')"),
    ("arrival_s,model\n\n0,a\n\nx,b\n", 5, "arrival_s", "is not a number (got 'x')"),
    ("arrival_s,model\n\n0,a\n\n-1,b\n", 5, "arrival_s", "must not be negative (got -1.0)"),
    ("arrival_s,priority\n0,high\n1,urgent\n", 3, "priority", "unknown priority, must be high or low;"),
    ("arrival_s,priority\n0,high\n1,\n", 3, "priority", "is empty; must be high or low"),
    ("arrival_s,model\n0,a\n1,\n", 3, "model", "is empty"),
    ("arrival_s,deadline_s\n0,5\n9,5\n", 3, "deadline_s", "deadline lies before the arrival (got 5.0)"),
    ("arrival_s,slo_s\n0,5\n9,-1\n", 3, "slo_s", "must not be negative (got -1.0)"),
    ("arrival_s,slo_s\n0,5\n9,inf\n", 3, "slo_s", "must be finite; leave the cell empty for no deadline (got inf)"),
    ("arrival_s,slo_s\n0,5\n9,NaN\n", 3, "slo_s", "is not a number (got 'NaN')"),
    ("arrival_s,bytes_in\n0,5\n1,2.5\n", 3, "bytes_in", "must be a whole number up to"),
    ("arrival_s,bytes_out\n0,5\n1,-2\n", 3, "bytes_out", "must not be negative (got -2.0)"),
    ("arrival_s,bytes_out\n0,5\n1,\n", 3, "bytes_out", "is empty"),
    ("arrival_s,bytes_out\n0,inf\n", 2, "bytes_out", "must be finite (got inf)"),
    ("arrival_s,slo_s,deadline_s\n0,1,1\n", 1, "deadline_s", "columns slo_s and deadline_s exclude each other"),
    ("arrival_s,arrival_norm\n0,1\n", 1, "arrival_norm", "exclude each other"),
    ("arrival_norm,deadline_s\n0,1\n", 1, "deadline_s", "exclude each other"),
    ("arrival_s,model,model\n0,a,b\n", 1, "model", "column occurs twice"),
]


@pytest.mark.parametrize(("text", "row", "column", "message"), BAD)
def test_bad_input_is_placed(write, text, row, column, message):
    path = write(text)
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    error = caught.value
    assert (error.row, error.column, error.file) == (row, column, str(path))
    assert message in str(error)
    assert "\n" not in str(error)
    assert f"row {row}" in str(error)


@pytest.mark.parametrize("text", ["arrival_s,model\n0,a,1\n1,b\n", "arrival_s,model\n0,a\n1,b,2\n"])
def test_a_line_with_too_many_fields(write, text):
    with pytest.raises(TraceError, match=r"row [23]: has 3 fields, the header has 2 \(got '[12]'\)"):
        read_trace(write(text))


def test_a_missing_arrival_column_names_the_nearest(write):
    with pytest.raises(TraceError, match=r"column 'arrival_s': column is missing .* column 'arrivals_s' looks like it"):
        read_trace(write("arrivals_s,model\n0,a\n"), format="csv")


@pytest.mark.parametrize("text", ["arrival_s,model\n", "arrival_s", "arrival_s\n\n\n"])
def test_a_header_alone_is_refused(write, text):
    with pytest.raises(TraceError, match="no requests"):
        read_trace(write(text))


def test_an_open_quote_is_refused(write):
    with pytest.raises(TraceError, match="row 2: is not valid CSV: a quote is opened here and never closed"):
        read_trace(write('arrival_s,model\n0,"a\n1,b\n2,c\n'))


@pytest.mark.parametrize(("value", "row"), [("", 3), (" ", 3)])
def test_an_empty_cell_shows_no_other_cells_value(write, value, row):
    with pytest.raises(TraceError) as caught:
        read_trace(write(f"arrival_s,model\n0,bert\n1,{value}\n"))
    assert str(caught.value).endswith(f"row {row}, column 'model': is empty")
    assert caught.value.value is None


def test_spaces_around_names_and_cells_do_not_count(write):
    trace = read_trace(write("arrival_s, model , priority,kind\n0, bert, high , x\n1,bert ,low,x\n 2 , 'a b',low,\n"))
    assert trace.arrival_s.tolist() == [0, 1, 2]
    assert trace.model.names == ("bert", "'a b'")
    assert trace.model.decode() == ["bert", "bert", "'a b'"]
    assert trace.priority.tolist() == [0, 1, 1]
    assert trace.extra["kind"].decode() == ["x", "x", None]


def test_a_quoted_cell_after_a_space_may_hold_a_comma(write):
    assert read_trace(write('arrival_s, model\n0, "a, b"\n')).model.decode() == ["a, b"]


def test_priorities_in_any_case(write):
    trace = read_trace(write("arrival_s,priority\n0,High\n1,LOW\n2,high\n"))
    assert trace.priority.tolist() == [0, 1, 0]


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
@pytest.mark.parametrize("forced", [None, "csv", "azure-llm"])
def test_another_separator_is_named(write, mark, word, forced):
    text = "arrival_s,model\n0,bert\n".replace(",", mark)
    with pytest.raises(TraceError, match=rf"row 1: fields are separated by {word}, must be by commas"):
        read_trace(write(text), format=forced)


RESULTS = (
    "request_id,policy,arrival_s,model,priority,deadline_s,bytes_in,bytes_out,client,status,finish_s\n"
    "0,fifo,0.5,bert,high,inf,8,4,,met,0.7\n"
    "1,fifo,0.6,bert,low,nan,8,4,,dropped,\n"
    "0,edf,0.5,bert,high,,8,4,,late,0.9\n"
    "1,edf,0.6,bert,low,9,8,4,,met,0.8\n"
)


def test_results_are_a_trace_of_the_first_policy(write):
    trace = read_trace(write(RESULTS))
    assert trace.arrival_s.tolist() == [0.5, 0.6]
    assert trace.notes == ("holds 2 policies; took the requests of the first, 'fifo'",)
    assert "policy" not in trace.extra
    assert trace.extra["status"].decode() == ["met", "dropped"]
    assert trace.extra["finish_s"].tolist()[0] == 0.7
    assert trace.deadline_free  # infinity, NaN and an empty cell all mean: none


def test_results_keep_the_deadlines_that_there_are(write):
    trace = read_trace(write(RESULTS.replace("nan", "2.5")))
    assert trace.deadline_s.tolist() == [np.inf, 2.5]
