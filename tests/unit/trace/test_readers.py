"""Every reader, by the door that a user's comes through: hand-worked answers, and the conformance suite."""

import json
import sys
import types
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from stratsim import plugins
from stratsim.errors import SpecError, TraceError
from stratsim.testing import READER_CHECKS, check_reader
from stratsim.trace import Trace, formats, read_trace, reader
from stratsim.trace.fields import Named
from stratsim.trace.flat import flat
from stratsim.trace.registry import Reader
from stratsim.trace.source import load


def lines(*records):
    return "\n".join(map(json.dumps, records))


BURST = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
EPOCH_NS = 1_700_000_000_000_000_001
EXAMPLES = {
    "csv": "arrival_s,model\n0,a\n1.5,b\n",
    "jsonl": '{"arrival_s": 0}\n{"arrival_s": 1.5}\n',
    "json": '[{"arrival_s": 0}, {"arrival_s": 1.5}]',
    "clients": '{"format": "stratsim-clients", "version": 1,\n "clients": [{"id": "a", "limit": 1}]}',
    "azure-llm": "TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.5,5\n2023-11-16 18:17:04,5\n",
    "azure-functions-2019": "HashFunction,minute_1\nf,3\n",
    "azure-functions-2021": "app,func,end_timestamp,duration\na,f,1,0.5\n",
    "mooncake": lines(*({"timestamp": stamp, "input_length": 1} for stamp in (0, 27.25, 535))),
    "qwen-bailian": lines(*({"chat_id": 1, "timestamp": stamp, "input_length": 1, "turn": 1} for stamp in (0, 1.25))),
    "burstgpt": BURST + "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,API log\n",
    "counts": "3\n0\n2\n",
    "request-intervals": "1000\n2000\n500\n",
    "huawei-counts": "day,time,0,1\n0,0,3,\n0,60,0,1\n",
    "proteus": "0,1,300\n14,0.8,250\n12,1,300\n",
    "disb": '{"time": 1, "tasks": [{"id": "a", "load": {"type": "continuous"}, "client": {"model_name": "m"}}]}',
    "perf-analyzer": json.dumps(
        {
            "experiments": [
                {
                    "experiment": {"mode": "concurrency", "value": 4},
                    "requests": [
                        {"timestamp": EPOCH_NS + 250_000, "response_timestamps": [EPOCH_NS + 50_000_000]},
                        {"timestamp": EPOCH_NS, "sequence_id": 7, "response_timestamps": []},
                    ],
                }
            ]
        }
    ),
    "aiperf": lines(
        *(
            {
                "metadata": {
                    "request_start_ns": EPOCH_NS + 250_000 * turn,
                    "benchmark_phase": "profiling" if turn else "warmup",
                    "was_cancelled": turn == 2,
                    "turn_index": turn,
                },
                "metrics": {"request_latency": {"value": 1.5, "unit": "ms"}},
                "error": {"code": 500} if turn == 3 else None,
            }
            for turn in range(4)
        )
    ),
    "triton-trace": json.dumps(
        [
            {"id": 1, "model_name": "outer"},
            {"id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 900}, {"name": "REQUEST_END", "ns": 990}]},
            {"id": 2, "model_name": "inner", "parent_id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 950}]},
            {"id": 3, "model_name": "other", "timestamps": [{"name": "REQUEST_START", "ns": 400}]},
        ]
    ),
    "k6": "metric_name,timestamp,metric_value\n"
    "http_reqs,1715472000123,1\nvus,1715472000123,1\nhttp_reqs,1715472000223,1\n",
}
BY_NAME_ALONE = {"counts", "request-intervals"}
ELSEWHERE = {"parquet", "table"}


@pytest.fixture(params=EXAMPLES)
def example(request, write):
    return request.param, write(EXAMPLES[request.param], "resnet50")


@pytest.mark.parametrize("check", READER_CHECKS, ids=lambda check: check.__name__)
def test_every_shipped_reader_conforms(check, example):
    check(*example)


def test_every_reader_has_an_example():
    assert EXAMPLES.keys() | ELSEWHERE == formats().keys()


def test_every_example_is_recognised_and_may_be_forced(example):
    name, path = example
    assert read_trace(path, format=name).format == name
    if name in BY_NAME_ALONE:
        with pytest.raises(TraceError, match=r"has no header line, but numbers: .*'counts\(interval_s=1\)'"):
            read_trace(path)
    else:
        assert read_trace(path).format == name


def named(write, name):
    return write(EXAMPLES[name], "resnet50")


def test_burstgpt_is_spread_inside_its_seconds_and_counts_failures(write):
    trace = read_trace(named(write, "burstgpt"))
    assert np.floor(trace.arrival_s).tolist() == [5, 45]
    assert trace.notes[0] == "arrival: column Timestamp, seconds"
    assert "1 requests failed (no response tokens): kept" in trace.notes
    way = "column 'Model' is not read as 'model', but kept as 'Model_in_file'; --column model=Model does so"
    assert way in trace.notes
    assert trace.extra["Model_in_file"].decode() == ["ChatGPT", "GPT-4"]
    assert read_trace(named(write, "burstgpt"), columns=["model=Model"]).model.decode() == ["ChatGPT", "GPT-4"]
    assert read_trace(named(write, "burstgpt"), ticks="leave").arrival_s.tolist() == [5, 45]


def test_burstgpt_names_clients_where_every_request_has_a_session(write):
    header = BURST.replace("Timestamp,", "Timestamp,Session ID,Elapsed time,")
    row = "{},{},1.5,ChatGPT,1,1,2,x\n"
    trace = read_trace(write(header + row.format(0, "u1") + row.format(3, "u2")))
    assert trace.client.decode() == ["u1", "u2"]
    assert read_trace(write(header + row.format(0, "u1") + row.format(3, ""))).client is None


def test_qwen_bailian_is_seconds_in_any_container(write):
    assert read_trace(named(write, "qwen-bailian")).arrival_s.tolist() == [0, 1.25]
    table = "Chat_ID,parent_chat_id,TimeStamp,input_length\n1,-1,0.0,5\n2,-1,61.114,5\n"
    assert read_trace(write(table)).arrival_s.tolist() == [0, 61.114]


def test_a_session_with_delays_is_a_closed_loop_client(write):
    turns = [
        {"session_id": "a", "timestamp": 1000, "input_length": 1},
        {"session_id": "a", "delay": 500, "input_length": 1},
        {"session_id": "a", "delay": 700, "input_length": 1},
        {"session_id": "b", "timestamp": 250, "input_length": 2},
    ]
    trace = read_trace(write(lines(*turns)))
    assert trace.arrival_s.tolist() == [0.25]
    (client,) = trace.closed_loop
    assert (client.id, client.start_s, client.think_s, client.limit) == ("a", 1.0, 0.6, 3)
    assert any(note.startswith("3 requests of 1 sessions with a delay") for note in trace.notes)


def test_counts_per_interval_are_kept(write):
    path = named(write, "counts")
    trace = read_trace(path, format="counts(interval_s=60)")
    assert np.floor(trace.arrival_s / 60).tolist() == [0, 0, 0, 2, 2]
    assert trace.format == "counts(interval_s=60)"
    assert read_trace(path, format="counts").arrival_s.max() < 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("counts(interval=60)", "has no option 'interval'; did you mean 'interval_s'"),
        ("counts(interval_s=0)", "interval_s must be > 0"),
        ("counts(interval_s", "cannot read trace format"),
        ("request-intervals(repeat=0)", "repeat must be a whole number"),
    ],
)
def test_options_of_a_format_are_checked(write, name, message):
    with pytest.raises(SpecError, match=message):
        read_trace(named(write, "counts"), format=name)


def test_gaps_in_microseconds_may_be_repeated(write):
    path = named(write, "request-intervals")
    assert read_trace(path, format="request-intervals").arrival_s.tolist() == [0.001, 0.003, 0.0035]
    twice = read_trace(path, format="request-intervals(repeat=2)")
    assert twice.arrival_s.tolist() == [0.001, 0.003, 0.0035, 0.0045, 0.0065, 0.007]


def test_huawei_counts_of_days_and_functions(write):
    trace = read_trace(write("day,time,0,1\n3,0,2,\n3,60,1,1\n4,0,0,1\n"))
    function = np.asarray(trace.extra["function"].decode())
    assert np.floor(trace.arrival_s[function == "0"] / 60).tolist() == [0, 0, 1]
    assert np.floor(trace.arrival_s[function == "1"] / 60).tolist() == [1, 1440]
    assert "counts per 60 s" in trace.notes[0]


def test_a_proteus_folder_is_one_workload(tmp_path):
    folder = tmp_path / "traces"
    folder.mkdir()
    (folder / "resnet50.csv").write_text("0,1,300\n14,0.8,250\n12,1,300\n")
    (folder / "bert.txt").write_text("13,1,100\n")
    trace = read_trace(folder)
    assert trace.format == "proteus"
    assert trace.arrival_s.tolist() == [0, 0.012, 0.013, 0.014]
    assert trace.model.decode() == ["resnet50", "resnet50", "bert", "resnet50"]
    assert trace.slo_s.tolist() == [0.3, 0.3, 0.1, 0.25]
    assert trace.extra["accuracy"].tolist() == [1, 1, 1, 0.8]
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TraceError, match="is a directory, not a trace file"):
        read_trace(folder)


def test_perf_analyzer_subtracts_nanoseconds_as_whole_numbers(write):
    trace = read_trace(named(write, "perf-analyzer"))
    assert trace.arrival_s.tolist() == [0, 0.00025]
    assert trace.extra["latency_ns"].tolist() == [None, 49_750_000]
    assert "1 requests have no response: kept" in trace.notes


def test_of_several_experiments_one_is_named(write):
    one, other = ({"requests": [{"timestamp": 5}] * n, "experiment": {"mode": "rate", "value": n}} for n in (1, 2))
    path = write(json.dumps({"experiments": [one, other]}, indent=1))
    with pytest.raises(TraceError, match=r"1 \(rate 1, 1 requests\), 2 \(rate 2, 2 requests\); say which"):
        read_trace(path)
    assert len(read_trace(path, format="perf-analyzer(experiment=2)")) == 2
    with pytest.raises(TraceError, match="has no experiment 3"):
        read_trace(path, format="perf-analyzer(experiment=3)")


def test_aiperf_leaves_the_warm_up_out_and_keeps_what_failed(write):
    trace = read_trace(named(write, "aiperf"))
    assert trace.arrival_s.tolist() == [0, 0.00025, 0.0005]
    for note in (
        "1 requests of the warm-up phase left out",
        "1 requests failed: kept",
        "1 requests were cancelled: kept",
    ):
        assert note in trace.notes


def test_triton_traces_are_joined_by_id_and_ensembles_count_once(write):
    trace = read_trace(named(write, "triton-trace"))
    assert trace.arrival_s.tolist() == [0, 5e-7]
    assert trace.model.decode() == ["other", "outer"]
    assert "1 requests inside an ensemble left out" in trace.notes


def test_traces_of_two_starts_of_a_triton_server_are_not_read_as_one(write):
    """Ids begin anew: of two requests with one id the later was all that was left."""
    records = [{"id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 1000 * at}]} for at in (1, 5)]
    with pytest.raises(TraceError, match="id 1 begins twice"):
        read_trace(write(json.dumps(records), "resnet50"))


def test_k6_takes_requests_and_knows_its_unit(write):
    trace = read_trace(named(write, "k6"))
    assert trace.arrival_s.tolist() == [0, 0.1]
    assert "took the 2 rows of the metric http_reqs, of 3" in trace.notes
    with pytest.raises(TraceError, match="does not say its unit: --column arrival=timestamp:UNIT"):
        read_trace(write("metric_name,timestamp,metric_value\nhttp_reqs,5,1\n"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Timestamp,User Count,Requests/s", "rates over time"),
        (
            "num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio",
            "lengths of requests .* but no arrival times",
        ),
    ],
)
def test_what_is_no_trace_is_called_by_its_name(write, header, message):
    with pytest.raises(TraceError, match=message):
        read_trace(write(f"{header}\n{','.join('1' for _ in header.split(','))}\n"))


MINE = """
from stratsim.trace.fields import Named
from stratsim.trace.flat import flat

def read(source, speed=1):
    \"\"\"Logs of my server.\"\"\"
    return flat(source, source.table, {"arrival": Named("t", "us"), "model": Named("net")})

def broken(source):
    return source.nothing

def wrong(source):
    return 5
"""


@pytest.mark.usefixtures("_all_was_typed")
def test_a_reader_in_a_file_is_named_by_file_and_function(write):
    mine, log = write(MINE, "mine.py"), write("t,net\n0,a\n2500000,b\n", "log.csv")
    trace = read_trace(log, format=f"{mine}:read")
    assert trace.arrival_s.tolist() == [0, 2.5]
    assert trace.model.decode() == ["a", "b"]
    assert trace.format == f"{mine}:read"
    check_reader(f"{mine}:read", log)
    for name, message in (("broken", "failed: AttributeError"), ("wrong", "returned int, not a Trace")):
        with pytest.raises((TraceError, SpecError), match=message):
            read_trace(log, format=f"{mine}:{name}")
    with pytest.raises(SpecError, match="has no 'raed'; did you mean 'read'"):
        read_trace(log, format=f"{mine}:raed")
    with pytest.raises(SpecError, match="there is no file"):
        read_trace(log, format="nowhere.py:read")


@pytest.fixture
def installed(monkeypatch):
    """Pretend that a package registers readers."""
    module = types.ModuleType("somebody")

    @reader("Somebody's logs", columns=("t_us", "net"), unit="microseconds")
    def read(source):
        return flat(source, source.table, {"arrival": Named("t_us", "us"), "model": Named("net")})

    module.read = read
    monkeypatch.setitem(sys.modules, "somebody", module)
    known = plugins.points("stratsim.readers")
    more = {name: EntryPoint(name, f"somebody:{name}", "stratsim.readers") for name in ("read", "absent")}
    monkeypatch.setattr("stratsim.trace.registry.points", lambda group: known | more)
    formats.cache_clear()
    yield read
    formats.cache_clear()


def test_an_installed_reader_is_recognised_like_our_own(write, installed):
    path = write("net,T_us\na,0\nb,2500000\n")
    with pytest.raises(TraceError):  # its columns are found in any letter case, its reader names them exactly
        read_trace(path)
    trace = read_trace(write("net,t_us\na,0\nb,2500000\n"))
    assert (trace.format, trace.arrival_s.tolist()) == ("read", [0, 2.5])
    assert isinstance(installed, Reader)


def test_a_package_that_cannot_be_imported_stops_only_its_own_format(write, installed):
    assert read_trace(write("arrival_s\n0\n")).format == "csv"
    with pytest.raises(SpecError, match="trace format 'absent' cannot be loaded: AttributeError"):
        read_trace(write("arrival_s\n0\n"), format="absent")


def test_two_formats_that_fit_alike_are_refused_with_both_names(write, installed, monkeypatch):
    twin = reader("The same again", columns=("t_us", "net"))(installed.read)
    known = {**formats(), "twin": twin}
    monkeypatch.setattr("stratsim.trace.read.formats", lambda: known)
    with pytest.raises(TraceError, match="fits the formats read and twin alike: say --trace-format read or"):
        read_trace(write("net,t_us\na,0\n"))


def unsorted(source):
    return Trace(np.asarray([1.0, 0.0]), notes=("seconds",))


def silent(source):
    return Trace(np.asarray([0.0, 1.0]))


@pytest.mark.parametrize(("broken", "message"), [(unsorted, "are not sorted"), (silent, "no note states the unit")])
def test_the_conformance_suite_finds_what_is_wrong(write, broken, message):
    with pytest.raises(AssertionError, match=message):
        check_reader(broken, write("t\n0\n"))


def test_an_own_arrival_beside_a_foreign_format_wins_with_a_note(write):
    path = write('{"timestamp": 5, "input_length": 3, "arrival_s": 7.0}\n')
    trace = read_trace(path)
    assert (trace.format, trace.arrival_s.tolist()) == ("jsonl", [7])
    assert trace.notes[0] == "reads like mooncake, too; read as jsonl"
    assert trace.extra["timestamp"].tolist() == [5]


def test_columns_cannot_be_named_in_a_document(write):
    with pytest.raises(TraceError, match="--column names columns of a table, and disb is none"):
        read_trace(named(write, "disb"), columns=["model=a"])


def test_a_source_says_what_it_holds(write):
    assert load(named(write, "csv")).container == "csv"
    assert load(named(write, "jsonl")).container == "jsonl"
    assert load(named(write, "json")).container == "json"
