"""The report as a file: what goes in, what does not, and what it says when something is missing."""

import base64
import json
import re
import shlex
from html.parser import HTMLParser

import pytest

from stratsim.cli import main
from stratsim.cli.replay import replay, run_spec
from stratsim.errors import OutputError, SpecError
from stratsim.explain.parts import read_run
from stratsim.results import read_results
from stratsim_plots.report import figures as figures_module
from stratsim_plots.report import notes
from stratsim_plots.report.checks import check_run
from stratsim_plots.report.html import data_block, number, table
from stratsim_plots.report.make import make_report
from stratsim_plots.report.settings import command
from stratsim_plots.series import select

pytestmark = pytest.mark.slow  # makes whole pages


class Page(HTMLParser):
    """What a page has: elements, attributes that name something else, ids, text of the first sight."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        named = dict(attrs)
        if "id" in named:
            self.ids.append(named["id"])
        self.links += [value for key, value in attrs if key in {"src", "href", "xlink:href", "action", "data-src"}]


@pytest.fixture(scope="module")
def text(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    return make_report(results, out, worst=3).path.read_text(encoding="utf-8")


def test_the_command_writes_beside_the_results(results, tmp_path, capsys):
    assert main(["report", str(results), "--out", str(tmp_path / "a.html"), "--worst", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"{tmp_path / 'a.html'}\n"
    assert main(["report", str(results), "--out", str(tmp_path / "a.html")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_nothing_comes_from_outside(text):
    page = Page(text)
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert not {"iframe", "img", "object", "embed", "form[action]"} & set(page.elements)
    assert "@import" not in text
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text).replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://[^\s\"'<]+", without_names) == []
    assert "default-src 'none'" in text


def test_ids_are_unique_and_links_lead_somewhere(text):
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#") and link[1:]}
    assert inside <= set(page.ids)


def test_equal_folders_give_equal_pages(results, tmp_path):
    first, second = (make_report(results, tmp_path / name, worst=1).path for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()


def test_the_head_says_what_was_run(text, results):
    stored = read_results(results)
    for said in ("3 000 requests", "2 GPUs rtx3080-disb", stored.manifest["profile"]["label"], "preempt-ideal"):
        assert said in text
    for policy, run in zip(stored.policies, stored.runs, strict=True):
        share = 100 * run["classes"]["high"]["violation"]
        (verdict,) = re.findall(rf"<li><b>{re.escape(policy)}</b>(.*?)</li>", text)
        assert float(re.search(r"of ([\d.]+)\s% of the high-priority", verdict)[1]) == pytest.approx(share, rel=5e-3)


def test_checksums_and_versions_are_the_manifests(text, results):
    manifest = read_results(results).manifest
    for said in (manifest["trace"]["sha256"], manifest["profile"]["sha256"], *manifest["versions"].values()):
        assert said in text


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--gpus", "2", "--load", "1.1", "--drop", "never", "--seed", "7", "--no-transfers"],
        ["--policy", "edf(max_batch=4),fifo", "--set", "pinned=false", "--set", "uplink_bytes_per_s=1e10"],
        ["--topology", "8x-h800", "--memory", "16e9", "--warmup", "1", "--strict", "--limit", "500"],
        ["--memory", "device", "--rate-scale", "2"],
        ["--gpus", "4", "--groups", "2", "--deal", "model"],
        ["a trace's name.csv", "--trace-format", "csv", "--workload", "my mix.toml"],
    ],
)
def test_the_command_gives_the_same_spec(options):
    """By way of the command line's own parser: what is printed, typed again, resolves to what was run."""
    spec = parsed(options)
    again = parsed(shlex.split(command({"spec": spec.as_dict()}).replace("\\\n", ""))[2:])
    assert again == spec


def test_a_live_run_is_served_again_not_replayed():
    live = {"device": "cpu:2", "dtype": None, "mode": "eager"}
    made = command({"spec": {"trace": "t.csv", "policy": "edf", "gpus": 1, "seed": 3}, "live": live})
    words = shlex.split(made.replace("\\\n", ""))
    assert words == [
        *("stratsim", "live", "t.csv", "--device", "cpu:2", "--mode", "eager", "--policy", "edf"),
        *("--set", "gpus=1", "--seed", "3", "--out", "DIR"),
    ]


def test_a_row_of_a_sweep_is_repeated_as_one():
    manifest = {"spec": {"policy": "edf"}, "notes": ["row 3f2a9c of the sweep in my sweep"]}
    assert command(manifest) == "stratsim sweep replay 'my sweep' 3f2a9c --out DIR"


def test_a_manifest_that_says_nothing_gives_no_command():
    assert command({}) is None


def parsed(words):
    given = replay.make_context("replay", list(words)).params
    config, settings, no_transfers = (given.pop(key) for key in ("config", "settings", "no_transfers"))
    for key in ("out", "overwrite", "no_timeline", "timeline_from", "timeline_to", "as_json", "quiet", "jobs"):
        given.pop(key)
    return run_spec(config, settings, given, no_transfers=no_transfers)


def test_figures_come_with_their_data(text, results):
    links = dict(re.findall(r'download="([^"]+)" href="data:text/csv;charset=utf-8;base64,([^"]+)"', text))
    assert set(links) == {"violations.csv", "latency-ccdf.csv", "latency-parts.csv"}
    lines = base64.b64decode(links["violations.csv"]).decode().splitlines()
    fifo = next(run for run in read_results(results).runs if run["policy"] == "fifo")
    assert lines[1].split(",")[3] == str(fifo["classes"]["high"]["arrived"])
    assert Page(text).elements.count("figure") == 3


def test_without_matplotlib_there_is_a_page_that_says_so(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures_module, "find_spec", lambda name: None)
    assert main(["report", str(results), "--out", str(tmp_path / "a.html"), "--worst", "1"]) == 0
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "figure" not in Page(text).elements
    assert "no figures in this page: matplotlib is not installed" in text
    assert "stratsim[plots]" in capsys.readouterr().err


def test_parts_of_an_explained_request_sum_to_its_latency(text):
    found = re.findall(r'<table class="parts">.*?</table>', text)
    assert found
    for each in found:
        cells = [float(cell) for cell in re.findall(r"<td>([\d.]+)</td><td>", each)]
        *parts, latency = cells
        assert sum(parts) == pytest.approx(latency, abs=0.0005 * (len(parts) + 1))


def test_checks_hold_and_can_fail(results):
    stored = read_results(results)
    (series,) = select([stored], ["preempt-ideal"])
    run = read_run(stored, "preempt-ideal")
    assert [check.wrong for check in check_run(run, series)] == [0] * 5
    assert all(check.of for check in check_run(run, series))
    run.requests.loc[run.requests.index[run.requests["status"] == "late"][0], "status"] = "met"
    run.batches.loc[3, "copy_in_start_s"] = run.batches.loc[3, "copy_in_end_s"] + 1.0
    run.batches.loc[4, "batch_size"] += 1
    run.parts.loc[run.parts["queueing"].notna().idxmax(), "queueing"] += 1e-6
    wrong = [check.wrong for check in check_run(run, series)]
    assert wrong == [2, 1, 1, 1, 1]


def test_a_run_without_a_batch_still_has_a_page(nothing, tmp_path):
    text = make_report(nothing, tmp_path / "a.html").path.read_text(encoding="utf-8")
    assert "no figure latency-ccdf" in text
    assert "had no deadlines to miss" in text


def test_hostile_names_stay_text(hostile, tmp_path):
    text = make_report(hostile, tmp_path / "a.html").path.read_text(encoding="utf-8")
    elements = Page(text).elements
    assert elements.count("script") == 2
    assert "img" not in elements
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert any("<img" in name for name in data["models"])


def test_a_data_block_cannot_be_left():
    block = data_block("x", ["</script><script>", "<!--", "\u2028"])
    assert block.count("<") == 2
    assert json.loads(re.search(r">(.*)</script>$", block)[1]) == ["</script><script>", "<!--", "\u2028"]


def test_cells_and_titles_are_escaped():
    made = table(['a"b'], [["<i>"]], {'a"b': '"><b>'})
    assert "<i>" not in made
    assert "<b>" not in made
    assert Page(made).elements == ["div", "table", "thead", "tr", "th", "tbody", "tr", "th"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.0, "0"), (12.3456, "12.35"), (0.000123456, "0.0001235"), (123456.0, "123456"), (0.5, "0.5")],
)
def test_numbers(value, shown):
    assert number(value) == shown


def test_refusals(results, tmp_path):
    with pytest.raises(SpecError, match="no run of policy"):
        make_report(results, tmp_path / "a.html", policies=["edff"])
    with pytest.raises(SpecError, match="no such folder"):
        make_report(tmp_path / "none", tmp_path / "a.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        make_report(results, tmp_path / "file" / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_only_the_chosen_policies(results, tmp_path):
    text = make_report(results, tmp_path / "a.html", policies=["fifo"], worst=1).path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert [run["name"] for run in data["runs"]] == ["fifo"]
    assert len(re.findall(r'<tr><th scope="row">fifo</th><td>(?:high|low)', text)) == 2


def test_several_folders_need_a_place_and_none_twice(results, hostile, tmp_path):
    with pytest.raises(SpecError, match="--out FILE"):
        make_report([results, hostile])
    with pytest.raises(SpecError, match="is named twice"):
        make_report([results, results / "."], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_page_of_several_folders_says_what_differs(results, nothing, tmp_path):
    text = make_report([results, nothing], tmp_path / "a.html", worst=1).path.read_text(encoding="utf-8")
    assert '<th scope="row">policy</th><td>fifo,edf(max_batch=4),preempt-ideal</td>' in text
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert text.count("<h3>small</h3>") == 1
    assert "The manifest does not say how this was made." in text


def test_statements_that_fail_are_not_folded_away():
    holds, fails = ("fifo", "it is so", "holds", "8"), ("edf", "it is so", "fails for 3", "8")
    assert "<details><summary>All 1 statements hold</summary>" in notes._checked([holds])
    assert "<details open><summary>1 of 2 statements fail</summary>" in notes._checked([holds, fails])
