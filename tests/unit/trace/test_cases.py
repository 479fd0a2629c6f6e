"""Small files at the edges of what users bring, each with its right answer (tests/cases/traces/README.md)."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from stratsim.cli import main

CASES = Path(__file__).parents[2] / "cases" / "traces"
EXPECTED = json.loads((CASES / "expected.json").read_text(encoding="utf-8"))


def matches(pattern, text):
    return re.search(pattern, text, re.IGNORECASE) is not None


def run(name, case, folder, capsys):
    """Run one case; return its exit code, its lines on stderr without the file's own name, and OUT.csv or the JSON."""
    path = CASES / case.get("file", name)
    out = folder / "out.csv"
    words = case["command"].replace("{dir}", str(CASES)).split()
    inspected = case.get("verb") == "inspect"
    arguments = ["inspect", str(path), "--json", *words] if inspected else ["convert", str(path), str(out), *words]
    code = main(["trace", *arguments])
    shown = capsys.readouterr()
    lines = shown.err.replace(str(path), "").replace(path.name, "").splitlines()
    if inspected and code == 0:
        return 0, lines, json.loads(shown.out)
    return code, lines, pd.read_csv(out, dtype=str, keep_default_na=False) if out.exists() else None


def problems(wanted, code, lines, found):
    """Return what is not as one outcome has it."""
    notes = [line for line in lines if line.startswith("note:")]
    rest = [line for line in lines if not line.startswith("note:")]
    if not wanted["ok"]:
        wrong = [] if (code, found is None, len(rest)) == (2, True, 1) else [f"exit {code}, {rest}"]
        line = " ".join(rest)
        wrong += [f"{line!r} does not say {each}" for each in wanted.get("says", ()) if not matches(each, line)]
        unsaid = wanted.get("says_not", ())
        return wrong + [f"{line!r} says {each}" for each in [unsaid] * isinstance(unsaid, str) if matches(each, line)]
    if code or rest or found is None:
        return [f"exit {code}: {rest}"]
    if "note_says" in wanted and not any(matches(wanted["note_says"], note) for note in notes):
        return [f"no note says {wanted['note_says']}: {notes}"]
    return figures(wanted, found) if isinstance(found, dict) else rows(wanted, found)


def figures(wanted, found):
    return [f"{key}: {found[key]}" for key in ("requests", "span_s") if key in wanted and found[key] != wanted[key]]


def rows(wanted, table):
    arrival = table["arrival_s"].astype(float).to_numpy()
    near = lambda value, right: value == pytest.approx(right, rel=1e-9, abs=wanted.get("tolerance_s", 1e-12))  # noqa: E731
    slack = table["slo_s"].astype(float) if "slo_s" in table else None
    if "deadline_s" in table:
        slack = table["deadline_s"].astype(float) - arrival
    origin = wanted["windows"][0][0] if "windows" in wanted and arrival[0] < wanted["windows"][0][0] else 0.0
    windows = wanted.get("windows", [])
    inside = [int(((arrival + origin >= start) & (arrival + origin < end)).sum()) for start, end, _ in windows]
    low, high = wanted.get("span_between", (0, float("inf")))
    checks = {
        "requests": "requests" not in wanted or len(arrival) == wanted["requests"],
        "span_s": "span_s" not in wanted or near(arrival[-1] - arrival[0], wanted["span_s"]),
        "first_gap_s": "first_gap_s" not in wanted or near(arrival[1] - arrival[0], wanted["first_gap_s"]),
        "span_between": low <= arrival[-1] - arrival[0] <= high,
        "min_arrival_s": arrival.min() >= wanted.get("min_arrival_s", 0.0),
        "distinct": "distinct" not in wanted or len(set(arrival)) == wanted["distinct"],
        "windows": inside == [count for _, _, count in windows],
        "models": "models" not in wanted or table["model"].value_counts().to_dict() == wanted["models"],
        "classes": "classes" not in wanted or table["priority"].value_counts().to_dict() == wanted["classes"],
        "slack_s": "slack_s" not in wanted or list(slack) == pytest.approx(wanted["slack_s"], abs=1e-6),
        "cells": all(table[name].tolist() == cells for name, cells in wanted.get("cells", {}).items()),
    }
    return [f"{name}: {table.to_dict('list')}" for name, right in checks.items() if not right]


@pytest.mark.parametrize("name", EXPECTED)
def test_case(name, tmp_path, capsys):
    case = EXPECTED[name]
    outcome = run(name, case, tmp_path, capsys)
    wrong = [problems(wanted, *outcome) for wanted in case.get("either", [case])]
    assert [] in wrong, (case["why"], wrong)


def test_every_file_has_a_case():
    named = {case.get("file", name) for name, case in EXPECTED.items()}
    other = {"README.md", "expected.json", "names_rule.toml"}
    assert {path.name for path in CASES.iterdir()} == named | other
