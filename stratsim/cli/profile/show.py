"""`stratsim profile show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from stratsim.cli.text import echo, heading, ms, number, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.kernel_queue import AsServed, KernelQueue
    from stratsim.model.profile import Link, Profile, Sharing

__all__ = ["show"]


_EXAMPLES = """\b
Examples:
  stratsim profile show rtx3080-disb
  stratsim profile show a100-80gb-parvagpu --model resnet50
  stratsim profile show my-gpu.json --json | jq .derived
"""


@click.command("show", epilog=_EXAMPLES)
@click.argument("source", metavar="NAME|FILE")
@click.option("--model", "model", metavar="MODEL", help="Show one model only, by its name or an alias.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else: times in s, sizes in bytes."
)
def show(source: str, *, model: str | None, as_json: bool) -> None:
    """Show a profile: models, latencies by batch size, copies, sharing, and where each figure comes from."""
    from stratsim.cli.profile.figures import describe
    from stratsim.model.codec import load_profile

    profile = load_profile(source)
    names = [*profile.observable.models] if model is None else [profile.resolve(model)]
    if as_json:
        echo(json.dumps(describe(profile, names), indent=2, allow_nan=False, ensure_ascii=False))
        return
    _show_head(profile)
    _show_models(profile, names)
    _show_latencies(profile, names)
    _show_intensities(profile, names)
    _show_truth(profile, names)
    _show_pairs(profile)
    _show_interpolation(profile)
    _show_provenance(profile)


def _show_head(profile: Profile) -> None:
    from stratsim.cli.profile.figures import saturation_per_s
    from stratsim.model.codec import profile_sha256

    device, pcie = profile.device, profile.observable.pcie
    echo(profile.name, bold=True)
    if profile.description:
        echo(profile.description)
    memory = None if device.memory_bytes is None else device.memory_bytes / 2**30
    bandwidth = device.memory_bandwidth_bytes_per_s
    rows = [
        ("device", device.name),
        ("memory", f"{number(memory)} GiB, {number(None if bandwidth is None else bandwidth / 1e9)} GB/s"),
        ("compute", f"{number(None if device.peak_flops is None else device.peak_flops / 1e12)} TFLOP/s peak"),
        ("SMs", "-" if device.sms is None else str(device.sms)),
        ("host to device", _link(pcie.h2d)),
        ("device to host", _link(pcie.d2h)),
        (
            "saturation",
            f"{number(saturation_per_s(profile))} requests/s (batch 1, one at a time, all models equally often)",
        ),
        ("schema", _schema(profile.schema_version)),
        ("sha256", profile_sha256(profile)),
    ]
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        echo(f"  {label.ljust(width)}  {value}")


def _schema(version: int) -> str:
    from stratsim.model.profile import SCHEMA_VERSION

    if version == SCHEMA_VERSION:
        return f"version {version}"
    return f"version {version}; version {SCHEMA_VERSION} is written now, and what this one lacks has its default"


def _link(link: Link) -> str:
    return f"{number(link.alpha_s * 1e6)} us + bytes / {number(link.bytes_per_s / 1e9)} GB/s"


def _show_models(profile: Profile, names: Sequence[str]) -> None:
    from stratsim.cli.profile.figures import model_figures

    heading("Models: one request alone (a scheduler may know all of this)")
    columns = ("model", "aliases", "in kB", "out kB", "weights MB", "copy in ms", "execute ms", "copy out ms")
    rates = ("total ms", "saturates at /s", "best /s", "at batch")
    rows = []
    for name in names:
        model, found = profile.observable.models[name], model_figures(profile, name)
        weights = None if model.weights_bytes is None else model.weights_bytes / 1e6
        rows.append(
            (
                name,
                ", ".join(model.aliases) or "-",
                *(number(value) for value in (model.bytes_in / 1e3, model.bytes_out / 1e3, weights)),
                *(ms(value) for value in (found["copy_in_s"], model.latency_s[1], found["copy_out_s"])),
                ms(found["end_to_end_s"]),
                *(number(found[key]) for key in ("saturation_per_s", "best_per_s")),
                str(found["best_batch"]),
            )
        )
    table(columns + rates, rows, left=2)


def _show_latencies(profile: Profile, names: Sequence[str]) -> None:
    tables = {name: profile.observable.models[name].latency_s for name in names}
    sizes = sorted({batch for latencies in tables.values() for batch in latencies})
    heading(f"Execution alone, ms, by batch size ({profile.observable.interpolation} between the sizes; none beyond)")
    rows = [(name, *(ms(t[size]) if size in t else "-" for size in sizes)) for name, t in tables.items()]
    table(("model", *(str(size) for size in sizes)), rows)


def _show_intensities(profile: Profile, names: Sequence[str]) -> None:
    rows = []
    for name in names:
        model = profile.observable.models[name]
        first, last = model.features.get(1), model.features.get(max(model.features, default=1))
        kernels = model.kernels
        rows.append(
            (
                name,
                *("-" if entry is None else f"{entry.compute:.1%}" for entry in (first, last)),
                *("-" if entry is None else f"{entry.memory:.1%}" for entry in (first, last)),
                "-" if kernels is None else str(kernels.count),
                "-" if kernels is None else number(kernels.mean_s * 1e6),
            )
        )
    if any(cell != "-" for row in rows for cell in row[1:]):
        heading("Intensity, share of the peak, at batch 1 and at the largest; kernels of one request")
        table(("model", "compute 1", "compute max", "memory 1", "memory max", "kernels", "mean us"), rows)


def _show_truth(profile: Profile, names: Sequence[str]) -> None:
    heading("Truth: only the simulated GPU knows this, the scheduler does not see it")
    own = ", ".join(f"{name} {cv:.2%}" for name, cv in profile.truth.noise_cvs.items() if name in names)
    echo(f"  run-to-run variation of execution: {profile.truth.noise_cv:.2%}{f' ({own})' if own else ''}")
    echo(f"  device models with all that they need: {', '.join(_supported(profile))}")
    tables = {name: profile.truth.sharing.get(name, {}) for name in names}
    sizes = sorted({batch for sharing in tables.values() for batch in sharing})
    echo(
        "  sharing (demand, the share of the GPU occupied alone / weight, its strength against others; phases apart), "
        "by batch size:"
    )
    rows = [
        (
            name,
            *(_shares(t[size]) if size in t else "-" for size in sizes),
        )
        for name, t in tables.items()
    ]
    table(("model", *(str(size) for size in sizes)), rows)
    if profile.truth.kernel_queue is not None:
        _show_kernel_queue(profile.truth.kernel_queue, names)


def _show_kernel_queue(queue: KernelQueue, names: Sequence[str]) -> None:
    tables = {name: queue.length_s.get(name, {}) for name in names}
    sizes = sorted({batch for lengths in tables.values() for batch in lengths})
    echo(
        f"  kernel-queue: residual {queue.residual:.3g}, gap {number(queue.gap_s * 1e6)} us; mean kernel, us / hold, "
        "the share of it that keeps others waiting, by batch size:"
    )
    rows = []
    for name, lengths in tables.items():
        holds = queue.holds.get(name, {})
        both = {size: f"{length * 1e6:.3g} / {holds.get(size, queue.hold):.2g}" for size, length in lengths.items()}
        cells = (both.get(size, "-") for size in sizes)
        rows.append((name, *cells))
    table(("model", *(str(size) for size in sizes)), rows)
    if queue.served is not None:
        _show_served(queue.served, names)


def _show_served(served: AsServed, names: Sequence[str]) -> None:
    echo(
        f"  as served: every start costs those that run {number(served.start_s * 1e6)} us; beside others executions "
        "take this many times as long as by the rule, by batch size:"
    )
    tables = {name: served.factors[name] for name in names if name in served.factors}
    sizes = sorted({batch for factors in tables.values() for batch in factors})
    rows = [(name, *(f"{t[size]:.3f}" if size in t else "-" for size in sizes)) for name, t in tables.items()]
    table(("model", *(str(size) for size in sizes)), rows)


def _supported(profile: Profile) -> list[str]:
    from stratsim.device.execution import supported

    return [name for name, lacking in supported(profile.for_hardware()).items() if lacking is None]


def _shares(sharing: Sharing) -> str:
    return ", ".join(f"{phase.demand:.3g} / {phase.weight:.3g}" for phase in sharing.as_phases())


def _show_pairs(profile: Profile) -> None:
    from statistics import median

    heading("Co-location pairs (a scheduler may know them)")
    if not profile.pairs:
        echo("  none; `stratsim profile pairs` simulates a campaign that measures them")
        return
    slowdowns = [pair.slowdown for pair in profile.pairs]
    limited = sum(pair.limited for pair in profile.pairs)
    held = sum(pair.held_out for pair in profile.pairs)
    shares = f", {limited} of them with a share of the GPU" if limited else ""
    echo(f"  {len(slowdowns)} directed slowdowns, {held} held out{shares}")
    low, middle, high = min(slowdowns), median(slowdowns), max(slowdowns)
    echo(f"  least {number(low)}, median {number(middle)}, most {number(high)}")


def _show_interpolation(profile: Profile) -> None:
    from stratsim.cli.profile.figures import interpolation_check

    check = interpolation_check(profile)
    heading("Interpolation: error of each measured latency predicted from the others")
    rows = [
        (
            f"{method} (used)" if method == profile.observable.interpolation else method,
            str(int(found["points"])),
            *(f"{found[key]:.1%}" for key in ("median", "mean", "worst")),
        )
        for method, found in check.items()
        if found is not None
    ]
    if rows:
        table(("method", "points", "median", "mean", "worst"), rows)
    else:
        echo("  not used: no model has three measured batch sizes")


def _show_provenance(profile: Profile) -> None:
    from stratsim.model.provenance import uncovered

    heading("Where the figures come from (* is every model; a longer path overrides a shorter one)")
    for path, entry in sorted(profile.provenance.items()):
        licence = f" [{entry.licence}]" if entry.licence else ""
        echo(f"  {path}\n    {entry.kind}: {entry.source}{licence}")
        if entry.note:
            echo(f"    {entry.note}")
    missing = uncovered(profile)
    if missing:
        echo(f"  not said for {len(missing)} fields: {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}")
