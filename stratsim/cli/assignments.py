"""Options of the form `--column FIELD=COLUMN`, which may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["assignments"]


def assignments(context: click.Context, option: click.Parameter, texts: Iterable[str]) -> dict[str, str]:
    """Return what is right of `=` by what is left of it: a callback of click.

    Raises:
        BadParameter: a side is missing; the option's metavar says what is expected.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not {option.metavar}", context, option)
        first = found.setdefault(name.strip(), value.strip())
        if first != value.strip():
            raise click.BadParameter(f"{name.strip()} is both {first} and {value.strip()}", context, option)
    return found
