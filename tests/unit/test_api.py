"""What the package promises at import: its names, its errors, and an instant `--help`."""

import subprocess
import sys

import pytest

import stratsim
from stratsim import errors

HEAVY = ("numpy", "scipy", "simpy", "pandas", "msgspec", "pyarrow", "matplotlib", "torch", "rich")


def modules_after(code):
    """Run code in a new interpreter and return the top-level modules that it imported."""
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_public_names_are_pinned():
    assert stratsim.__all__ == [
        "Policy",
        "Priority",
        "QueuePolicy",
        "__version__",
        "check_policy",
        "complete",
        "load_profile",
        "plot",
        "read_results",
        "read_sweeps",
        "read_trace",
        "simulate",
        "summarize",
    ]


@pytest.mark.parametrize("name", stratsim.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(stratsim, name) is not None
    assert name in dir(stratsim)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'stratsim' has no attribute 'simulat'"):
        stratsim.simulat  # noqa: B018


@pytest.mark.parametrize(
    "code",
    ["import stratsim", "from stratsim.cli import main; assert main(['--help']) == 0", "import stratsim.errors"],
)
def test_nothing_heavy_is_imported_before_it_is_used(code):
    assert not modules_after(code) & set(HEAVY)


def test_simulating_needs_neither_pandas_nor_torch_nor_matplotlib():
    assert not modules_after("from stratsim import simulate") & {"pandas", "torch", "matplotlib", "pyarrow", "click"}


def test_error_names_are_pinned():
    assert errors.__all__ == [
        "BundledFileNotFoundError",
        "CodeRefusedError",
        "LimitError",
        "MissingExtraError",
        "NotFittedError",
        "OutputError",
        "OutsideProfileError",
        "PolicyError",
        "ProfileError",
        "SchemaVersionError",
        "ServerError",
        "SimulationError",
        "SpecError",
        "StratsimError",
        "TraceError",
        "suggest",
    ]
