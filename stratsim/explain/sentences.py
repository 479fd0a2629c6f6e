"""An explanation in words: short sentences from figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.explain.explanation import Cause, Explanation, Other

__all__ = ["sentences"]

_MOST = 3
"""Batches that a sentence names."""
_WORTH = 0.05
"""Share of the latency from which a part is worth a word."""


def sentences(about: Explanation) -> str:
    """Return what happened to a request, and why; the name of a model keeps its spelling, first word or not."""
    models = tuple(other.name for other in about.slowed_by)
    return " ".join(f"{text if text.startswith(models) else _capitalised(text)}." for text in _phrases(about))


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _phrases(about: Explanation) -> Iterator[str]:
    if about.status == "unfinished":
        yield "never dispatched: the policy left it waiting"
    elif about.dropped_s is not None:
        yield from _dropped(about, about.dropped_s)
    else:
        yield _dispatched(about)
        yield from _happened(about)
    if about.cause is not None:
        yield from _decided(about)


def _dispatched(about: Explanation) -> str:
    assert about.dispatch_s is not None  # noqa: S101 (it was)
    waited_s = about.dispatch_s - about.arrival_s
    text = f"dispatched {_ms(waited_s)} after it arrived" if waited_s else "dispatched as it arrived"
    if about.expected_s is None or about.deadline_s is None:
        return text + _outcome(about)
    slack_s = about.deadline_s - about.expected_s
    estimate = f"{_ms(slack_s)} before its deadline" if slack_s >= 0 else f"{_ms(-slack_s)} after its deadline"
    return f"{text}, when its estimated finish was {estimate}{_outcome(about)}"


def _outcome(about: Explanation) -> str:
    if about.deadline_s is None or about.finish_s is None:
        return ""
    slack_s = about.deadline_s - about.finish_s
    return f"; it was back {_ms(slack_s)} before it" if slack_s >= 0 else f"; it was {_ms(-slack_s)} late"


def _happened(about: Explanation) -> Iterator[str]:
    """Yield what delayed the request after its dispatch, compared with a request that is alone."""
    latency_s = about.latency_s or 0.0
    start_s = about.dispatch_s or 0.0
    for name in ("weights", "copy_in_wait", "copy_in_contention", "slot_wait"):
        start_s += about.parts.get(name, 0.0)
    start_s += about.parts.get("copy_in", 0.0)  # when its execution began
    for other in about.slowed_by[:_MOST]:
        if (other.interference_s or 0.0) >= _WORTH * latency_s:
            lead_s = other.execution_start_s - start_s
            began = f"started {_ms(lead_s)} later" if lead_s > 0 else "already executing"
            yield f"{other.name}, {began}, slowed it by {_ms(other.interference_s or 0.0)}"
    for name, text in _PARTS.items():
        if about.parts.get(name, 0.0) >= _WORTH * latency_s:
            behind = f", behind {_names(about.slot_behind)}" if name == "slot_wait" else ""
            yield text.format(_ms(about.parts[name])) + behind


_PARTS = {
    "weights": "the weights of its model took {}",
    "copy_in_wait": "its input waited {} for the copy engine",
    "copy_in_contention": "other copies slowed its input by {}",
    "slot_wait": "it waited {} on the GPU for an execution slot",
    "preemption": "being preempted cost it {}",
    "copy_out_wait": "its output waited {} for the copy engine",
    "copy_out_contention": "other copies slowed its output by {}",
}


def _dropped(about: Explanation, dropped_s: float) -> Iterator[str]:
    text = f"dropped as {about.reason} {_ms(dropped_s - about.arrival_s)} after it arrived"
    if about.deadline_s is None:
        yield text
        return
    left_s = about.deadline_s - dropped_s
    yield f"{text}, {_ms(abs(left_s))} {'before' if left_s >= 0 else 'after'} its deadline"


def _decided(about: Explanation) -> Iterator[str]:
    cause = about.cause
    assert cause is not None  # noqa: S101 (asked for where there is one)
    gpu = "the GPU" if about.gpu is None else f"GPU {about.gpu}"
    since_s = cause.at_s - about.arrival_s
    if cause.kind == "waited" and about.latest_s is not None and about.latest_s < about.arrival_s:
        yield "its deadline was too short: even alone, from its arrival on, it could not have met it"
        return
    if cause.kind == "waited" and about.latest_s is not None:
        yield f"from {_ms(since_s)} after its arrival on it could not have been in time even alone"
        yield f"at that moment {gpu} had {_names(cause.batches)}{_since(cause)}"
    elif cause.kind == "waited":
        yield f"at the end {gpu} had {_names(cause.batches)}"
    elif cause.kind == "given up":
        yield f"alone it could still have been in time; {gpu} had {_names(cause.batches)}{_since(cause)}"
    elif cause.kind == "known":
        yield f"it was dispatched although estimated to be late; {gpu} had {_names(cause.batches)}{_since(cause)}"
    elif cause.kind == "later dispatch":
        yield f"without the batches dispatched after it ({_names(cause.batches)}) it would have been in time"
    elif cause.kind == "preempted":
        yield f"had it not been stopped, it would have been in time; meanwhile {gpu} had {_names(cause.batches)}"
    elif cause.kind == "belief":
        assert about.finish_s is not None  # noqa: S101 (it was late)
        assert about.expected_s is not None  # noqa: S101 (so it says)
        later_s = sum(other.interference_s or 0.0 for other in about.slowed_by if other.later)
        part = f", {_ms(later_s)} of that by batches dispatched after it" if later_s else ""
        longer = _ms(about.finish_s - about.expected_s)
        yield f"its own dispatch made it late: it took {longer} longer than estimated{part}"
    elif about.dropped_s is not None:
        yield f"whether it could still have been in time is not known; {gpu} had {_names(cause.batches)}{_since(cause)}"
    else:
        yield "its own dispatch made it late; this policy gives no estimates"


def _since(cause: Cause) -> str:
    counts = [f"{count} of {name} priority" for name, count in cause.meanwhile.items() if count]
    return f"; batches dispatched since it arrived: {', '.join(counts)}" if counts else ""


def _names(others: Sequence[Other]) -> str:
    if not others:
        return "nothing"
    more = f" and {len(others) - _MOST} more" if len(others) > _MOST else ""
    return ", ".join(other.name for other in others[:_MOST]) + more


def _ms(seconds: float) -> str:
    """Return a time in milliseconds, to the microsecond at most."""
    text = f"{seconds * 1e3:.3g}" if abs(seconds) < 0.1 else f"{seconds * 1e3:.0f}"
    return f"{text} ms"
