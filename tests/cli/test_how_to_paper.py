"""The page on a figure for a paper: its files and commands, in their order, lead to the PDF."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stratsim.cli import cli

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (DOCS / "paper-figures.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^ {4}(stratsim .+)$", PAGE, re.MULTILINE)]
PUBLIC = "azure/AzureLLMInferenceTrace_conv.csv"


def block(language, number=0):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def write_files(folder):
    for name, language in (("my-gpu.json", "json"), ("paper.toml", "toml")):
        assert f"`{name}`" in PAGE
        (folder / name).write_text(block(language), encoding="utf-8")


def like_azure(path, requests=200):
    """Write what looks like the public file, and is a quarter as long: time of day to 100 ns, and bursts."""
    gaps = np.random.default_rng(1).gamma(0.4, 0.45, requests)
    times = np.datetime64("2023-11-16T18:15:46.680590000") + np.cumsum(gaps * 1e9).astype("timedelta64[ns]")
    lines = [f"{str(at).replace('T', ' ')[:-2]},374,44" for at in times]
    path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines, ""]), encoding="utf-8")


def test_every_command_of_the_page_parses():
    assert [words[0] for words in COMMANDS] == ["trace", "profile", "sweep", "plot", "plot", "compare", "plot"]
    for name, *args in COMMANDS:
        command = cli.get_command(cli.make_context("stratsim", ["--help"], resilient_parsing=True), name)
        if name in ("plot", "compare"):
            command.make_context(name, list(args), resilient_parsing=True)


def run_page(call, here):
    for words in COMMANDS[1:]:
        ran = call(*words)
        assert ran.status == 0, ran.err
    written = (here / "violations.pdf").read_bytes()
    assert b"/FontFile2" in written
    assert b"/Type3" not in written
    frame = pd.read_csv(here / "violations.csv")
    assert frame["policy"].unique().tolist() == ["strait", "preempt-gated", "priority-edf"]
    assert sorted(frame["x"].unique()) == [0.4, 0.6, 0.8, 1.0, 1.2]
    assert (frame["runs"] == 5).all()
    assert frame["low"].notna().all()
    import matplotlib as mpl

    mpl.use("Agg")
    exec(compile(block("python"), "notebook", "exec"), {})
    assert (here / "notebook.pdf").read_bytes().startswith(b"%PDF")
    assert {path.name for path in here.glob("*.pdf")} == {
        "violations.pdf", "p99.pdf", "differences.pdf", "notebook.pdf",
    }  # fmt: skip


@pytest.mark.slow
def test_every_command_of_the_page_runs_and_the_figure_is_there(call, here):
    pytest.importorskip("matplotlib")
    write_files(here)
    like_azure(here / "azure-conv.csv")
    run_page(call, here)


@pytest.mark.slow
@pytest.mark.data
def test_on_the_public_trace_it_gives_what_the_page_says(call, here):
    pytest.importorskip("matplotlib")
    source = Path(os.environ.get("STRATSIM_DATA", "")) / PUBLIC
    if not source.is_file():
        pytest.skip("STRATSIM_DATA has no Azure trace")
    write_files(here)
    (here / "azure-conv.csv").write_bytes(source.read_bytes())
    run_page(call, here)
    frame = pd.read_csv(here / "differences.csv").set_index(["class", "policy"])
    assert 100 * frame.loc[("high", "priority-edf"), "difference"] == pytest.approx(26, abs=0.5)
    assert 100 * frame.loc[("low", "preempt-gated"), "difference"] == pytest.approx(9.5, abs=0.05)
    assert frame.loc[("low", "preempt-gated"), "p_holm"] == pytest.approx(0.009, abs=0.0005)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).is_file(), target
