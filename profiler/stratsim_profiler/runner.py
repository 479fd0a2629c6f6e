"""`stratsim profile run`, step by step: open, plan, measure or resume, fit, write."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.model.codec import plain
from stratsim.model.write import check_out
from stratsim.version import __version__
from stratsim_profiler.campaign import run_plan, warm_up
from stratsim_profiler.cells import all_cells
from stratsim_profiler.device import open_device
from stratsim_profiler.environment import Monitor
from stratsim_profiler.measure.bench import Bench
from stratsim_profiler.options import make_request
from stratsim_profiler.plan import Load, Plan, Request, within_budget
from stratsim_profiler.progress import Progress, clock
from stratsim_profiler.samples import SAMPLES_SCHEMA, Discarded, Done, Header
from stratsim_profiler.settings import Settings, settings_for
from stratsim_profiler.store import SampleFile, Samples, read_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim_profiler.campaign import Outcome
    from stratsim_profiler.device.base import Device, DeviceInfo
    from stratsim_profiler.environment import Probe
    from stratsim_profiler.options import Options

__all__ = ["describe_plan", "plan_run", "profile_device"]


@dataclass(frozen=True, slots=True)
class _Run:
    """What an open run consists of."""

    request: Request
    settings: Settings
    plan: Plan


def plan_run(options: Options) -> tuple[str, Plan]:
    """Return the device's name and what would be measured."""
    device = open_device(options.device)
    try:
        return device.info.name, _planned(options, device.info, _earlier(options)).plan
    finally:
        device.shutdown()


def profile_device(options: Options, say: Callable[[str], None]) -> None:
    """Measure a device, fit its profile and write it.

    Args:
        options: What the user asks for.
        say: Takes lines for the user.

    Raises:
        OutputError: the profile exists already, or cannot be written.
        SpecError: an option does not fit the device, or the samples file is another run's.
    """
    for path in (options.out, options.report):
        if path is not None:
            check_out(path, overwrite=options.overwrite)
    earlier = _earlier(options)
    device = open_device(options.device)
    try:
        run = _planned(options, device.info, earlier)
        probe = device.probe()
        facts = _checked(probe, options)
        for line in describe_plan(device.info.name, run.plan):
            say(line)
        with _samples_file(options, device.info, run, facts, earlier, say) as file:
            outcome = _measure(device, probe, run, file, say)
    finally:
        device.shutdown()
    for line in describe_outcome(outcome, file.samples):
        say(line)
    fit_and_write(options, say)


def describe_plan(device: str, plan: Plan) -> list[str]:
    """Return what will be measured, in words."""
    counts = plan.counts()
    planned = ", ".join(f"{count} {group}" for group, (count, _) in counts.items() if count)
    lines = [f"{device}: {len(plan.cells)} cells, about {clock(plan.estimate_s)} min ({planned})"]
    left = ", ".join(f"{count} {group}" for group, (_, count) in counts.items() if count)
    if left and plan.budget_s is not None:
        lines.append(f"left out by the budget of {clock(plan.budget_s)} min: {left}")
    if plan.budget_s is not None and plan.estimate_s > plan.budget_s:
        lines.append("the least that a profile needs takes longer than the budget: it is measured all the same")
    return lines


def describe_outcome(outcome: Outcome, samples: Samples) -> list[str]:
    """Return how the measurements went, in words."""
    lines = [f"measured {outcome.measured} cells in {clock(outcome.spent_s)} min"]
    reasons = Counter(record.reason for record in samples.of(Discarded))
    if reasons:
        lines.append("discarded: " + ", ".join(f"{count} for {reason}" for reason, count in reasons.most_common()))
    if outcome.given_up:
        lines.append(f"without samples: {', '.join(outcome.given_up)}")
    if outcome.late:
        lines.append(f"no time left for {len(outcome.late)} cells; a larger --budget goes on where this run ended")
    return lines


def fit_and_write(options: Options, say: Callable[[str], None]) -> None:
    """Fit a profile to a run's samples and write it, with the report where one is asked for.

    Raises:
        ProfileError: the samples do not make a profile.
        OutputError: it cannot be written.
    """
    from stratsim_profiler.fit import fit_samples
    from stratsim_profiler.fit.text import lines
    from stratsim_profiler.fit_command import write_results

    name = options.name or options.out.name.removesuffix(".json")
    result = fit_samples(options.samples_file, name=name)
    for line in lines(result):
        say(line)
    write_results(result, options.out, options.report, overwrite=options.overwrite)
    say(f"{options.samples_file}: raw samples")


def _planned(options: Options, info: DeviceInfo, earlier: Samples | None) -> _Run:
    """Return the request, the settings and the plan; those of an earlier run where there is one to go on with."""
    request = make_request(options, info) if earlier is None else _earlier_request(earlier, options, info)
    settings = settings_for(info.kind, quick=request.quick, allow_shared=options.allow_shared)
    plan = within_budget(all_cells(request, settings, info), options.budget_for(info.kind), _spent_s(earlier))
    return _Run(request, settings, plan)


def _spent_s(earlier: Samples | None) -> dict[str, float]:
    """Return the time that the measured cells of an earlier run took."""
    if earlier is None:
        return {}
    return {done.cell: done.spent_s for done in earlier.of(Done) if done.cell in earlier.measured}


def _earlier(options: Options) -> Samples | None:
    path = options.samples_file
    return read_samples(path) if path.exists() else None


def _earlier_request(earlier: Samples, options: Options, info: DeviceInfo) -> Request:
    """Return what an earlier run was asked for; a run that is asked for something else must not be mixed with it."""
    device, then = earlier.header.device.get("name"), earlier.header.plan["request"]
    if device != info.name:
        raise SpecError(f"{earlier.source}: holds samples of {device}, not of {info.name}; name another file --samples")
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in then.items()}
    request = Request(**fields | {"heaviest": Load(**then["heaviest"])})
    asked = {
        "models": options.models,
        "solo_batches": options.solo_batches,
        "batches": options.batches,
        "dtype": options.dtype,
        "mode": options.mode,
        "priorities": options.priorities,
        "quick": options.quick,
    }
    for name, value in asked.items():
        was = getattr(request, name)
        if value and value != was:
            raise SpecError(
                f"{earlier.source}: was measured with {name} {was!r}, not {value!r}; name another --samples"
            )
    return request


def _checked(probe: Probe, options: Options) -> dict[str, Any]:
    """Return what the probe knows; refuse a GPU that somebody else is using."""
    facts = probe.facts()
    others = facts.get("other_processes")
    if others and not options.allow_shared:
        probe.close()
        pids = ", ".join(str(pid) for pid in others)
        raise SpecError(
            f"{options.device}: used by process {pids}; end it, or share the device with it: --allow-shared"
        )
    return facts | {"warnings": list(probe.warnings)}


def _samples_file(
    options: Options,
    info: DeviceInfo,
    run: _Run,
    facts: dict[str, Any],
    earlier: Samples | None,
    say: Callable[[str], None],
) -> SampleFile:
    if earlier is not None:
        say(f"going on with {options.samples_file}: {len(earlier.done)} cells are done")
        return SampleFile.resume(options.samples_file)
    software = {"python": platform.python_version(), "system": platform.platform()}
    device = asdict(info)
    header = Header(
        schema=SAMPLES_SCHEMA,
        tool_version=__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        device=plain(device.pop("details") | device),
        environment=plain(software | facts),
        plan=plain({"request": asdict(run.request)} | run.plan.as_record()),
        settings=plain(asdict(run.settings)),
    )
    return SampleFile.create(options.samples_file, header)


def _measure(device: Device, probe: Probe, run: _Run, file: SampleFile, say: Callable[[str], None]) -> Outcome:
    for warning in probe.warnings:
        say(f"warning: {warning}")
    with Monitor(probe) as monitor, Progress(run.plan.estimate_s, len(run.plan.cells)) as progress:
        bench = Bench(device, monitor, run.settings, run.request.dtype, run.request.mode)
        warm = next(cell for cell in run.plan.cells if cell.kind == "solo")
        spent = warm_up(bench, replace(warm, loads=(run.request.heaviest,)))
        progress.say(f"warmed up for {spent:.1f} s")
        try:
            return run_plan(bench, run.plan, file, progress)
        except KeyboardInterrupt:
            progress.say(f"{len(file.samples.done)} cells are kept in {file.path}; the same command goes on from there")
            raise
