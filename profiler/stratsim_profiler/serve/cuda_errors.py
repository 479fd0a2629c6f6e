"""What torch raises on a GPU, in one line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from stratsim.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["failure", "guard"]


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Make a `ServerError` of what torch raises.

    Args:
        what: Who could not do what: how the message begins.
    """
    try:
        yield
    except RuntimeError as problem:
        raise failure(what, problem) from problem


def failure(what: str, problem: RuntimeError) -> ServerError:
    """Return the error to raise; one that is a `ServerError` already stays as it is."""
    if isinstance(problem, ServerError):
        return problem
    return ServerError(f"{what}: {_first_line(_cause(problem))}")


def _cause(problem: BaseException) -> BaseException:
    """Return the lack of memory behind an error: a capture that it broke off complains about itself."""
    chain: list[BaseException] = [problem]
    while (before := chain[-1].__context__) is not None:
        chain.append(before)
    return next((found for found in chain if isinstance(found, torch.cuda.OutOfMemoryError)), problem)


def _first_line(problem: BaseException) -> str:
    lines = str(problem).splitlines() or [type(problem).__name__]
    return lines[0]
