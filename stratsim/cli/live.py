"""`stratsim live`."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli import run_options
from stratsim.cli.text import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim.live import Served
    from stratsim.results.claim import Claim
    from stratsim.run.inputs import Inputs

__all__ = ["live"]

_EPILOG = """\b
Examples:
  stratsim profile run --device cuda:0 --out my-gpu.json        measure the device first
  stratsim live --device cuda:0 --profile my-gpu.json --load 0.7 --out results/live
  stratsim live requests.csv --device cuda:0 --profile my-gpu.json --policy fifo,priority-edf,strait
  stratsim live --device cpu --profile my-cpu.json --workload mix.toml --load 0.5 --limit 500
  stratsim plot results/live                                    result folders are those of a replay
  stratsim replay --profile my-gpu.json --load 0.7              the same requests, simulated

\b
A run that is stopped (Ctrl-C, a failing device or policy) keeps what it has measured in DIR.partial.
docs/reference/live.md says what is measured, and what a run on a CPU does not say about GPUs.
"""


@click.command(epilog=_EPILOG)
@click.argument("trace", required=False)
@click.option("--device", required=True, metavar="cuda:N|cpu[:CORES]", help="What serves.")
@click.option("--profile", required=True, metavar="NAME|FILE", help="What policies know of it; names its models.")
@click.option(
    "--policy", metavar="LIST", help="Policies, by comma, run in turn. [default: the four queueing ones of `replay`]"
)
@run_options.workload
@click.option(
    "--load", type=float, metavar="X", help="Rate, as a share of load_unit (batch-1). [default: the trace's, or 0.7]"
)
@run_options.rate_scale
@click.option("--limit", type=int, metavar="N", help="Serve the first N requests.")
@run_options.warmup
@click.option("--seed", type=int, metavar="N", help="Seed of what the workload rule and policies draw. [default: 0]")
@click.option("--max-concurrency", type=int, metavar="N", help="Batches that execute at once. [default: 2]")
@run_options.max_batch
@run_options.drop
@click.option("--dtype", metavar="NAME", help="Data type of the models: fp32, fp16, bf16. [default: the device's]")
@click.option("--mode", metavar="NAME", help="How a GPU gets its kernels: graph or eager. [default: the device's]")
@click.option(
    "--patience",
    "patience_s",
    type=float,
    default=30.0,
    show_default=True,
    metavar="S",
    help="End the run if batches are in flight and none gets any further for so long.",
)
@run_options.trace_format
@run_options.strict
@run_options.config
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting of `replay` by name (prefetch, say)."
)
@click.option("--out", metavar="DIR", help="Write tables, summary, manifest and timeline there.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR, and in DIR.partial.")
@click.option("--no-timeline", is_flag=True, help="Write no timeline.json.")
@click.option("--allow-code", is_flag=True, help="Run what the profile names as FILE.py:NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
@click.option("--quiet", is_flag=True, help="No notes and no progress on stderr.")
def live(
    device: str,
    dtype: str | None,
    mode: str | None,
    patience_s: float,
    config: str | None,
    settings: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    no_timeline: bool,
    as_json: bool,
    quiet: bool,
    allow_code: bool,
    **options: Any,
) -> None:
    """Serve a trace on a real device through one or more policies.

    TRACE is what `stratsim replay` takes. The policies are the same, and so is everything that says what arrives.
    Requests arrive at the trace's times, however far the device falls behind. Every batch is real: inputs are copied,
    the models of the profile are run, outputs are copied back. A run takes as long as the trace.
    """
    from stratsim.cli.allow import allow_profile
    from stratsim.cli.replay import run_spec
    from stratsim.live import Target, serve, terminable
    from stratsim.results.claim import claim
    from stratsim.run.inputs import prepare

    target = Target(device, dtype, mode, patience_s)
    with ExitStack() as stack:
        places = (
            None if out is None else [stack.enter_context(claim(name, overwrite=overwrite)) for name in _names(out)]
        )
        with terminable():
            with redirect_stdout(sys.stderr) if as_json else nullcontext():
                spec = run_spec(config, settings, options)
                if allow_code:
                    allow_profile(spec.profile)
                inputs = prepare(spec)
                with _progress(inputs, shown=not quiet) as progress:
                    say = (lambda _: None) if quiet else (lambda line: echo(line, err=True))
                    served = serve(inputs, target, progress=progress, say=say)
            if not quiet:
                for note in served.outcome.notes:
                    echo(f"note: {note}", err=True)
        with _undisturbed():
            where = None if not places else _write(served, places, timeline=not no_timeline)
    if as_json:
        echo(json.dumps(_document(served), allow_nan=False))
    else:
        _print(served)
        if where is not None:
            echo(f"written to {where}")
    if served.stopped is not None:
        _stop(served, where)


def _names(out: str) -> tuple[str, str]:
    """Return where a run goes that came to its end, and where one goes that was stopped."""
    return out, f"{out}.partial"


def _write(served: Served, places: Sequence[Claim], *, timeline: bool) -> str:
    """Write what was measured to one of the places of `_names`; return which."""
    from stratsim.results import write_results

    place = places[served.stopped is not None]
    write_results(
        list(served.outcome.results),
        place,
        manifest=served.manifest(),
        summaries=list(served.outcome.summaries),
        timeline=timeline,
    )
    return str(place.shown)


def _stop(served: Served, where: str | None) -> None:
    """End the command in the way of what ended the run."""
    from stratsim.live import Terminated

    assert served.stopped is not None  # noqa: S101 (the caller's condition)
    if not isinstance(served.stopped, KeyboardInterrupt):
        raise served.stopped
    kept = "nothing was to be written" if where is None else f"what was measured is in {where}"
    echo(f"stratsim: interrupted; {kept}", err=True)
    raise click.exceptions.Exit(143 if isinstance(served.stopped, Terminated) else 130)


def _document(served: Served) -> dict[str, Any]:
    manifest = served.manifest()
    return {"trace": manifest["trace"], "runs": list(served.outcome.summaries), "manifest": manifest}


def _print(served: Served) -> None:
    from stratsim.cli.run_table import print_summaries

    shown = {result.policy for result in served.outcome.results}
    lags = [run["lag_s"] for run in served.live["runs"] if run["policy"] in shown]
    cells = ["-" if lag["p99"] is None else f"{lag['p99'] * 1e3:.2f}" for lag in lags]
    print_summaries(served.outcome.summaries, {"lag p99 ms": cells})


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep a second Ctrl-C from throwing away what cannot be measured again: writing takes a moment only."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(inputs: Inputs, *, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a progress callback that draws bars on stderr, or None where nobody would look.

    The bars are drawn by the callback alone: a thread that draws would delay the executor.
    """
    from stratsim.cli.text import is_terminal

    if not (shown and is_terminal(sys.stderr)):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bars:
        tasks = {call.text: bars.add_task(call.text, total=len(inputs.workload)) for call in inputs.policies}
        yield lambda policy, done, _: bars.update(tasks[policy], completed=done, refresh=True)
