"""What docs/reference/traces.md shows is what stratsim takes."""

import json
import re
from pathlib import Path

import pytest

from stratsim.testing import check_reader
from stratsim.trace import formats, read_trace
from stratsim.trace.headers import NUMBERS, TEXTS
from stratsim.trace.spec import load_rule

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "traces.md").read_text(encoding="utf-8")
BLOCKS = [
    "\n".join(line[4:] for line in block.splitlines())
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.MULTILINE)
]
RULES = [block for block in BLOCKS if re.search(r"^\[\w+\]$", block, re.MULTILINE)]


def test_there_are_examples():
    assert len(RULES) == 6


@pytest.mark.parametrize("block", RULES)
def test_every_rule_loads(write, block):
    load_rule(write(block, "rule.toml"))


def test_the_client_files_load(write):
    closed, one_at_a_time = (read_trace(write(block, "c.json")) for block in BLOCKS if "stratsim-clients" in block)
    assert len(closed.closed_loop) == len(closed) == 2
    assert [spec.id for spec in one_at_a_time.one_at_a_time] == ["camera"]
    assert len(one_at_a_time) == 3


def test_the_table_of_formats_says_what_the_readers_say():
    for name, reader in formats().items():
        by = reader.recognised or ", ".join(f"`{column}`" for column in (*reader.columns, *reader.keys))
        row = f"| `{name}` | {by} | {reader.unit} | {reader.ticks or '-'} | {reader.left_out or '-'} |"
        assert row in TEXT, row


BLIS = "request_id,client_id,arrival_time_us,deadline_us,status\n0,c0,0,0,ok\n1,c1,104500,0,ok\n"
VEGETA = {"attack": "a", "seq": 0, "code": 200, "latency": 5, "bytes_in": 4000, "bytes_out": 602112}
LINES = {
    "Vidur": ("arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,1,2\n4.75,1,2\n", [0.5, 4.75]),
    "Splitwise": ("request_id,request_type,arrival_timestamp,prompt_size,token_size\n0,2,0.5,1,2\n", [0.5]),
    "vLLM `bench": ('{"input_lens": [1, 2], "start_times": [100.5, 101.0], "duration": 9.5}', [100.5, 101]),
    "vLLM, one": ('{"arrival_time": 1715472000.5, "queued_ts": 3}\n{"arrival_time": 1715472001}', [0, 0.5]),
    "LLMServingSim input": ('{"arrival_time_ns": 0, "input_toks": 5}\n{"arrival_time_ns": 2500}', [0, 2.5e-6]),
    "LLMServingSim output": ("instance id,request id,model,arrival,end_time\n0,0,m,2500,9000\n", [2.5e-6]),
    "BLIS": (BLIS, [0, 0.1045]),
    "JMeter": ("timeStamp,elapsed,label\n1715472000123,48,bert\n1715472000223,51,bert\n", [0, 0.1]),
    "vegeta, JSON": (json.dumps(VEGETA | {"timestamp": "2024-05-12T02:00:00.1+02:00"}), [0]),
    "vegeta, CSV": ("1715472000100000001,200,481,602112,4000,\n1715472000200000001,200,4,602112,4000,\n", [0, 0.1]),
}  # fmt: skip


@pytest.mark.parametrize("tool", LINES)
def test_every_line_for_a_table_of_others_reads_it(write, tool):
    (line,) = re.findall(rf"^\| {re.escape(tool)}[^|]*\| `(.*)` \|$", TEXT, re.MULTILINE)
    columns = line.removeprefix("--column ").split(" --column ")
    text, arrivals = LINES[tool]
    trace = read_trace(write(text), columns=columns)
    assert trace.arrival_s.tolist() == arrivals
    if tool.startswith("vegeta"):
        assert (trace.bytes_in[0], trace.bytes_out[0]) == (602112, 4000)


@pytest.mark.usefixtures("_all_was_typed")
def test_the_page_about_readers_shows_a_file_that_conforms(write):
    page, file = (HOW_TO / name for name in ("add-a-trace-reader.md", "server_log.py"))
    shown = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert shown in file.read_text(encoding="utf-8")
    log = write("t_us,net,state\n0,bert,warm-up\n40,bert,ok\n2500,resnet50,failed\n")
    check_reader(f"{file}:read", log)
    trace = read_trace(log, format=f"{file}:read")
    assert trace.arrival_s.tolist() == [4e-5, 0.0025]
    assert "1 requests of the warm-up phase left out" in trace.notes


def test_every_format_and_column_is_described():
    for name in [*formats(), *NUMBERS, *(name for name in TEXTS if name != "policy")]:
        assert f"`{name}`" in TEXT


def test_the_python_example_runs(monkeypatch, write):
    (block,) = (block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "import read_trace" in block)
    path = write("TIMESTAMP,ContextTokens\n2023-11-16 00:00:01,1\n2023-11-16 00:00:02,2\n", "requests.csv")
    monkeypatch.chdir(path.parent)
    names: dict[str, object] = {}
    exec(block, names)
    assert len(names["workload"]) == 2
