"""`stratsim trace generate`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from stratsim.cli.text import echo
from stratsim.cli.trace import options

if TYPE_CHECKING:
    from stratsim.model.profile import Profile
    from stratsim.trace.generate import Process
    from stratsim.trace.schema import Trace

__all__ = ["generate"]

_EXAMPLES = """\b
Examples:
  stratsim trace generate -n 10000 --load 0.8 --profile a100-80gb-parvagpu --out poisson.csv.gz
  stratsim trace generate -n 10000 --arrivals gamma --cv 4 --rate 200 --models bert,resnet50 --out bursty.csv
  stratsim trace generate -n 20000 --arrivals diurnal --period 3600 --rate 50 --out day.parquet
  stratsim trace generate -n 5000 --arrivals closed-loop --clients 8 --think 0.01 --out clients.json
  stratsim trace generate -n 20000 --arrivals onoff --on 20 --off 80 --out shape.csv.gz

The last one has neither rate nor model: a shape, in units of the mean inter-arrival time, that replays on every
profile at any --load.
"""

_SLO_DIGITS = 9
"""Relative deadlines are written to the nanosecond."""

_KINDS = ("poisson", "gamma", "onoff", "periodic", "diurnal", "closed-loop")
_NEEDS = {"cv": "gamma", "on": "onoff", "off": "onoff", "off_share": "onoff", "period": "diurnal",
          "amplitude": "diurnal", "clients": "closed-loop", "think": "closed-loop", "stop": "closed-loop"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Shape:
    """Parameters of the arrival processes, as given; None where not."""

    arrivals: str
    cv: float | None
    on: float | None
    off: float | None
    off_share: float | None
    period: float | None
    amplitude: float | None
    clients: int | None
    think: float | None
    stop: float | None

    def __post_init__(self) -> None:
        for name, kind in _NEEDS.items():
            if getattr(self, name) is not None and kind != self.arrivals:
                raise click.UsageError(f"--{name.replace('_', '-')} belongs to --arrivals {kind}, not {self.arrivals}")

    def process(self, rate: float) -> Process:
        """Return the process of a given rate."""
        from stratsim.trace.generate import Diurnal, Gamma, OnOff, Periodic, Poisson

        if self.arrivals == "gamma":
            return Gamma(rate, 2.0 if self.cv is None else self.cv)
        if self.arrivals == "onoff":
            return OnOff(rate, _needed("--on", self.on), _needed("--off", self.off), self.off_share or 0.0)
        if self.arrivals == "diurnal":
            return Diurnal(rate, 0.5 if self.amplitude is None else self.amplitude, _needed("--period", self.period))
        return Periodic(rate) if self.arrivals == "periodic" else Poisson(rate)


def _needed(option: str, value: float | None) -> float:
    if value is None:
        raise click.UsageError(f"{option} is needed for these arrivals")
    return value


@click.command("generate", epilog=_EXAMPLES)
@click.option("-n", "count", type=click.IntRange(min=1), required=True, metavar="N", help="Number of requests.")
@click.option("--out", required=True, type=click.Path(), metavar="FILE", help="Output; its suffix says the format.")
@click.option("--arrivals", type=click.Choice(_KINDS), default="poisson", show_default=True, help="Arrival process.")
@click.option("--load", type=float, help="Rate as a share of the batch-1 exclusive saturation; needs --profile.")
@click.option("--rate", type=float, help="Mean rate in requests per second, all models together.")
@click.option("--profile", metavar="NAME|FILE", help="Name models, priorities and deadlines for this profile.")
@click.option("--models", metavar="A,B,...", help="Models, in equal shares; default all of the profile.")
@click.option("--gpus", type=click.IntRange(min=1), default=1, show_default=True, help="GPUs that --load is for.")
@click.option("--cv", type=float, help="gamma: coefficient of variation of the gaps, per model (default 2).")
@click.option("--on", type=float, help="onoff: mean duration of an on period, seconds.")
@click.option("--off", type=float, help="onoff: mean duration of an off period, seconds.")
@click.option("--off-share", type=float, help="onoff: rate while off as a share of the rate while on (default 0).")
@click.option("--period", type=float, help="diurnal: length of a day, seconds.")
@click.option("--amplitude", type=float, help="diurnal: largest deviation as a share of the mean (default 0.5).")
@click.option("--clients", type=click.IntRange(min=1), help="closed-loop: number of clients (default 4).")
@click.option("--think", type=float, help="closed-loop: pause after each reply, seconds (default 0).")
@click.option("--stop", type=float, help="closed-loop: send nothing from this time on, seconds.")
@options.seed
@options.overwrite
def generate(
    *,
    count: int,
    out: str,
    load: float | None,
    rate: float | None,
    profile: str | None,
    models: str | None,
    gpus: int,
    seed: int,
    overwrite: bool,
    **shape: object,
) -> None:
    """Generate a trace from arrival processes.

    Each model has a process and a random stream of its own. With --profile the file names model, priority and deadline
    of every request, by the default rule; without, the rule fills them at replay. Without --load, --rate and --models
    it is a shape: durations count in mean inter-arrival times.
    """
    from stratsim.cli.trace.report import described
    from stratsim.cli.typed import as_typed, options_named
    from stratsim.trace.write import write_trace

    request = _Shape(**shape)  # type: ignore[arg-type]
    typed = options_named(("rate", "cv", "off_share", "amplitude"))
    typed |= {"on_s": "--on", "off_s": "--off", "period_s": "--period"}
    if load is not None and rate is not None:
        raise click.UsageError("--load and --rate exclude each other")
    if load is not None and profile is None:
        raise click.UsageError("--load needs --profile: the saturation depends on it")
    known = _load(profile)
    shares = _shares(known, models)
    if request.arrivals == "closed-loop":
        if load is not None or rate is not None:
            raise click.UsageError("closed-loop clients have no rate of their own: leave --load and --rate out")
        trace = _clients(request, count, shares)
    else:
        with as_typed(typed):
            trace = _open_loop(request, count, seed, _rate(known, shares, load, rate, gpus), shares)
    if known is not None:
        trace = _completed(trace, known, seed)
    write_trace(trace, out, overwrite=overwrite)
    echo(f"{out}: {described(trace)}")


def _load(profile: str | None) -> Profile | None:
    from stratsim.model.codec import load_profile

    return None if profile is None else load_profile(profile)


def _shares(profile: Profile | None, models: str | None) -> dict[str, float] | None:
    """Return equal shares of the models that are asked for; None for no names at all."""
    if models is None:
        return None if profile is None else dict.fromkeys(profile.observable.models, 1.0)
    names = [name.strip() for name in models.split(",")]
    if not all(names):
        raise click.UsageError(f"--models holds an empty name: {models!r}")
    return dict.fromkeys(names if profile is None else map(profile.resolve, names), 1.0)


def _rate(
    profile: Profile | None, shares: dict[str, float] | None, load: float | None, rate: float | None, gpus: int
) -> float | None:
    """Return the rate in requests per second; None for a shape."""
    from stratsim.errors import SpecError
    from stratsim.trace.rule import saturation_rate
    from stratsim.trace.spec import DEFAULT_LOAD

    if profile is not None and shares is not None and rate is None:
        wanted = DEFAULT_LOAD if load is None else load
        if not 0 < wanted < float("inf"):
            raise SpecError(f"load must be > 0 and finite, got {wanted}")
        return wanted * saturation_rate(profile.for_scheduler(), shares, gpus)
    if rate is None and shares is not None:
        raise click.UsageError("--models without --profile needs --rate")
    return rate


def _open_loop(shape: _Shape, count: int, seed: int, rate: float | None, shares: dict[str, float] | None) -> Trace:
    from stratsim.rng import Streams
    from stratsim.trace.generate import generate as arrivals

    return arrivals(shape.process, count, Streams(seed), rate=rate, models=shares)


def _clients(shape: _Shape, count: int, shares: dict[str, float] | None) -> Trace:
    from stratsim.trace.generate import closed_loop

    stop_s = float("inf") if shape.stop is None else shape.stop
    return closed_loop(shape.clients or 4, count, think_s=shape.think or 0.0, stop_s=stop_s, models=shares)


def _completed(trace: Trace, profile: Profile, seed: int) -> Trace:
    """Return the trace with classes and deadlines by the default rule; bytes stay the profile's."""
    from stratsim.trace.rule import complete
    from stratsim.trace.workload import to_trace

    filled = to_trace(complete(trace, profile.for_scheduler(), resolve=profile.resolve, seed=seed))
    clients = tuple(replace(spec, bytes_in=None, bytes_out=None) for spec in filled.closed_loop)
    slo_s = None if filled.deadline_s is None else (filled.deadline_s - filled.arrival_s).round(_SLO_DIGITS)
    return replace(filled, deadline_s=None, slo_s=slo_s, bytes_in=None, bytes_out=None, closed_loop=clients)
