"""`stratsim.plot`: the figures of the command line in Python."""

import struct
import subprocess
import sys

import pytest

pytest.importorskip("matplotlib")

import matplotlib as mpl

mpl.use("Agg")

import stratsim.plot
from stratsim.cli import main
from stratsim.errors import SpecError
from stratsim_plots.figure import KINDS, READERS


@pytest.fixture(autouse=True)
def _closed():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def test_every_kind_has_a_function():
    assert dir(stratsim.plot) == sorted(kind.replace("-", "_") for kind in (*KINDS, *READERS))


def test_nothing_is_imported_before_it_is_drawn():
    code = "import sys, stratsim.plot as p; p.load; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_kind_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'violation'; did you mean 'violations'"):
        stratsim.plot.violation  # noqa: B018


def test_it_returns_axes_that_a_notebook_shows(folder):
    from matplotlib import pyplot as plt
    from matplotlib.axes import Axes

    before = dict(mpl.rcParams)
    axes = stratsim.plot.violations(folder, policies=["fifo"], labels={"fifo": "FIFO"})
    assert isinstance(axes, Axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["FIFO"]
    assert plt.gcf() is axes.figure
    assert dict(mpl.rcParams) == before


@pytest.mark.slow
def test_it_is_the_figure_of_the_command(folder, tmp_path):
    """The same bytes, as far as the file does not name the program that wrote it."""
    axes = stratsim.plot.latency_ccdf(folder, width="page", font_size=9, order=["edf(max_batch=4)"], title="Tail")
    axes.figure.savefig(tmp_path / "own.png", metadata={"Software": None})
    asked = ["--width", "page", "--font-size", "9", "--order", "edf(max_batch=4)", "--title", "Tail"]
    assert main(["plot", str(folder), "--kind", "latency-ccdf", "--out", str(tmp_path / "f.png"), *asked]) == 0
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "f.png").read_bytes()
    assert struct.unpack(">II", (tmp_path / "f.png").read_bytes()[16:24])[0] == 7 * 300


@pytest.mark.slow
def test_a_pdf_has_its_fonts_in_it_as_true_type(folder, tmp_path):
    stratsim.plot.violations(folder).figure.savefig(tmp_path / "f.pdf")
    written = (tmp_path / "f.pdf").read_bytes()
    assert b"/FontFile2" in written
    assert b"/Type3" not in written


def test_what_cannot_be_drawn_is_said(folder):
    with pytest.raises(SpecError, match="--legend takes above, below, right, none, got 'top'"):
        stratsim.plot.violations(folder, legend="top")
    with pytest.raises(SpecError, match=r"--width must be within 2 and 40 inches, got 0\.5"):
        stratsim.plot.violations(folder, width=0.5)


def test_the_style_can_be_taken(tmp_path):
    from matplotlib import pyplot as plt

    with plt.style.context("stratsim_plots.stratsim"):
        assert plt.rcParams["pdf.fonttype"] == 42
        assert plt.figure().get_figwidth() == pytest.approx(3.3)
