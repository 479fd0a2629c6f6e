"""What becomes of a `Result`: figures, checks and files.

    from stratsim.export import invariants, summarize, write_results

Imported lazily: reading result files (`stratsim.export.read`) brings in neither the engine nor pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratsim.export.checks import invariants
    from stratsim.export.read import StoredResults, read_results
    from stratsim.export.summary import summarize
    from stratsim.export.write import check_target, result_writer, write_results

_EXPORTS = {
    "StoredResults": "stratsim.export.read",
    "check_target": "stratsim.export.write",
    "invariants": "stratsim.export.checks",
    "read_results": "stratsim.export.read",
    "result_writer": "stratsim.export.write",
    "summarize": "stratsim.export.summary",
    "write_results": "stratsim.export.write",
}

__all__ = ["StoredResults", "check_target", "invariants", "read_results"]
__all__ += ["result_writer", "summarize", "write_results"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        from importlib import import_module

        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'stratsim.export' has no attribute {name!r}")
