"""Formats of traces are recognised in any container, and by nothing that another format has."""

import json

import pandas as pd
import pytest

from stratsim.model.request import Priority
from stratsim.trace import read_trace

AZURE = {"timestamp": ["2024-05-12 00:00:00.1", "2024-05-12 00:00:00.35"], "generatedtokens": [1, 2]}


@pytest.mark.parametrize("container", ["csv", "jsonl", "json", "parquet", "table"])
@pytest.mark.parametrize(
    ("columns", "arrivals"),
    [
        (AZURE, [0, 0.25]),
        ({"INPUT_LENGTH": [1, 2], "Timestamp": [27, 277]}, [0.027, 0.277]),
        ({"turn": [1, 2], "chat_id": [1, 2], "timestamp": [0.5, 61.5], "input_length": [5, 6]}, [0.5, 61.5]),
        ({"END_TIMESTAMP": [1.5, 2.5], "duration": [0.5, 0.25], "app": ["a", "a"], "func": ["f", "g"]}, [1, 2.25]),
    ],
)
def test_a_format_is_known_in_any_container_case_and_order(tmp_path, container, columns, arrivals):
    frame, path = pd.DataFrame(columns)[list(columns)[::-1]], tmp_path / "t"
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container in ("jsonl", "json"):
        frame.to_json(path, orient="records", lines=container == "jsonl")
    elif container == "parquet":
        frame.to_parquet(path)
    trace = read_trace(frame if container == "table" else path)
    assert trace.arrival_s.tolist() == pytest.approx(arrivals, abs=1e-12)
    assert trace.format not in ("csv", "jsonl", "json", "parquet", "table")


@pytest.mark.parametrize("extra", ["tasks", "format", "version", "experiments", "requests", "metadata"])
def test_a_key_of_another_format_makes_no_file_that_format(write, extra):
    trace = read_trace(write(f'{{"{extra}": [{{"a": 1}}], "arrival_s": 0.0}}\n{{"{extra}": [], "arrival_s": 0.5}}\n'))
    assert (trace.format, trace.arrival_s.tolist()) == ("jsonl", [0, 0.5])


def test_own_columns_count_in_every_format(write):
    own = {"model": "bert", "priority": "high", "slo_s": 0.05, "client": "c"}
    text = "\n".join(json.dumps({"chat_id": 1, "timestamp": t, "input_length": 5} | own) for t in (0.0, 1.25))
    counts = "HashFunction,model,priority,1,2\nf,bert,low,1,2\ng,vgg19,high,0,1\n"
    trace = read_trace(write(text))
    assert (trace.format, trace.slo_s.tolist(), trace.client.decode()) == ("qwen-bailian", [0.05, 0.05], ["c", "c"])
    functions = read_trace(write(counts))
    found = sorted(zip(functions.model.decode(), functions.priority.tolist(), strict=True))
    assert found == [("bert", Priority.LOW)] * 3 + [("vgg19", Priority.HIGH)]
