"""A click group that imports a command only when it is run."""

from __future__ import annotations

import os
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import click

from stratsim.errors import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMPLETING", "LazyGroup"]

COMPLETING = "_STRATSIM_COMPLETE"
"""Variable of the environment by which a shell asks what it may offer (click's name for it)."""


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported on first use.

    Command `some-name` is the attribute `some_name` of module `PACKAGE.some_name`; `import`, which Python keeps for
    itself, is `import_`.

    Args:
        package: Where the command modules are.
        commands: One-line help by command name; shown without importing anything.
        elsewhere: One-line help of commands that other packages bring, as entry points of `group`.
        group: Name of that group of entry points.
    """

    def __init__(
        self,
        *args: Any,
        package: str = "",
        commands: Mapping[str, str] | None = None,
        elsewhere: Mapping[str, str] | None = None,
        group: str = "stratsim.commands",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._own = dict(commands or {})
        self._elsewhere = dict(elsewhere or {})
        self._group = group

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Like click's; a group without a command shows its help, in every version of click."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order in which they were declared."""
        return [*self._own, *self._elsewhere]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        attribute = cmd_name.replace("-", "_")
        attribute += "_" * iskeyword(attribute)
        if cmd_name in self._own:
            command = getattr(import_module(f"{self._package}.{attribute}"), attribute)
        elif cmd_name in self._elsewhere:
            command = _entry_point(self._group, cmd_name)
        else:
            return None
        assert isinstance(command, click.Command)  # noqa: S101 (a packaging mistake of ours)
        if COMPLETING in os.environ:
            from stratsim.cli.complete import offer

            offer(command, cmd_name if ctx.parent is None else f"{ctx.info_name} {cmd_name}")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with the nearest name in the message."""
        if args and self.get_command(ctx, args[0]) is None:
            where = "".join(f"{name}: " for name in ctx.command_path.split()[1:])
            hint = suggest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{where}no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        rows = [*self._own.items(), *self._elsewhere.items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _entry_point(group: str, name: str) -> Any:
    from stratsim.plugins import points  # as slow to import as all the rest of `--help` together

    found = points(group)
    if name not in found:
        raise click.UsageError(f"command {name!r} is not installed with this copy of stratsim")
    return found[name].load()
