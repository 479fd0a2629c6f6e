"""A click group that imports a command only when it is run."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import click

from stratsim.errors import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported on first use.

    Command `some-name` is the attribute `some_name` of module `PACKAGE.some_name`.

    Args:
        package: Where the command modules are.
        commands: One-line help by command name; shown without importing anything.
        plugins: Entry-point group with further commands, for the packages that are optional.
    """

    def __init__(
        self, *args: Any, package: str = "", commands: Mapping[str, str] | None = None, plugins: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._summaries = dict(commands or {})
        self._plugins = {point.name: point for point in entry_points(group=plugins)} if plugins else {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Like click's; a group without a command shows its help, in every version of click."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order in which they were declared, plug-ins last."""
        return [*self._summaries, *(name for name in sorted(self._plugins) if name not in self._summaries)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        attribute = cmd_name.replace("-", "_")
        if cmd_name in self._summaries:
            command = getattr(import_module(f"{self._package}.{attribute}"), attribute)
        elif cmd_name in self._plugins:
            command = self._plugins[cmd_name].load()
        else:
            return None
        assert isinstance(command, click.Command)  # noqa: S101 (a packaging mistake of ours)
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        rows = [(name, self._summaries.get(name) or _plugin_help(name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _plugin_help(name: str) -> str:
    return {"plot": "Draw figures from results.", "live": "Run a policy on a real device."}.get(name, "(plug-in)")
