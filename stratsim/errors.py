"""Every error that stratsim raises on purpose.

    StratsimError
    ├── SpecError(ValueError)               an option, a spec file or a call argument is wrong
    │   └── CodeRefusedError                data names a file of Python code, which is not run
    ├── TraceError(ValueError)              a trace cannot be used: names file, row, column and value
    ├── ProfileError(ValueError)            a profile cannot be used
    │   ├── OutsideProfileError             a model or batch size that the profile does not cover
    │   └── SchemaVersionError              a profile written for another schema version
    ├── PolicyError(RuntimeError)           a policy failed or took an illegal decision: names policy, time, decision
    ├── SimulationError(RuntimeError)       the simulation cannot go on (no progress at one instant, say)
    ├── ServerError(RuntimeError)           a real device, or a worker of it, failed while it served
    ├── LimitError(ValueError)              input is larger than was to be expected: says how to allow it
    ├── OutputError(OSError)                results cannot be written where they were asked for
    ├── NotFittedError(RuntimeError)        a predictor was asked before it was fitted
    ├── MissingExtraError(ImportError)      an optional dependency is absent: says what to install
    └── BundledFileNotFoundError(FileNotFoundError)

Messages are one line, or a line for each mistake of a file that is refused: the command line prints them as they are,
without a traceback.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = [
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


class StratsimError(Exception):
    """Base class of all errors raised on purpose. They can be pickled, as they must get out of worker processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, vars(self))


class SpecError(StratsimError, ValueError):
    """An option, a specification file or a call argument is wrong."""


class CodeRefusedError(SpecError):
    """Data names a file of Python code: it is not imported, as nobody typed its name.

    Args:
        kind: What it would be: `policy`, `predictor`, `device model`, `model`.
        name: FILE.py:CLASS, as the data has it.
    """

    def __init__(self, kind: str, name: str) -> None:
        typed = {
            "device model": f"--device-model {name}",
            "policy": f"--policy {name}",
            "trace format": f"--trace-format {name}",
            "model": f"--models {name}",
        }
        way_out = " or ".join([*([typed[kind]] if kind in typed else []), "--allow-code"])
        super().__init__(
            f"{kind} {name!r} is code in a file, and it was not you who named it but data, which is never run; "
            f"if you trust the file, say {way_out}"
        )
        self.kind = kind
        self.name = name


class TraceError(StratsimError, ValueError):
    """A trace cannot be used.

    Args:
        message: What is wrong.
        file: Where the trace was read from.
        row: Line of the file as a text editor counts it (header = 1), or record number for Parquet.
        column: Name of the offending column.
        value: The offending value.
    """

    def __init__(
        self,
        message: str,
        *,
        file: object = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
    ) -> None:
        place = ", ".join(
            part
            for part in (
                f"{file}" if file is not None else "",
                f"row {row}" if row is not None else "",
                f"column {column!r}" if column is not None else "",
            )
            if part
        )
        shown = f" (got {value!r})" if value is not None else ""
        super().__init__(f"{place}: {message}{shown}" if place else f"{message}{shown}")
        self.file = file
        self.row = row
        self.column = column
        self.value = value


class ProfileError(StratsimError, ValueError):
    """A profile cannot be used."""


class OutsideProfileError(ProfileError):
    """A model or batch size that the profile does not cover."""


class SchemaVersionError(ProfileError):
    """A profile written for another version of the schema."""


class PolicyError(StratsimError, RuntimeError):
    """A policy failed or took an illegal decision.

    Args:
        message: What is wrong.
        policy: Name of the policy.
        time_s: Simulated time of the decision, seconds.
        decision: The decision, where there is one.
    """

    def __init__(self, message: str, *, policy: str, time_s: float, decision: object = None) -> None:
        shown = f" in {decision!r}" if decision is not None else ""
        super().__init__(f"policy {policy!r} at t={time_s:.9g} s: {message}{shown}")
        self.policy = policy
        self.time_s = time_s
        self.decision = decision


class SimulationError(StratsimError, RuntimeError):
    """The simulation cannot go on."""


class ServerError(StratsimError, RuntimeError):
    """A real device, or a worker of it, failed while it served; what it had not answered is lost."""


class LimitError(StratsimError, ValueError):
    """Input, or what is to be made of it, is larger than the limits of `stratsim.limits`."""


class OutputError(StratsimError, OSError):
    """Results cannot be written where they were asked for."""


class NotFittedError(StratsimError, RuntimeError):
    """A predictor was asked for a prediction before it was fitted."""


class MissingExtraError(StratsimError, ImportError):
    """An optional dependency is absent.

    Args:
        package: The package that could not be imported.
        extra: The extra of stratsim that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; it needs: pip install 'stratsim[{extra}]'")
        self.package = package
        self.extra = extra


class BundledFileNotFoundError(StratsimError, FileNotFoundError):
    """A file that should have come with stratsim is not there."""


def _restored(cls: type[StratsimError], args: tuple[Any, ...], state: dict[str, Any]) -> StratsimError:
    """Return an error as it was, past a constructor that takes other arguments than `args`."""
    error = cls.__new__(cls)
    error.args = args
    vars(error).update(state)
    return error


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the nearest known one, else all of them.

    The hint is for a message only; names are never matched approximately.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + (", ".join(names) if names else "none")
