"""What the commands that read the log of a server have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.assignments import assignments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stratsim.fidelity.logs import Log
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["load_log", "named", "run_of", "scheduled"]


def named(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a log's models are called."""
    for option in (
        click.option(
            "--name",
            "names",
            multiple=True,
            metavar="NAME=MODEL",
            callback=assignments,
            help="The log's NAME is MODEL.",
        ),
        click.option("--model", metavar="NAME", help="The model of all requests, where the log names none."),
    ):
        command = option(command)
    return command


def scheduled(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a log's server scheduled."""
    for option in (
        click.option(
            "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting (docs/reference/replay.md)."
        ),
        click.option("--config", metavar="FILE", help="TOML file with settings."),
        click.option("--policy", metavar="NAME", help="How the server scheduled, such as triton or fifo."),
        click.option("--profile", metavar="NAME|FILE", help="The device. [default of a live run: its own]"),
    ):
        command = option(command)
    return command


def load_log(path: Path, model: str | None, names: dict[str, str]) -> Log:
    """Return the log in a file."""
    from stratsim.fidelity.logs import Naming, read_log

    return read_log(path, Naming(model, names))


def run_of(
    log: Log, profile: str | None, policy: str | None, config: str | None, settings: tuple[str, ...]
) -> tuple[Recorded, Profile]:
    """Return a log as a run, and the profile that it is held against.

    Raises:
        SpecError: no profile is named, or the settings are wrong.
    """
    from stratsim.cli.replay import run_spec
    from stratsim.errors import SpecError
    from stratsim.fidelity.logs import recorded
    from stratsim.model.codec import load_profile
    from stratsim.run.spec import parse_settings, read_config

    spec = run_spec(config, settings, {"profile": profile, "policy": policy})
    given = ({} if config is None else read_config(config)) | parse_settings(settings)
    if profile is None and "profile" not in given:
        raise SpecError(f"{log.path}: names no device: --profile NAME or FILE")
    known = load_profile(spec.profile)
    return recorded(log, spec, known), known
