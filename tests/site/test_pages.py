"""Every page is run as it stands, as a reader would: its commands, then its Python, in a folder with a reader's files.

What a reader cannot run at once says so on its line: `# needs a GPU`, `# needs torch`, `# minutes` and the like. A new
page is run like the others; only pages that something else runs are left out, by name. Sweeps
and searches are short, and where a page shows nothing of what its commands print, so are replays of a bundled trace.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARKED = re.compile(
    r"#.*\b(?:needs (?:a GPU|torch|the network|the public data|a cluster|a server's log|a live run|an hour)|minutes)\b"
)
"""What stands on the line of a command, or in the first line of a block of Python, that a reader cannot run at once."""
SYNOPSIS = re.compile(r"\[[A-Za-z]+\]|\.\.\.$")
SHELL = re.compile(
    r"(?:stratsim|python3?|pip|git|make|dask|gunzip|tritonserver|eval|for \w+ in|policies=\S*|PYTHONPATH=\S*) "
)
"""How a block of commands begins; others hold TOML, formulas or what a command prints."""
ASIDE = re.compile(r"\s*(?:pip|git|make|eval|_STRATSIM\S*) ")
"""Lines that prepare a machine or a shell; CI has done the like before it comes here."""
SUFFIX = {"toml": "toml", "python": "py", "json": "json"}
FIRST_ROW = "$(sed -n 2p results/loads/results.csv | cut -c 1-10)"
"""What a page calls ROW."""
ELSEWHERE = {
    "how-to/calibrate-from-a-log.md": "tests/cli/test_how_to_calibrate.py",
    "how-to/compare-policies.md": "tests/cli/test_how_to_compare.py",
    "how-to/own-policy-in-a-study.md": "tests/cli/test_how_to_own_policy.py",
    "how-to/paper-figures.md": "tests/cli/test_how_to_paper.py",
    "how-to/size-a-fleet.md": "tests/cli/test_how_to_size_a_fleet.py",
    "results/study-1.md": ".ci/run",
    "results/study-2.md": ".ci/run",
}
"""Pages that something else runs from end to end, most of them shortened, and looks at what they give."""
NO_PAGES = {"_build", "generated", "decisions"}
PAGES = [ROOT / "README.md", *(page for page in sorted(DOCS.rglob("*.md")) if not NO_PAGES & {*page.parts})]


def blocks(text):
    """Yield the indented blocks of a page, outside of fences, without their indent."""
    fenced, block = False, []
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and line.startswith("    "):
            block.append(line[4:])
            continue
        if block:
            yield block
        block = []


def whole(lines):
    """Yield the commands of a block: lines that are continued are one."""
    command = []
    for line in lines:
        command.append(line)
        if not line.endswith("\\"):
            yield "\n".join(command)
            command = []


def script(page):
    """Return the commands of a page that can be run at once, as lines of a shell."""
    shown = [block for block in blocks(page.read_text(encoding="utf-8")) if SHELL.match(block[0])]
    lines = [line for block in shown for line in whole(block)]
    return [line for line in lines if not (MARKED.search(line) or SYNOPSIS.search(line) or ASIDE.match(line))]


def ends(line):
    """Return a command so that the shell goes on after it, also where its comment says that it ends with status 1."""
    command, _, comment = line.partition("  #")
    return f"{command} || test $? -eq 1" if "status 1" in comment else line


def short(line, *, replays):
    """Return a command so that what it runs is of at most 500 requests: a bundled sweep, a search, replays if asked."""
    line = re.sub(r"(?<=requests[= ])\d{4,}", "500", line)
    line = re.sub(r"(sweep (?:run|plan) experiments/\S+)", r"\1 --set arrivals.requests=300", line)
    if not replays:
        return line
    line = re.sub(r"(?<=--limit )\d{4,}", "500", line)
    return re.sub(r"stratsim replay (?!\S+\.(?:csv|parquet))(?![\s\S]*--limit)", "stratsim replay --limit 500 ", line)


def snippets(page):
    """Return the Python of a page, in its order; sessions with prompts are run by tests/unit/test_docs.py."""
    shown = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for text in shown if not (text.startswith(">>>") or MARKED.search(text.partition("\n")[0]))]


def saved(page):
    """Yield the files that a page shows, each named in the paragraph before: name and text."""
    shown = r"((?:[^\n]+\n)+)\n```(toml|python|json)\n(.*?)^```"
    for before, language, text in re.findall(shown, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        if name := re.search(rf"`([\w-]+\.{SUFFIX[language]})`", before):
            yield name[1], text


def outputs(page):
    """Return what a page shows of what its commands print: blocks without a language, a list of lines each."""
    shown = re.findall(r"^```(.*?)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text.splitlines() for language, text in shown if language in ("", "text")]


def words(line):
    """Return a line without its layout and, last in a line, how fast the simulation was."""
    return re.sub(r" [\d,]+,\d{3}$", "", " ".join(line.split()))


def block_of(page, language, number=0):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def a_readers_files(folder, page, commands):
    """Write the files that the page shows, and, made up, what it takes for granted that a reader has."""
    for name in ("docs", "experiments", "profiler", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    for path in (DOCS / "how-to").glob("*.py"):
        shutil.copy(path, folder)
    rows = [(0.004 * n, ("resnet50", "vgg19")[n % 2], ("high", "low")[n % 3 > 0]) for n in range(600)]
    own = "\n".join(["arrival_s,model,priority", *(f"{at:.3f},{model},{priority}" for at, model, priority in rows)])
    for name in ("requests.csv", "my-requests.csv"):
        (folder / name).write_text(own + "\n", encoding="utf-8")
    log = [f"{1000 * at:.0f},resnet50,{1000 * at + 200:.0f}" for at, _, _ in rows]
    (folder / "log.csv").write_text("\n".join(["submit_ms,net,due_ms", *log]) + "\n", encoding="utf-8")
    server = [f"{4000 * n},resnet50,{'warm-up' if n < 20 else 'serving'}" for n in range(600)]
    (folder / "server.csv").write_text("\n".join(["t_us,net,state", *server]) + "\n", encoding="utf-8")
    if "--out my-gpu.json" not in commands:
        for end in ("json", "samples.jsonl.gz"):
            shutil.copy(ROOT / "profiler" / "profiles" / f"h200-fp16.{end}", folder / f"my-gpu.{end}")
    if "metrics-model-inference.csv" in commands:
        subprocess.run([sys.executable, "size_a_fleet.py"], cwd=folder, check=True, capture_output=True)
        shutil.rmtree(folder / "models")
    shutil.copy(ROOT / "profiler" / "profiles" / "asymmetric-six.json", folder / "imported.json")
    kept = DOCS / "figures" / "fidelity-h200"
    (folder / "results").mkdir()
    shutil.copytree(kept / "calibration" / "load-0.7", folder / "results" / "calibration")
    shutil.copytree(kept / "alone", folder / "results" / "alone")
    for model in ("resnet50", "vgg19"):
        config = folder / "models" / model / "config.pbtxt"
        config.parent.mkdir(parents=True)
        config.write_text(f'name: "{model}"\nmax_batch_size: 8\ndynamic_batching {{ }}\n', encoding="utf-8")
    (folder / "my-server.toml").write_text(block_of("explanation/transfers.md", "toml"), encoding="utf-8")
    (folder / "sweep.toml").write_text(block_of("how-to/run-an-experiment.md", "toml"), encoding="utf-8")
    times = [{"startComputeMs": 10.0 * n, "endComputeMs": 10.0 * n + 3.9, "computeMs": 3.9} for n in range(30)]
    for name in ("times.json", "b16.json"):
        (folder / name).write_text(json.dumps(times), encoding="utf-8")
    cases = [
        {"name": f"{way}_memcpy_ce", "status": "Passed", "bandwidth_matrix": [["24.6"]], "sum": 24.6}
        for way in ("host_to_device", "device_to_host")
    ]
    (folder / "link.json").write_text(json.dumps({"nvbandwidth": {"testcases": cases}}), encoding="utf-8")
    pd.read_csv(folder / "requests.csv").to_parquet(folder / "requests.parquet")
    for name, text in saved(page):
        (folder / name).write_text(text, encoding="utf-8")


def named(page):
    return pytest.param(page, id=page.relative_to(ROOT).as_posix())


def place(page):
    return page.relative_to(DOCS).as_posix() if page.is_relative_to(DOCS) else page.name


@pytest.mark.slow
@pytest.mark.parametrize("page", [named(page) for page in PAGES if script(page) or snippets(page)])
def test_a_page_runs_as_it_stands(page, tmp_path):
    if place(page) in ELSEWHERE:
        pytest.skip(f"run by {ELSEWHERE[place(page)]}")
    if shutil.which("bash") is None or ("| jq " in "\n".join(script(page)) and shutil.which("jq") is None):
        pytest.skip("needs bash, and jq on some pages")
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyarrow")
    lines = [short(ends(line), replays=not outputs(page)) for line in script(page)]
    commands = "\n".join(lines).replace(" ROW ", f" {FIRST_ROW} ")
    a_readers_files(tmp_path, page, commands)
    if python := snippets(page):
        (tmp_path / "page.py").write_text("\n\n".join(python), encoding="utf-8")
        commands += "\npython page.py"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-v", "-c", commands],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "MPLBACKEND": "Agg", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    printed = {words(line) for line in ["...", "", *ran.stdout.splitlines()]}
    printed |= {line.rpartition(" ")[0] for line in printed}
    assert [line for block in outputs(page) for line in block if words(line) not in printed] == []


@pytest.mark.parametrize("page", [named(page) for page in PAGES])
def test_a_command_in_a_block_is_run_or_says_what_it_needs(page):
    run = "\n".join(script(page)).splitlines()
    shown = [line for block in blocks(page.read_text(encoding="utf-8")) for line in whole(block)]
    commands = [line for line in shown if line.startswith(("stratsim ", "python "))]
    silent = [line for line in commands if not (MARKED.search(line) or SYNOPSIS.search(line))]
    assert [line for line in silent if line.splitlines()[0] not in run] == []


def test_pages_that_other_tests_run_are_there():
    for page, test in ELSEWHERE.items():
        assert (DOCS / page).is_file()
        assert (ROOT / test).is_file()
