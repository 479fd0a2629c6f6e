"""What becomes of a `Result`: figures, checks and files.

    from stratsim.results import invariants, summarize, write_results

Imported lazily: reading result files (`read_results`) brings in neither the engine nor pandas.
"""

from typing import TYPE_CHECKING

__all__ = ["StoredResults", "check_target", "invariants", "read_results", "result_writer", "summarize", "write_results"]

if TYPE_CHECKING:
    from stratsim.results.checks import invariants
    from stratsim.results.read import StoredResults, read_results
    from stratsim.results.summary import summarize
    from stratsim.results.write import check_target, result_writer, write_results
else:
    from stratsim.face import lazily

    __getattr__ = lazily(
        __name__,
        {
            "StoredResults": "stratsim.results.read",
            "check_target": "stratsim.results.write",
            "invariants": "stratsim.results.checks",
            "read_results": "stratsim.results.read",
            "result_writer": "stratsim.results.write",
            "summarize": "stratsim.results.summary",
            "write_results": "stratsim.results.write",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
