"""A compiled `strait`, as the engine and a live run know policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.fast.compiled import IS_COMPILED, entered
from stratsim.fast.strait import codes
from stratsim.fast.strait.deciding import decide
from stratsim.fast.strait.mail import entry
from stratsim.fast.strait.setup import set_up
from stratsim.fast.strait.state import add_requests, lengthen_logs
from stratsim.model.request import Priority
from stratsim.policy.base import Drop, SetTimer, Start
from stratsim.policy.strait import Strait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

    from stratsim.model.request import Request
    from stratsim.policy.base import Decision, Setting
    from stratsim.policy.view import InFlight, View

__all__ = ["CompiledStrait"]

_HIGH = Priority.HIGH
_REASONS = {codes.DROP_EXPIRED: "expired", codes.DROP_INFEASIBLE: "infeasible"}


class CompiledStrait(Strait):
    """Decides what `Strait` decides, to the last bit, sooner.

    Where something does not fit into its arrays it goes on, and says so in `is_exact`: what it decides is sound, but
    may not be what `Strait` decides.
    """

    @classmethod
    def of(cls, policy: Strait) -> Self:
        """Return the same policy, compiled; its belief is shared, so use one of both only."""
        made = cls.__new__(cls)
        made.__dict__.update(vars(policy))
        return made

    @property
    def is_exact(self) -> bool:
        """Whether everything has fitted so far."""
        return not self._state.ints[codes.FULL]

    # The run --------------------------------------------------------------------------------------------------------

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        names = sorted(setting.profile.models)
        self.belief.fit(setting.profile)
        self._transfers.fit(setting.profile)
        self._number = {name: number for number, name in enumerate(names)}
        self._random = setting.streams.get("explore")
        self._use(set_up(self, setting, names))
        self._waiting: dict[int, Request] = {}
        """Those that the policy holds, by block."""
        self._spare: list[int] = []
        """Blocks of requests that are free."""
        self._blocks = 0
        self._followed: list[list[tuple[int, InFlight]]] = [[] for _ in range(setting.gpus)]
        """By GPU, the batches that the forecasts know of, each behind its block."""
        self._moved: set[int] = set()
        """GPUs of several that may hold other numbers of batches than at the last update."""
        self._staging: set[int] = set()
        """GPUs that have staged batches: only there can any start."""
        self._decide(0.0)  # compiles, or loads what is compiled; there is nothing to decide on yet

    def _use(self, state: codes.State) -> None:
        """Work on these arrays from now on."""
        self._state = state
        # Sooner to read and to write one number at a time than arrays are.
        self._ints: Any = state.ints.data
        self._reals: Any = state.reals.data
        self._where = np.array([array.ctypes.data for array in state])
        self._address = self._where.ctypes.data

    def _decide(self, now_s: float) -> int:
        """Decide; return how many decisions are listed."""
        if not IS_COMPILED:
            return decide(self._state, now_s)
        self._reals[codes.NOW_S] = now_s
        entered(entry).call(self._address, 1)
        return self._ints[codes.DECISIONS]  # type: ignore[no-any-return]

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request: `decide` takes it in."""
        if not self._spare:
            state, blocks = add_requests(self._state, self._blocks)
            self._use(state)
            self._blocks += len(blocks)
            self._spare = list(reversed(blocks))
        block = self._spare.pop()
        self._waiting[block] = request
        number, model, level, arrival_s, deadline_s, bytes_in, bytes_out, _ = request
        ints, reals = self._ints, self._reals
        ints[block + codes.REQUEST_ID] = number
        ints[block + codes.REQUEST_MODEL] = self._number[model]
        ints[block + codes.IS_LOW] = level is not _HIGH
        ints[block + codes.IN_BYTES], ints[block + codes.OUT_BYTES] = bytes_in, bytes_out
        reals[block + codes.DEADLINE_S], reals[block + codes.ARRIVAL_S] = deadline_s, arrival_s
        ints[ints[codes.ARRIVED_AT] + ints[codes.ARRIVED]] = block
        ints[codes.ARRIVED] += 1

    def decide(self, view: View) -> Iterable[Decision]:
        """Expire, then high priority, then low priority."""
        ints, now_s = self._ints, view.now_s
        if ints[codes.DRAWN] * 2 >= ints[codes.DRAWS]:
            self._draw()
        changed = self._tell_of_one(view) if len(self._followed) == 1 else self._tell_of_all(view)
        count = self._decide(float(now_s))
        if ints[codes.UPDATED]:
            for number in changed:
                followed = self._followed[number]
                self._followed[number] = [each for each in followed if not each[1].execution_end_s <= now_s]
            if len(self._followed) > 1:
                self._moved.clear()
                self._note_staging(changed)
            if ints[codes.FULLEST_LOG] * 2 >= ints[codes.LOG_ROWS]:
                self._use(lengthen_logs(self._state, self._refresh))
        return self._decisions(count, view) if count else ()

    def _draw(self) -> None:
        """Refill the random numbers."""
        ints, reals = self._state.ints, self._state.reals
        first, drawn, draws = ints[codes.DRAW_AT], ints[codes.DRAWN], ints[codes.DRAWS]
        reals[first : first + draws - drawn] = reals[first + drawn : first + draws]
        reals[first + draws - drawn : first + draws] = self._random.random(drawn)
        ints[codes.DRAWN] = 0

    # What has happened ----------------------------------------------------------------------------------------------

    def _tell_of_one(self, view: View) -> Sequence[int]:
        """Tell of the only GPU; return it if it has to be brought up to date."""
        ints, followed = self._ints, self._followed[0]
        viewed = view.gpus[0].in_flight
        ints[ints[codes.GPU_AT] + codes.VIEWED] = viewed
        ints[codes.HAS_ENDED] = viewed != len(followed)
        ints[codes.CHANGED] = len(followed) > 0
        if not followed:
            return ()
        ints[ints[codes.CHANGED_AT]] = 0
        self._tell(followed)
        return (0,)

    def _tell_of_all(self, view: View) -> Sequence[int]:
        """Tell of the GPUs where anything can have happened: batches are missing, or wait to start; return them."""
        ints, gpus, followed = self._ints, view.gpus, self._followed
        self._moved.update(view.take_changed())
        first, size, missing = ints[codes.GPU_AT], ints[codes.GPU_BLOCK], []
        for number in self._moved:
            viewed = gpus[number].in_flight
            ints[first + number * size + codes.VIEWED] = viewed
            if viewed != len(followed[number]):
                missing.append(number)
        ints[codes.HAS_ENDED] = len(missing) > 0
        changed = sorted(self._staging.union(missing))
        ints[codes.CHANGED] = len(changed)
        for position, number in enumerate(changed):
            ints[ints[codes.CHANGED_AT] + position] = number
            self._tell(followed[number])
        return changed

    def _tell(self, followed: Sequence[tuple[int, InFlight]]) -> None:
        """Tell of what the server's log says of batches."""
        reals = self._reals
        for block, batch in followed:
            copied_s, start_s, end_s = batch.known_s()
            reals[block + codes.COPIED_S], reals[block + codes.START_S] = copied_s, start_s
            reals[block + codes.DONE_S] = end_s

    def _note_staging(self, changed: Sequence[int]) -> None:
        ints = self._ints
        for number in changed:
            if not ints[ints[codes.GPU_AT] + number * ints[codes.GPU_BLOCK] + codes.STAGED]:
                self._staging.discard(number)

    # What is decided ------------------------------------------------------------------------------------------------

    def _decisions(self, count: int, view: View) -> Iterator[Decision]:
        ints, reals, gpus = self._ints, self._reals, view.gpus
        first = ints[codes.DECISION_AT]
        for at in range(first, first + count * codes.DECISION_BLOCK, codes.DECISION_BLOCK):
            what = ints[at + codes.WHAT]
            if what == codes.START:
                number = ints[at + codes.WHERE]
                yield Start(self._taken(at), number, reals[at + codes.AT_S])
                newest = gpus[number].newest
                assert newest is not None  # noqa: S101 (it has just been started)
                self._followed[number].append((ints[at + codes.WHICH], newest))
                self._staging.add(number)
            elif what == codes.TIMER:
                yield SetTimer(reals[at + codes.AT_S])
            else:
                (request,) = self._taken(at)
                yield Drop(request, _REASONS[what])

    def _taken(self, decision: int) -> tuple[Request, ...]:
        """Return the requests of a decision, which leave the policy."""
        ints = self._ints
        first = ints[codes.LISTED_AT] + ints[decision + codes.FIRST_LISTED]
        blocks = [ints[place] for place in range(first, first + ints[decision + codes.MANY])]
        self._spare += blocks
        return tuple([self._waiting.pop(block) for block in blocks])
