"""`stratsim replay`."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli import run_options
from stratsim.cli.text import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratsim.results.timeline import Window
    from stratsim.run.inputs import Inputs
    from stratsim.run.outcome import Outcome
    from stratsim.run.spec import RunSpec

__all__ = ["replay", "run_spec"]

_LONG = 50_000
"""Requests, over all policies, from which a progress bar is worth its flicker."""


def _bytes(_context: click.Context, _option: click.Parameter, value: str | None) -> float | str | None:
    """Return a number where there is one; the setting itself refuses other words than it knows."""
    try:
        return value if value is None else float(value)
    except ValueError:
        return value


@click.command(
    epilog="""\b
Examples:
  stratsim replay                                      the bundled workload through four policies
  stratsim replay requests.csv --policy edf,priority-edf --gpus 2
  stratsim replay --policy 'edf(max_batch=4),my_policy.py:MyPolicy' --load 0.9
  stratsim replay azure-conv.csv --workload mix.toml --out results/conv
  stratsim replay disb-C.json --profile rtx3080-disb --json
  stratsim replay requests.csv --topology 8x-h800 --memory 16e9
  stratsim replay requests.csv --out results/one --timeline-from 12 --timeline-to 13
  stratsim replay --profile calibrated.json --policy fifo,edf --draws 20
  stratsim replay --profile calibrated.json --belief my-gpu.json      policies that know the profiler's times only
  stratsim replay requests.csv --out results/two --windows 10       where in the trace a policy fails
  stratsim replay --again results/conv                 the same bytes, or what differs
  stratsim replay requests.parquet --gpus 64 --groups 16 --jobs 8     16 servers of 4 GPUs, 8 processes
"""
)
@click.argument("trace", required=False)
@click.option(
    "--policy", metavar="LIST", help="Policies, by comma; parameters in brackets. [default: the four queueing ones]"
)
@run_options.profile
@click.option("--belief", metavar="NAME|FILE", help="What policies hold true of the GPU. [default: the profile]")
@click.option("--gpus", type=int, metavar="N", help="Number of GPUs. [default: the topology's, or 1]")
@run_options.topology
@click.option("--memory", metavar="BYTES|device", callback=_bytes, help="Load weights on demand into so much room.")
@click.option("--groups", type=int, metavar="N", help="Cut the GPUs into N groups, a policy each. [default: 1]")
@click.option(
    "--deal", metavar="RULE", help="Deal requests to groups: round-robin, model or client. [default: round-robin]"
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, metavar="N", help="Run groups in N processes. [default: 1]"
)
@run_options.workload
@click.option(
    "--load", type=float, metavar="X", help="Rate, as a share of load_unit (batch-1). [default: the trace's, or 0.7]"
)
@run_options.rate_scale
@click.option("--limit", type=int, metavar="N", help="Replay the first N requests.")
@run_options.warmup
@click.option("--seed", type=int, metavar="N", help="Seed of all random streams. [default: 0]")
@click.option(
    "--device-model",
    metavar="NAME",
    help="How co-located batches slow each other (`stratsim device list`). [default: the profile's]",
)
@click.option("--max-concurrency", type=int, metavar="N", help="Batches that execute at once on a GPU. [default: 2]")
@run_options.max_batch
@run_options.drop
@run_options.no_transfers
@click.option(
    "--engine",
    metavar="NAME",
    help="auto, simpy (the reference) or fast (the same bytes, sooner; docs/results/performance.md). [default: auto]",
)
@run_options.trace_format
@run_options.columns
@run_options.ticks
@run_options.strict
@run_options.config
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting by name, also those without an option (prefetch, pinned, uplink_bytes_per_s, reject_s, retries, "
    "backoff_s, retry_by, belief_latency_scale); wins over all.",
)
@click.option("--out", metavar="DIR", help="Write tables, summary, manifest and timeline there.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR.")
@click.option("--no-timeline", is_flag=True, help="Write no timeline.json.")
@click.option(
    "--timeline-from",
    type=float,
    metavar="S",
    help="timeline.json: from S on, simulated seconds. [default: all of a short run, else what is worth a look]",
)
@click.option("--timeline-to", type=float, metavar="S", help="timeline.json: up to S.")
@click.option(
    "--windows",
    "windows_s",
    type=float,
    metavar="S",
    help="Write windows.csv too: violations, arrivals, queue, utilization and batch size in windows of S seconds.",
)
@click.option(
    "--again", metavar="DIR", help="Repeat the runs of a result folder, and say whether the same bytes come out."
)
@click.option("--allow-code", is_flag=True, help="With --again: run what the manifest names as FILE.py:CLASS.")
@click.option(
    "--draws",
    type=click.IntRange(1, 1000),
    metavar="K",
    help="Replay K times more with other values of what a calibrated profile fits, and say what ranking holds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else.")
@click.option("--quiet", is_flag=True, help="No notes and no progress on stderr.")
def replay(
    config: str | None,
    settings: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    no_timeline: bool,
    timeline_from: float | None,
    timeline_to: float | None,
    windows_s: float | None,
    as_json: bool,
    quiet: bool,
    no_transfers: bool,
    jobs: int,
    again: str | None,
    allow_code: bool,
    draws: int | None,
    **options: Any,
) -> int:
    """Replay TRACE through one or more policies and compare them.

    TRACE is a file (its format is recognised from its content), the name of a bundled trace, or nothing: then the
    bundled default. Every policy replays the same requests. What the trace lacks of models, priorities and deadlines
    is filled by the workload rule; a note says what.
    """
    from stratsim.results import result_writer
    from stratsim.results.claim import claim
    from stratsim.run.inputs import prepare
    from stratsim.run.replay import check_jobs
    from stratsim.run.replay import replay as run

    window = _window(timeline_from, timeline_to)
    if window is not True and (no_timeline or (out is None and again is None)):
        raise click.UsageError("--timeline-from and --timeline-to choose what --out writes into timeline.json")
    if windows_s is not None and out is None:
        raise click.UsageError("--windows writes a table, windows.csv, into a result folder: say which with --out DIR")
    if allow_code and again is None:
        raise click.UsageError("--allow-code belongs to --again: what is typed is allowed as it is")
    if again is not None:
        others = [name for name, value in options.items() if value not in (None, False, ())]
        if others or config or settings or no_transfers or no_timeline or draws or windows_s or window is not True:
            raise click.UsageError("--again repeats a folder as it was run: no setting and no trace goes with it")
        return _repeat(again, out, overwrite=overwrite, allow=allow_code, jobs=jobs, as_json=as_json)
    # What a user's policy prints must not get between the JSON and its reader.
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), ExitStack() as stack:
        place = None if out is None else stack.enter_context(claim(out, overwrite=overwrite))
        spec = run_spec(config, settings, options, no_transfers=no_transfers)
        check_jobs(jobs, spec)  # before a long read
        inputs = _drawable(prepare(spec).lean(), draws)
        progress = stack.enter_context(_progress(inputs, shown=not quiet))
        if place is None:
            outcome = run(inputs, progress, keep_results=False, jobs=jobs)
            drawn = _draw(inputs, outcome, draws, quiet=quiet)
        else:
            names = [call.text for call in inputs.policies]
            _check_windows(windows_s, inputs)
            timeline = not no_timeline and window
            writer = stack.enter_context(result_writer(place, names, timeline=timeline, windows_s=windows_s))
            outcome = run(inputs, progress, keep_results=False, jobs=jobs, each=writer.add)
            drawn = _draw(inputs, outcome, draws, quiet=quiet)
            if drawn is not None:
                writer.add_draws(drawn)
            writer.finish(outcome.manifest())
    if not quiet:
        for note in outcome.notes:
            echo(f"note: {note}", err=True)
    if as_json:
        echo(json.dumps(_document(outcome) | ({} if drawn is None else {"draws": drawn}), allow_nan=False))
    else:
        _print(outcome, drawn, out, windows_s)
    return 0


def _check_windows(windows_s: float | None, inputs: Inputs) -> None:
    """Refuse a length of windows before a long run, as far as it can be known then."""
    from stratsim.cli.typed import as_typed
    from stratsim.stats.over_time import edges

    if windows_s is not None:
        arrival_s = inputs.workload.arrival_s
        with as_typed({"windows": "--windows"}):
            edges(0.0, float(arrival_s[-1] - arrival_s[0]) if len(arrival_s) else 0.0, windows_s)


def _window(from_s: float | None, to_s: float | None) -> Window | bool:
    """Return the window of the timeline that was asked for; True for none."""
    from stratsim.cli.typed import as_typed
    from stratsim.results.timeline import Window

    if from_s is None and to_s is None:
        return True
    with as_typed({"timeline": "--timeline-from and --timeline-to"}):
        return Window(from_s, to_s).checked()


def _print(outcome: Outcome, drawn: dict[str, Any] | None, out: str | None, windows_s: float | None) -> None:
    from stratsim.cli.run_table import print_draws, print_summaries

    print_summaries(outcome.summaries, {"sim req/s": [_speed(summary) for summary in outcome.summaries]})
    if outcome.inputs.workload.waits_for_replies:
        echo("clients that wait send more the sooner they are answered: `arrived` differs between policies")
    if drawn is not None:
        print_draws(drawn)
    if out is not None:
        windows = "" if windows_s is None else f"; windows.csv has {windows_s:g} s in a row"
        echo(f"written to {out}{windows}")


def _drawable(inputs: Inputs, draws: int | None) -> Inputs:
    """Return the inputs; refuse a profile that has nothing to draw before a long run."""
    from stratsim.run.draws import drawn_profile

    if draws is not None:
        drawn_profile(inputs.profile, 0)
    return inputs


def _draw(inputs: Inputs, outcome: Outcome, draws: int | None, *, quiet: bool) -> dict[str, Any] | None:
    """Replay under other values of what was fitted; return what holds, as plain JSON values."""
    from stratsim.run.draws import described_draws

    if draws is None:
        return None
    said = (lambda _: None) if quiet else (lambda draw: echo(f"draw {draw + 1} of {draws}", err=True))
    return described_draws(inputs, outcome.summaries, draws, said)


def _repeat(again: str, out: str | None, *, overwrite: bool, allow: bool, jobs: int, as_json: bool) -> int:
    """Repeat a result folder; return 1 if something else came out."""
    from stratsim.results.claim import claim
    from stratsim.run.again import repeat

    with redirect_stdout(sys.stderr) if as_json else nullcontext(), ExitStack() as stack:
        place = None if out is None else stack.enter_context(claim(out, overwrite=overwrite))
        found = repeat(again, out=place, allow=allow, jobs=jobs)
    if as_json:
        document = {"again": again, "same": found.same, "files": found.files, "differences": list(found.differences)}
        echo(json.dumps(document))
    else:
        for line in found.differences:
            echo(line)
        echo("the same bytes" if found.same else "not the same")
    return 0 if found.same else 1


def run_spec(
    config: str | None, settings: tuple[str, ...], options: dict[str, Any], *, no_transfers: bool = False
) -> RunSpec:
    """Merge the sources of settings: defaults, then the file, then the options, then --set."""
    from stratsim.cli.typed import as_typed, options_named
    from stratsim.plugins import allow_code
    from stratsim.run.spec import make_spec, parse_settings, read_config

    options["columns"] = ", ".join(options.get("columns") or ()) or None
    merged: dict[str, Any] = {}
    if config is not None:
        merged |= read_config(config)
        make_spec(merged, config)  # so that a mistake in the file is reported as the file's
    # By identity: 0 is a value, to be refused or obeyed, although it equals False.
    merged |= {key: value for key, value in options.items() if value is not None and value is not False}
    if no_transfers:
        merged["transfers"] = False
    own = parse_settings(settings)
    typed = options_named(options) | {name: f"--set {name}" for name in own}
    with as_typed(typed):
        spec = make_spec(merged | own)
    allow_code(spec.policy, spec.device_model, spec.trace_format)
    return spec


def _document(outcome: Outcome) -> dict[str, Any]:
    manifest = outcome.manifest()
    return {"trace": manifest["trace"], "runs": list(outcome.summaries), "manifest": manifest}


@contextmanager
def _progress(inputs: Inputs, *, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a progress callback that draws bars on stderr, or None where nobody would look or wait."""
    from stratsim.cli.text import is_terminal

    if not (shown and is_terminal(sys.stderr)) or len(inputs.workload) * len(inputs.policies) < _LONG:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {call.text: bars.add_task(call.text, total=len(inputs.workload) or None) for call in inputs.policies}
        yield lambda policy, done, total: bars.update(tasks[policy], completed=done, total=total or None)


def _speed(summary: dict[str, Any]) -> str:
    """Return the speed of the simulation."""
    requests = sum(figures["arrived"] for figures in summary["classes"].values())
    return f"{requests / max(summary['wall_s'], 1e-9):,.0f}"
