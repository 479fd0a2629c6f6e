"""`stratsim plot` from the command line: the files it writes and the lines it refuses with."""

import struct
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from stratsim.cli import cli, main
from stratsim.errors import MissingExtraError, OutputError, SpecError
from stratsim_plots import figure as figure_module
from stratsim_plots.figure import make_figure

KINDS = ("violations", "latency-cdf", "latency-ccdf", "timeline")


def run(*arguments):
    # By way of the whole: invoked by itself, click would keep the command's help option without its short form.
    return CliRunner().invoke(cli, ["plot", *(str(argument) for argument in arguments)], catch_exceptions=False)


@pytest.mark.slow_cases("latency-cdf-.svg", "timeline-.png")
@pytest.mark.parametrize(
    ("kind", "suffix"), [("violations", ".pdf"), ("latency-cdf", ".svg"), ("timeline", ".png")]
)  # fmt: skip
def test_every_kind_and_every_format(folder, tmp_path, kind, suffix):
    out = tmp_path / f"figure{suffix}"
    result = run(folder, "--kind", kind, "--out", out)
    assert result.exit_code == 0
    assert result.stdout == ""
    magic = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert out.read_bytes().startswith(magic)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["figure.csv", f"figure{suffix}"]


@pytest.mark.slow
def test_load_from_several_folders(folder_at, tmp_path):
    folders = [folder_at(tmp_path / f"load-{x}", load=x) for x in (0.5, 0.9)]
    assert run(*folders, "--kind", "load", "--out", tmp_path / "load.svg").exit_code == 0
    assert sorted(set(pd.read_csv(tmp_path / "load.csv")["load"])) == [0.5, 0.9]


@pytest.mark.slow
def test_the_data_behind_the_figure_is_saved(folder, tmp_path):
    figure, table = make_figure([folder], "violations", tmp_path / "v.pdf")
    assert (figure.name, table.name) == ("v.pdf", "v.csv")
    frame = pd.read_csv(table)
    assert frame.loc[0, ["policy", "class", "violation"]].tolist() == ["fifo", "high", 0.4]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_data_gives_equal_bytes(folder, tmp_path, suffix):
    figures = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        figures.append(make_figure([folder], "violations", tmp_path / name / f"f{suffix}"))
    for first, second in zip(*figures, strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_svg_keeps_text_as_text(folder, tmp_path):
    make_figure([folder], "violations", tmp_path / "v.svg")
    assert "Violations (% of arrived requests)" in (tmp_path / "v.svg").read_text()


@pytest.mark.slow
def test_png_is_one_paper_column_at_300_dpi(folder, tmp_path):
    make_figure([folder], "violations", tmp_path / "v.png")
    width, _ = struct.unpack(">II", (tmp_path / "v.png").read_bytes()[16:24])
    assert width == round(3.3 * 300)


@pytest.mark.slow
def test_a_figure_is_replaced(folder, tmp_path):
    for kind in KINDS:
        make_figure([folder], kind, tmp_path / "f.png")
    assert "row" in pd.read_csv(tmp_path / "f.csv").columns


def test_a_csv_of_the_users_is_not(folder, tmp_path):
    (tmp_path / "trace.csv").write_text("arrival_s,model\n")
    with pytest.raises(OutputError, match=r"trace\.csv: exists and does not hold a figure's data"):
        make_figure([folder], "violations", tmp_path / "trace.png")
    assert not (tmp_path / "trace.png").exists()
    (tmp_path / "trace.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OutputError, match="does not hold a figure's data"):
        make_figure([folder], "violations", tmp_path / "trace.png")


@pytest.mark.parametrize(
    ("kind", "out", "message"),
    [
        ("violation", "f.png", "no kind of figure 'violation'; did you mean 'violations'"),
        ("violations", "f.jpeg", r"must end in \.png, \.svg, \.pdf, got '\.jpeg'"),
        ("violations", "f", "must end in"),
    ],
)
def test_refusals(folder, tmp_path, kind, out, message):
    with pytest.raises(SpecError, match=message):
        make_figure([folder], kind, tmp_path / out)


def test_no_result_folder(tmp_path):
    with pytest.raises(SpecError, match="is not a result folder"):
        make_figure([tmp_path], "violations", tmp_path / "f.png")


@pytest.mark.slow
def test_an_unwritable_place_leaves_nothing(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file' is not a folder"):
        make_figure([folder], "violations", tmp_path / "file" / "f.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        make_figure([folder], "violations", tmp_path / "taken.png")
    assert not [path for path in tmp_path.iterdir() if ".tmp-" in path.name]


def test_the_folder_of_the_figure_is_made(folder, tmp_path):
    figure, table = make_figure([folder], "violations", tmp_path / "paper" / "figures" / "f.png")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert table.parent == tmp_path / "paper" / "figures"


@pytest.mark.parametrize("kind", ["violations", "latency-cdf", "load"])
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_window_is_for_a_timeline_alone(folder, tmp_path, kind, option, capsys):
    assert main(["plot", str(folder), "--kind", kind, option, "1", "--out", str(tmp_path / "f.png")]) == 2
    assert capsys.readouterr().err == (
        f"stratsim: --from and --to choose the window of a timeline; they mean nothing to --kind {kind}\n"
    )
    assert not (tmp_path / "f.png").exists()


@pytest.mark.slow_cases("latency-cdf", "timeline")
@pytest.mark.parametrize("kind", ["violations", "latency-cdf", "timeline"])
def test_a_policy_can_be_chosen_for_every_kind(folder, tmp_path, kind):
    assert run(folder, "--kind", kind, "--policy", "edf(max_batch=4)", "--out", tmp_path / "f.png").exit_code == 0
    assert set(pd.read_csv(tmp_path / "f.csv")["policy"]) == {"edf(max_batch=4)"}


def test_without_matplotlib_it_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(figure_module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stratsim\[plots\]'"):
        make_figure([folder], "violations", tmp_path / "f.png")


def test_usage_errors(folder, tmp_path):
    assert run().exit_code == 2
    assert run(folder, "--kind", "pie", "--out", tmp_path / "f.png").exit_code == 2


def test_help_teaches_and_imports_no_matplotlib():
    code = "import sys; from stratsim_plots.command import plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    text = run("--help").output
    assert "Examples:" in text
    assert "violations" in text
    assert "busiest 200 ms" in " ".join(text.split())


def test_the_command_is_found_by_its_entry_point():
    command = cli.get_command(None, "plot")
    assert command.callback.__module__ == "stratsim_plots.command"


@pytest.mark.slow
def test_names_and_order_are_those_asked_for(folder, tmp_path):
    out = tmp_path / "f.svg"
    asked = ["--labels", "edf(max_batch=4)=EDF", "--labels", "high = interactive", "--order", "edf(max_batch=4),fifo"]
    assert run(folder, "--kind", "violations", "--out", out, *asked, "--no-footer").exit_code == 0
    drawn = out.read_text()
    assert "EDF" in drawn
    assert "interactive" in drawn
    assert "simulated" not in drawn
    frame = pd.read_csv(out.with_suffix(".csv"))
    assert frame["policy"].tolist() == ["edf(max_batch=4)"] * 2 + ["fifo"] * 2  # the data keep their names


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--labels", "fiffo=F"), "--labels: the figure has no 'fiffo'; did you mean 'fifo'"),
        (("--labels", "fifo"), "--labels takes OLD=NEW, got 'fifo'"),
        (("--order", "fifo,edff"), "--order: the figure has no 'edff'"),
        (("--width", "wide"), "--width takes column, page or inches, got 'wide'"),
        (("--font-size", "99"), "--font-size must be within 4 and 40 points, got 99"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(folder, tmp_path, asked, message, capsys):
    assert main(["plot", str(folder), "--kind", "violations", "--out", str(tmp_path / "f.png"), *asked]) == 2
    assert capsys.readouterr().err.startswith(f"stratsim: {message}")
    assert not list(tmp_path.glob("f.*"))
