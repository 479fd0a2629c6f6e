"""Azure, Mooncake and DISB: known answers on small files in their formats."""

import json
from collections import Counter

import numpy as np
import pytest

from stratsim.errors import TraceError
from stratsim.model.request import Priority
from stratsim.trace import read_trace

LLM = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"


def test_azure_llm_keeps_the_100_ns_digits(write):
    text = LLM + "2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:03.9799601,3180,8\r\n"
    text += "2023-11-17 00:00:00.0000000,3,4\r\n"
    trace = read_trace(write(text))
    assert trace.arrival_s.tolist() == [0.0, 1e-7, 20576.02004]
    assert trace.extra["ContextTokens"].tolist() == [4808, 3180, 3]
    assert trace.extra["GeneratedTokens"].tolist() == [10, 8, 4]
    assert trace.model is None


def test_azure_llm_2024_has_a_time_zone(write):
    trace = read_trace(write(LLM + "2024-05-10 00:00:00.009930+00:00,1,1\n2024-05-10 00:00:01.5+00:00,1,1\n"))
    assert trace.arrival_s.tolist() == [0.0, 1.49007]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("yesterday,1,1", "row 3, column 'TIMESTAMP': is not a time stamp, a date and time;"),
        (",1,1", "row 3, column 'TIMESTAMP': is empty"),
    ],
)
def test_azure_llm_bad_stamps(write, line, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write(LLM + "2023-11-16 18:17:03.9,1,1\n" + line + "\n"))
    assert message in str(caught.value)


def test_azure_llm_out_of_order(write):
    path = write(LLM + "2023-11-16 00:00:05,1,1\n2023-11-16 00:00:03,2,2\n")
    trace = read_trace(path)
    assert trace.arrival_s.tolist() == [0, 2]
    assert trace.extra["ContextTokens"].tolist() == [2, 1]
    with pytest.raises(TraceError, match="row 3"):
        read_trace(path, strict=True)


FUNCTIONS = "HashFunction,HashApp,HashOwner,minute_1,minute_2,minute_3\nf,a,o,3,0,2\ng,a,o,0,4,0\n"


def by_function(trace):
    functions = trace.extra["function"]
    return {name: trace.arrival_s[functions.codes == code] for code, name in enumerate(functions.names)}


def test_functions_2019_preserves_the_counts_of_every_minute(write):
    trace = read_trace(write(FUNCTIONS))
    found = {name: Counter((stamps // 60).tolist()) for name, stamps in by_function(trace).items()}
    assert found == {"f": {0: 3, 2: 2}, "g": {1: 4}}
    assert (np.diff(trace.arrival_s) >= 0).all()
    assert trace.row_of(0) == 2
    assert {trace.row_of(index) for index in range(3, 7)} == {3}


def test_functions_2019_depends_on_the_seed_only(write):
    path = write(FUNCTIONS)
    assert read_trace(path).arrival_s.tolist() == read_trace(path).arrival_s.tolist()
    assert read_trace(path).arrival_s.tolist() != read_trace(path, seed=1).arrival_s.tolist()


def test_another_function_moves_nobody(write):
    before = by_function(read_trace(write(FUNCTIONS)))
    header, rest = FUNCTIONS.split("\n", 1)
    after = by_function(read_trace(write(f"{header}\nnew,a,o,9,9,9\n{rest}")))
    assert after.keys() == {"f", "g", "new"}
    for name, stamps in before.items():
        assert stamps.tolist() == after[name].tolist()


def test_functions_2019_placement_is_uniform_within_the_minute(write):
    trace = read_trace(write("HashFunction,minute_1\nf,20000\n"))
    quarter = np.bincount((trace.arrival_s // 15).astype(int), minlength=4)
    # Binomial(20000, 1/4): standard deviation 61; five of them.
    assert (abs(quarter - 5000) < 306).all()


def test_functions_2019_in_azures_own_header(write):
    trace = read_trace(write("HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,http,1,1\no,a,g,timer,0,1\n"))
    assert sorted(trace.extra["function"].decode()) == ["f", "f", "g"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("g,a,o,1,-1,0", "row 3, column 'minute_2': must be a count (got -1.0)"),
        ("g,a,o,1,1.5,0", "row 3, column 'minute_2': must be a count (got 1.5)"),
        ("g,a,o,1,,0", "row 3, column 'minute_2': is empty"),
        ("g,a,o,1,many,0", "row 3, column 'minute_2': is not a number (got 'many')"),
        ("f,a,o,1,1,1", "row 3, column 'HashFunction': function occurs twice (got 'f')"),
    ],
)
def test_functions_2019_bad_rows(write, row, message):
    header = FUNCTIONS.split("\n", 1)[0]
    with pytest.raises(TraceError) as caught:
        read_trace(write(f"{header}\nf,a,o,3,0,2\n{row}\n"))
    assert message in str(caught.value)


def test_functions_2019_without_a_request(write):
    with pytest.raises(TraceError, match="has no requests"):
        read_trace(write("HashFunction,minute_1\nf,0\n"))


def test_functions_2021_start_at_end_minus_duration(write):
    text = "app,func,end_timestamp,duration\na,f,10,9.5\na,g,3,0.5\nb,f,4,0\n"
    trace = read_trace(write(text))
    assert trace.arrival_s.tolist() == [0.5, 2.5, 4]
    assert trace.extra["function"].decode() == ["f", "g", "f"]
    assert trace.extra["app"].decode() == ["a", "a", "b"]
    assert trace.extra["duration_s"].tolist() == [9.5, 0.5, 0]
    read_trace(write(text), strict=True)  # ordered by end, so strict has nothing to say


def test_functions_2021_that_began_before_the_recording(write):
    trace = read_trace(write("app,func,end_timestamp,duration\na,f,1,3\na,g,3,0.5\n"))
    assert trace.arrival_s.tolist() == [0, 4.5]
    assert "which was at -2 s" in trace.notes[1]


@pytest.mark.parametrize("cells", ["1,-1", "nan,1", "1,inf", ",1"])
def test_functions_2021_bad_rows(write, cells):
    with pytest.raises(TraceError, match=r"row 2, column '(end_timestamp|duration)'"):
        read_trace(write(f"app,func,end_timestamp,duration\na,f,{cells}\n"))


def mooncake(*stamps):
    lines = (
        {"timestamp": stamp, "input_length": n, "output_length": 1, "hash_ids": [n]} for n, stamp in enumerate(stamps)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_mooncake_spreads_requests_inside_their_tick(write):
    trace = read_trace(write(mooncake(0, 0, 0, 3001, 2999, 6000)))
    assert (trace.arrival_s // 3).tolist() == [0, 0, 0, 1, 1, 2]
    assert len(set(trace.arrival_s.tolist())) == 6
    assert sorted(trace.extra["input_length"].tolist()) == [0, 1, 2, 3, 4, 5]
    assert "hash_ids" not in trace.extra


def test_mooncake_leaves_finer_stamps_alone(write):
    trace = read_trace(write(mooncake(0, 1500, 3000)))
    assert trace.arrival_s.tolist() == [0, 1.5, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"timestamp": -1, "input_length": 1, "output_length": 1}', "row 2, column 'timestamp': must not be negative"),
        (
            '{"timestamp": "x", "input_length": 1, "output_length": 1}',
            "row 2, column 'timestamp': is not a number; the unit iso reads dates (got 'x')",
        ),
        ("{", "row 2: is not a JSON object"),
    ],
)
def test_mooncake_bad_lines(write, line, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write(mooncake(0) + line))
    assert message in str(caught.value)


def task(name, **load):
    return {"id": name, "load": load, "client": {"model_name": f"model-of-{name}", "batch_size": 1}}


def disb(*tasks, time=10):
    return json.dumps({"time": time, "tasks": tasks})


def test_disb_streams_and_closed_loops(write):
    text = disb(
        task("a_rt", type="periodic", frequency=4, priority=0),
        task("b_be", type="trace", trace=[500, 9999, 0, 10000]),
        task("c_be", type="continuous"),
    )
    trace = read_trace(write(text))
    clients = dict(zip(trace.client.names, (trace.arrival_s[trace.client.codes == n] for n in range(2)), strict=True))
    assert clients["a_rt"].tolist() == [beat / 4 for beat in range(40)]
    assert clients["b_be"].tolist() == [0, 0.5, 9.999]
    assert trace.deadline_free
    assert "1 listed requests lie at or after the end" in trace.notes[0]
    assert [(spec.id, spec.stop_s) for spec in trace.one_at_a_time] == [("a_rt", 10), ("b_be", 10)]
    high = trace.priority == Priority.HIGH
    assert set(np.asarray(trace.model.decode())[high]) == {"model-of-a_rt"}
    (spec,) = trace.closed_loop
    assert (spec.id, spec.model, spec.priority, spec.stop_s) == ("c_be", "model-of-c_be", Priority.LOW, 10)


def test_disb_poisson_rate(write):
    trace = read_trace(write(disb(task("a_rt", type="poisson", frequency=50), time=1000)))
    # Poisson(50 000): standard deviation 224; four of them.
    assert abs(len(trace) - 50_000) < 900
    assert trace.arrival_s.max() < 1000


def test_disb_clients_draw_from_streams_of_their_own(write):
    one = read_trace(write(disb(task("a_rt", type="poisson", frequency=5))))
    two = read_trace(write(disb(task("z_rt", type="periodic", frequency=3), task("a_rt", type="poisson", frequency=5))))
    again = two.arrival_s[two.client.codes == two.client.names.index("a_rt")]
    assert one.arrival_s.tolist() == again.tolist()


def test_disb_closed_loops_only(write):
    trace = read_trace(write(disb(task("a_rt", type="continuous"))))
    assert len(trace) == 0
    assert trace.model is None
    assert trace.closed_loop[0].priority == Priority.HIGH


def test_disb_an_id_without_a_suffix_leaves_the_class_to_the_rule(write):
    trace = read_trace(write(disb(task("a", type="periodic", frequency=1), task("b", type="continuous"))))
    assert trace.priority is None
    assert trace.closed_loop[0].priority is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (disb(task("a", type="burst")), "type must be one of periodic, poisson, trace, continuous, got 'burst'"),
        (
            disb(task("a", type="periodic")),
            "frequency must be > 0 requests per second, got None - at `$.tasks[0].load`",
        ),
        (disb(task("a", type="poisson", frequency=-2)), "got -2"),
        (disb(task("a", type="trace")), "trace is missing"),
        (disb(task("a", type="trace", trace=[-1])), "trace must hold finite milliseconds >= 0"),
        (disb(task("a", type="continuous"), time=0), "time must be > 0 seconds"),
        (disb(task("a", type="continuous"), task("a", type="continuous")), "id 'a' occurs twice"),
        (disb(), "tasks is empty"),
        ('{"tasks": []}', "missing required field `time`"),
        (
            disb({**task("a", type="continuous"), "client": {"model_name": "m", "batch_size": 8}}),
            "batch_size must be 1",
        ),
    ],
)
def test_disb_bad_files(write, content, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write(content))
    assert message in str(caught.value)
