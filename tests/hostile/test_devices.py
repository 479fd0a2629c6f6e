"""Whatever stands where a file should: devices, pipes, folders, links, encodings, bombs. Over every file kind."""

import gzip
import os
import socket
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow  # hundreds of processes with limits of their own


KINDS = {
    "trace": ["trace", "inspect", "{file}"],
    "trace of a replay": ["replay", "{file}", "--policy", "fifo"],
    "limited trace": ["replay", "{file}", "--limit", "5", "--policy", "fifo"],
    "sweep": ["sweep", "plan", "{file}", "--no-time"],
    "profile": ["profile", "show", "{file}"],
    "profile of a replay": ["replay", "--profile", "{file}", "--limit", "5"],
    "topology": ["topology", "show", "{file}"],
    "workload": ["replay", "--workload", "{file}", "--limit", "5"],
    "settings": ["replay", "--config", "{file}"],
    "manifest": ["explain", "{run}", "--summary"],
    "summary": ["compare", "{run}"],
    "requests": ["explain", "{run}", "--worst", "1"],
    "batches": ["plot", "{run}", "--kind", "timeline", "--policy", "fifo", "--out", "figure.png"],
    "samples": ["profile", "fit", "{file}", "--out", "p.json"],
    "capacity": ["plot", "{file}", "--kind", "capacity", "--out", "figure.png"],
    "grid": ["fidelity", "run", "{file}", "--out", "grid", "--dry-run"],
}
INSIDE = {
    "manifest": "manifest.json",
    "summary": "summary.json",
    "requests": "requests.parquet",
    "batches": "batches.parquet",
}
"""Kinds that are files within a result folder."""


def link(target):
    return lambda path: path.symlink_to(target)


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def holding(content):
    return lambda path: path.write_bytes(content)


@cache
def bomb():
    """Return a gigabyte in few bytes."""
    return gzip.compress(b"0" * (1 << 30), 1)


def parquet_bomb(path):
    """Write many rows in few bytes."""
    table = pa.table({"arrival_s": pa.array(np.zeros(1 << 20))})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(128):
            writer.write_table(table)


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
THINGS = {
    "zero": link("/dev/zero"),
    "random": link("/dev/urandom"),
    "null": link("/dev/null"),
    "memory": link("/proc/self/mem"),
    "itself": lambda path: path.symlink_to(path),
    "nowhere": link("/no/such/file"),
    "folder": lambda path: path.mkdir(),
    "pipe": fifo,
    "socket": unix_socket,
    "empty": holding(b""),
    "nul": holding(b"\0" * 4096),
    "noise": holding(bytes(range(256)) * 64),
    "utf-16": holding('{"name": "x"}'.encode("utf-16")),
    "bom": holding(b"\xef\xbb\xbf{}"),
    "latin": holding(b'{"n\xe9": 1}'),
    "surrogates": holding(b'{"name": "\\ud800"}'),
    "escapes": holding(b'{"\x1b]0;x\x07": 1}'),
    "escaped": holding(b'{"\\u001b[31m\\u202e": 1}'),
    "list": holding(b"[]"),
    "number": holding(b"1"),
    "digits": holding(b'{"schema_version": ' + b"9" * 400 + b"}"),
    "more digits": holding(b"9" * 100_000),
    "exponent": holding(b'{"schema_version": 1e999}'),
    "deep object": holding(DEEP),
    "deep array": holding(b"[" * 1_000_000),
    "deep table": holding(b"a = " + b"[" * 10_000),
    "deep keys": holding(b".".join([b"a"] * 10_000) + b" = 1"),
    "bomb": lambda path: path.write_bytes(bomb()),
    "cut": holding(gzip.compress(b"a,b\n1,2\n")[:15]),
    "line": holding(b"x" * (1 << 24)),
    "table": holding(b"[a]\n" * 3),
    "parquet": holding(b"PAR1" + b"\xff" * 64 + b"PAR1"),
    "parquet bomb": parquet_bomb,
    "counts": holding(b"HashOwner,HashApp,HashFunction,Trigger,1\na,b,c,http,1000000000\n"),
    "columns": holding(",".join(f"c{n}" for n in range(20_000)).encode() + b"\n" + b",".join([b"1"] * 20_000) + b"\n"),
    "far": holding(b"arrival_s\n0\n1e15\n2e15\n"),
}


CASES = [(thing, kind) for thing in THINGS for kind in KINDS]


LARGE = [(thing, "trace of a replay") for thing in ("bomb", "parquet bomb", "counts", "far", "zero", "pipe")]


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case[0])
def test_a_trace_that_is_too_large_says_what_and_how_to_allow_it(attack, tmp_path, case):
    thing, kind = case
    THINGS[thing](tmp_path / "file")
    found = attack(*(arg.format(file=tmp_path / "file") for arg in KINDS[kind]))
    assert found.status == 2
    said = {
        "bomb": "STRATSIM_MEMORY=",
        "parquet bomb": "STRATSIM_MEMORY=",
        "counts": "STRATSIM_MEMORY=",
        "far": "times beyond 1e+09 s are not exact enough",
        "zero": "is a device or a socket, not a file",
        "pipe": "is a pipe into which nobody wrote anything",
    }
    assert said[thing] in found.err


def test_a_limit_reads_the_begin_of_what_is_too_large(attack, tmp_path):
    parquet_bomb(tmp_path / "file")
    assert attack("replay", tmp_path / "file", "--limit", "5", "--policy", "fifo").status == 0


@pytest.mark.cases(CASES, 40)
def test_nothing_that_stands_for_a_file_is_more_than_a_line(attack, copied, tmp_path, case):
    thing, kind = case
    path = copied / INSIDE[kind] if kind in INSIDE else tmp_path / "file"
    if kind in INSIDE:
        path.unlink()
    THINGS[thing](path)
    attack(*(arg.format(file=path, run=copied) for arg in KINDS[kind]))
