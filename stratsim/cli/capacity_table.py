"""What `stratsim capacity` prints: progress, tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.cli.text import echo, ms, number, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.capacity.measure import Probe
    from stratsim.capacity.target import Goal

__all__ = ["goal_text", "print_rates", "say_rate"]


def say_rate(policy: str, probe: Probe, goals: Sequence[Goal]) -> None:
    """Say what a rate gave, as it comes."""
    shares = {goal.name: goal.share for goal in goals}
    verdict = "meets" if probe.certain(shares) else "does not surely meet" if probe.possible(shares) else "misses"
    echo(f"{policy} at {number(probe.rate)} requests/s: {missed_text(probe, goals)}: {verdict} the target", err=True)


def missed_text(probe: Probe, goals: Sequence[Goal]) -> str:
    """Return what missed each goal, as `high 0.4 % [0.1, 0.7], p99: 2.1 % [1.8, 2.4] over 50 ms`."""
    return ", ".join(_missed(goal.name, goal.limit_s, probe.intervals[goal.name]._asdict()) for goal in goals)


def goal_text(goal: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the same of one goal of a document, and what it is at a place."""
    return _missed(goal["name"], goal["limit_s"], found["missed"])


def _missed(name: str, limit_s: float | None, share: Mapping[str, float]) -> str:
    if limit_s is None:
        return f"{name} {percent(share)}"
    return f"{name}: {percent(share)} over {ms(limit_s)} ms"


def percent(found: Mapping[str, float] | None) -> str:
    """Return a share with its interval: `0.4 % [0.1, 0.7]`."""
    if found is None:
        return "-"
    mean, low, high = (number(100 * found[key], 3) for key in ("mean", "low", "high"))
    return f"{mean} % [{low}, {high}]"


_RATES = (
    *("policy", "met up to /s", "load", "mean meets up to", "surely missed at"),
    "missed there",
    "goodput /s there",
)


def print_rates(document: Mapping[str, Any]) -> None:
    """Print the highest rates."""
    rows = [
        [
            each["policy"],
            number(each["rate_per_s"]),
            number(each["load"], 3),
            number(each["expected_per_s"]),
            number(each["above_per_s"]),
            _missed_there(document["target"], each["goals"]),
            _goodput(each["goodput_per_s"]["all"]),
        ]
        for each in document["capacities"]
    ]
    table(_RATES, rows)
    echo(target_line(document))
    for each in document["capacities"]:
        if each["rate_per_s"] is None:
            lowest = each["probes"][0]["rate_per_s"]
            echo(f"{each['policy']}: misses the target at every rate that was tried, down to {lowest:.3g}/s")
        elif each["above_per_s"] is None:
            echo(f"{each['policy']}: meets the target at every rate that was tried")


def target_line(document: Mapping[str, Any]) -> str:
    """Return what the target is, and when it is met."""
    wanted = ", ".join(goal["words"] for goal in document["target"])
    return (
        f"target: {wanted}; met: the upper {100 * document['level']:g} % confidence limit of the share that misses, "
        f"mean over {len(document['seeds'])} seeds, allows it; surely missed: the lower one does not"
    )


def _missed_there(target: Sequence[Mapping[str, Any]], goals: Mapping[str, Any] | None) -> str:
    if goals is None:
        return "-"
    return ", ".join(f"{goal['name']} {percent(goals[goal['name']]['missed'])}" for goal in target)


def _goodput(found: Mapping[str, float] | None) -> str:
    return "-" if found is None else f"{found['mean']:.4g} [{found['low']:.4g}, {found['high']:.4g}]"
