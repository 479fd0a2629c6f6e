"""What becomes of a `Result`: figures, checks and files.

    from stratsim.results import invariants, summarize, write_results

Imported lazily: reading result files (`stratsim.results.read`) brings in neither the engine nor pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratsim.results.checks import invariants
    from stratsim.results.read import StoredResults, read_results
    from stratsim.results.summary import summarize
    from stratsim.results.write import check_target, result_writer, write_results

_EXPORTS = {
    "StoredResults": "stratsim.results.read",
    "check_target": "stratsim.results.write",
    "invariants": "stratsim.results.checks",
    "read_results": "stratsim.results.read",
    "result_writer": "stratsim.results.write",
    "summarize": "stratsim.results.summary",
    "write_results": "stratsim.results.write",
}

__all__ = ["StoredResults", "check_target", "invariants", "read_results"]
__all__ += ["result_writer", "summarize", "write_results"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        from importlib import import_module

        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'stratsim.results' has no attribute {name!r}")
