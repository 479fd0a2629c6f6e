"""What is wrong with a decision, and whom an exception is blamed on: the same words in a simulated and in a live run.

All of it is called once something is wrong: nothing here is on the way of a legal decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.errors import PolicyError, StratsimError
from stratsim.model.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.policy.base import Start
    from stratsim.policy.view import GpuView

__all__ = [
    "BARE_REQUEST",
    "IN_THE_PAST",
    "NOTHING_YIELDED",
    "NOT_A_DECISION",
    "are_requests",
    "blame",
    "member_fault",
    "not_waiting",
    "start_fault",
]

BARE_REQUEST = "Start takes a tuple of requests"
IN_THE_PAST = "a timer must lie in the future"
NOTHING_YIELDED = "`decide` must yield decisions or return them, not None"
NOT_A_DECISION = "not a decision: yield Start, Drop, SetTimer, Suspend or Resume"


def are_requests(given: Any) -> bool:
    """Whether a policy gave several requests; one of them bare is a tuple, too, of other things."""
    return not isinstance(given, Request) and all(isinstance(request, Request) for request in given)


def not_waiting(request: Request) -> str:
    """Say that a request is not in the queue."""
    return f"request {request.id} is not waiting"


def start_fault(decision: Start, gpus: Sequence[GpuView], largest: Mapping[str, int]) -> str:
    """Say why a batch may not be started: its size, its GPU, or no place there.

    Args:
        decision: What the policy asked for.
        gpus: All GPUs, by id.
        largest: Largest batch size by model.
    """
    requests, gpu_id, _ = decision
    if not requests:
        return "an empty batch"
    if not any(gpu.id == gpu_id for gpu in gpus):
        return f"there is no GPU {gpu_id}, only 0 to {len(gpus) - 1}"
    if gpus[gpu_id].free_places < 1:
        return f"GPU {gpu_id} has no free place"
    model = requests[0].model
    return f"a batch of {len(requests)}, but {model!r} is profiled up to {largest[model]}"


def member_fault(request: Request, decision: Start) -> str:
    """Say why a request may not be in a batch."""
    if request.model != decision.requests[0].model:
        return f"a batch of two models, {decision.requests[0].model!r} and {request.model!r}"
    return not_waiting(request)


def blame(error: Exception, policy: str, now_s: float) -> Exception:
    """Return what to raise for an exception out of a policy: it names the policy, the time and the place."""
    if isinstance(error, StratsimError):
        return error
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
    return PolicyError(f"{type(error).__name__}: {error}{place}", policy=policy, time_s=float(now_s))
