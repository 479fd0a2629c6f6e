"""What `stratsim capacity` prints: progress, tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.cli.text import echo, ms, number, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.capacity.measure import Probe
    from stratsim.capacity.target import Goal

__all__ = ["print_fleets", "print_rates", "say_fleet", "say_rate"]


def say_rate(policy: str, probe: Probe, goals: Sequence[Goal]) -> None:
    """Say what a rate gave, as it comes."""
    shares = {goal.name: goal.share for goal in goals}
    verdict = "meets" if probe.certain(shares) else "does not surely meet" if probe.possible(shares) else "misses"
    echo(f"{policy} at {number(probe.rate)} requests/s: {missed_text(probe, goals)}: {verdict} the target", err=True)


def say_fleet(policy: str, probe: Probe, goals: Sequence[Goal]) -> None:
    """Say what a number of GPUs gave, as it comes."""
    shares = {goal.name: goal.share for goal in goals}
    verdict = "meets" if probe.certain(shares) else "undecided" if probe.possible(shares) else "misses"
    place = f"{policy}, {_gpus(probe.gpus or 1)}, {number(probe.rate)} requests/s"
    echo(f"{place}: {missed_text(probe, goals)}: {verdict}{'' if verdict == 'undecided' else ' the target'}", err=True)


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


def print_fleets(document: Mapping[str, Any]) -> None:
    """Print the fewest GPUs, and for each policy a sentence on what decides, and one on what binds."""
    priced = document["price_per_gpu_hour"] is not None
    columns = ["policy", "fewest GPUs", "missed there", "percentile there", "headroom", "busy there"]
    rows = [_fleet_row(document, each, priced=priced) for each in document["fleets"]]
    table([*columns, *(["cost /h", "cost /million requests"] if priced else [])], rows)
    echo(f"{number(document['rate_per_s'])} requests/s; {target_line(document)}")
    for each in document["fleets"]:
        echo(f"{each['policy']}: {_chosen(each)}{fleet_sentence(document, each)}")
        echo(f"{each['policy']} {binding_sentence(document, each['edge'])}")


def _chosen(fleet: Mapping[str, Any]) -> str:
    """Return the settings that were chosen, and how, in front of a sentence."""
    found = fleet["chosen"]
    if found is None:
        return ""
    settings = ", ".join(f"{name}={value}" for name, value in fleet["settings"].items())
    of = f"the best of {len(found['trials'])} on {len(found['seeds'])} other seeds at {_gpus(found['gpus'])}"
    return f"with {settings}, {of}: " if settings else f"{of}: "


def _fleet_row(document: Mapping[str, Any], fleet: Mapping[str, Any], *, priced: bool) -> list[str]:
    point = next((point for point in fleet["points"] if point["gpus"] == fleet["gpus"]), None)
    costs = [number(fleet["cost_per_hour"]), number(fleet["cost_per_million"])] if priced else []
    if point is None:
        return [fleet["policy"], f"more than {document['gpus'][-1]}", "-", "-", "-", "-", *costs]
    goals = [goal for goal in document["target"] if goal["limit_s"] is not None]
    percentiles = [f"{goal['name']} {_percentile(point['goals'][goal['name']])}" for goal in goals]
    return [
        fleet["policy"],
        str(fleet["gpus"]),
        _missed_there(document["target"], point["goals"]),
        ", ".join(percentiles) or "-",
        f"{number(100 * fleet['headroom'], 3)} %",
        f"{number(100 * point['utilization'], 3)} %",
        *costs,
    ]


def _percentile(found: Mapping[str, Any]) -> str:
    if found["percentile_s"] is None:
        return "never, among dropped"
    mean, low, high = (ms(found["percentile_s"][key]) for key in ("mean", "low", "high"))
    return f"{mean} ms [{low}, {high}]"


def fleet_sentence(document: Mapping[str, Any], fleet: Mapping[str, Any]) -> str:
    """Return how many GPUs meet the target, which do not, and which are undecided."""
    points = {point["gpus"]: point for point in fleet["points"]}
    count, tried = fleet["gpus"], document["gpus"]
    below = [gpus for gpus in tried if count is None or gpus < count]
    misses = [gpus for gpus in below if gpus in fleet["misses"]]
    undecided = [gpus for gpus in below if gpus in fleet["undecided"]]
    if count is None and tried[-1] in misses:
        parts = [f"{_gpus(tried[-1])}, the most that were tried, {_verb(tried[-1], 'do')} not meet it"]
        parts[0] += f" ({_there(document, points[misses.pop()])})"
        misses.clear()
    elif count is None:
        parts = [f"{_gpus(tried[-1])}, the most that were tried, {_verb(tried[-1], 'do')} not surely meet it"]
    elif count == tried[0]:
        parts = [f"{_gpus(count)}, the fewest that were tried, {_verb(count, 'meet')} it"]
    else:
        parts = [f"{_gpus(count)} {_verb(count, 'meet')} it"]
    if misses:
        most = misses[-1]
        parts.append(f"{most} {_verb(most, 'do')} not ({_there(document, points[most])})")
    if undecided:
        texts = [f"{gpus} ({_there(document, points[gpus])})" for gpus in undecided]
        parts.append(f"undecided: {', '.join(texts)}; more seeds or requests decide")
    return "; ".join(parts)


def _there(document: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    return ", ".join(goal_text(goal, point["goals"][goal["name"]]) for goal in document["target"])


def binding_sentence(document: Mapping[str, Any], edge: Mapping[str, Any]) -> str:
    """Return what became of the requests that miss the target, and what their latency is made of."""
    goal = next(goal for goal in document["target"] if goal["name"] == edge["goal"])
    texts = []
    if edge["dropped"]:
        wait_s = edge["dropped_wait_s"]
        after = "" if wait_s is None else f", dropped after {ms(wait_s)} ms"
        share = number(100 * edge["dropped"] / edge["missed"], 3)
        texts.append(f"{share} % of those that miss {goal['name']} have no answer{after}")
    if edge["parts_s"] is not None:
        which = "the slowest 1 %" if edge["slowest"] else "those answered late"
        texts.append(f"{which} take {_parts(edge['parts_s'])}")
    return f"on {_gpus(edge['gpus'])}: {'; '.join(texts)}"


def _parts(parts_s: Mapping[str, float]) -> str:
    """Return a mean latency and its largest parts: `62 ms on average: 81 % waiting for dispatch, ...`."""
    from stratsim.explain.parts import PARTS

    total_s = sum(parts_s.values())
    largest = sorted(parts_s, key=lambda name: -parts_s[name])
    shown = [name for name in largest if parts_s[name] >= _WORTH * total_s]
    words = ", ".join(f"{100 * parts_s[name] / total_s:.0f} % {PARTS[name]}" for name in shown)
    return f"{ms(total_s)} ms on average ({words})"


def _gpus(count: int) -> str:
    return f"{count} GPU{'' if count == 1 else 's'}"


def _verb(count: int, verb: str) -> str:
    if count != 1:
        return verb
    return "does" if verb == "do" else f"{verb}s"


_WORTH = 0.05
"""Share of the latency from which a part is worth a word."""
