"""The workload rule: fills what a trace lacks, for one profile, and brings it to a load.

The default rule is a normalised arrival shape plus: models are all of the profile in equal shares, 30 % high priority,
deadlines of 5 x (high) or 10 x (low) the solo latency at batch 1 with transfers, and a rate of 0.7 of the profile's
batch-1 exclusive saturation. A trace keeps whatever it says itself, its rate included.

A load is that of the expected mix: where models are drawn, their shares in the rule decide the rate and not those in
the draw, so that two seeds replay the same arrivals. The manifest of a run states the load of the mix that was drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from stratsim.errors import OutsideProfileError, SpecError, TraceError
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient, Workload
from stratsim.rng import Streams
from stratsim.trace.by_column import high_by_column, model_by_column
from stratsim.trace.read import OWN_FORMATS
from stratsim.trace.schema import narrow
from stratsim.trace.source import shown
from stratsim.trace.spec import DEFAULT_LOAD, HIGH_SHARE, MLPERF_BOUNDS_S, SLO_FACTORS, WorkloadRule
from stratsim.trace.stagger import staggered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stratsim.model.profile import SchedulerProfile
    from stratsim.trace.schema import ClientSpec, Names, Trace

__all__ = ["complete", "saturation_rate"]

_MAPPED = 3
"""Names that a ready line for a workload file shows."""


def saturation_rate(profile: SchedulerProfile, shares: dict[str, float], gpus: int = 1) -> float:
    """Return the batch-1 exclusive saturation: `gpus` / mean solo latency of the mix, requests per second.

    Args:
        profile: Gives the solo latencies at batch 1, without copies.
        shares: Shares by model, in any unit.
        gpus: Number of GPUs.
    """
    total = sum(shares.values())
    return gpus / sum(share / total * profile.latency_s(model, 1) for model, share in shares.items())


def complete(
    trace: Trace,
    profile: SchedulerProfile,
    rule: WorkloadRule | None = None,
    *,
    resolve: Callable[[str], str],
    gpus: int = 1,
    seed: int = 0,
    load: float | None = None,
    rate_scale: float | None = None,
    limit: int | None = None,
) -> Workload:
    """Return the complete workload of a trace on a profile.

    Args:
        trace: What was read.
        profile: Latencies, bytes and links, as a scheduler knows them.
        rule: What fills the gaps; None for the default rule.
        resolve: Maps a model name or alias to the profile's own name, or raises OutsideProfileError.
        gpus: Number of GPUs, for the load.
        seed: Of the draws: `("model",)` for models, `("priority", model)` for the classes of one model's requests,
            so that one more model in the trace moves no other's draws.
        load: Offered load as a share of the batch-1 exclusive saturation of the expected mix. None keeps the rate of a
            trace with real times, and takes 0.7 for one without.
        rate_scale: Multiplies the rate, last of all.
        limit: Keep the first so many requests; the load is that of what is kept.

    Raises:
        TraceError: a model that the profile lacks (with the row of its first request), or a rule's column that is
            missing or unfit.
        SpecError: the rule or an option does not fit the trace or the profile.
    """
    _check_options(load, rate_scale, limit)
    trace = staggered(trace, profile, resolve)
    filling = _Filling(trace if limit is None else trace.head(limit), profile, rule or WorkloadRule(), resolve, seed)
    return filling.workload(gpus, load, rate_scale)


def _check_options(load: float | None, rate_scale: float | None, limit: int | None) -> None:
    for name, value in (("load", load), ("rate scale", rate_scale)):
        if value is not None and not 0 < value < math.inf:
            raise SpecError(f"{name} must be > 0 and finite, got {value}")
    if limit is not None and limit < 1:
        raise SpecError(f"limit must be at least 1 request, got {limit}")


class _Filling:
    """One run of `complete`: fills column after column, and remembers what it filled."""

    def __init__(
        self, trace: Trace, profile: SchedulerProfile, rule: WorkloadRule, resolve: Callable[[str], str], seed: int
    ) -> None:
        self.trace = trace
        self.profile = profile
        self.rule = rule
        self.resolve = resolve
        self.streams = Streams(seed)
        self.filled: list[str] = []
        self.notes = list(trace.notes)
        self.models = tuple(profile.models)
        self.mix = self._mix()
        self.unused = dict.fromkeys(trace.extra)

    def workload(self, gpus: int, load: float | None, rate_scale: float | None) -> Workload:
        """Return the workload; the order of the steps is the order in which they need each other."""
        model = self._models()
        priority = self._priorities(model)
        scale = self._time_scale(model, gpus, load, rate_scale)
        arrival = self.trace.arrival_s if scale == 1.0 else self.trace.arrival_s * scale
        deadline = self._deadlines(arrival, model, priority, unchanged=scale == 1.0)
        bytes_in, bytes_out = self._bytes("bytes_in", model), self._bytes("bytes_out", model)
        clients = tuple(self._client(spec) for spec in self.trace.closed_loop)
        client = self.trace.client
        self._note_unused()
        if self.filled:
            name = "default rule" if self.rule == WorkloadRule() else "workload rule"
            self.notes.append(f"filled by the {name}: {'; '.join(dict.fromkeys(self.filled))}")
        return Workload(
            models=self.models,
            arrival_s=arrival,
            model=model,
            priority=priority,
            deadline_s=deadline,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            client=np.broadcast_to(np.int32(-1), len(arrival)) if client is None else client.codes,
            client_names=() if client is None else client.names,
            closed_loop=clients,
            one_at_a_time=tuple(OneAtATimeClient(spec.id, spec.stop_s * scale) for spec in self.trace.one_at_a_time),
            notes=tuple(self.notes),
        )

    def _note_unused(self) -> None:
        """Say which columns of a file in our own format nobody looks at; those of result files are known."""
        result = {"request_id", "status"} <= set(self.trace.extra)
        if self.unused and self.trace.format in OWN_FORMATS and not result:
            self.notes.append(f"columns that nothing uses: {shown(self.unused)}")

    def _own(self, name: str, where: str) -> str:
        """Return the profile's own name of a model that the rule names."""
        try:
            return self.resolve(name)
        except OutsideProfileError as error:
            raise SpecError(f"workload rule, {where}: {error}") from None

    def _codes(self, names: Sequence[str], where: str) -> NDArray[np.int32]:
        return np.asarray([self.models.index(self._own(name, where)) for name in names], dtype=np.int32)

    def _mix(self) -> dict[str, float]:
        """Return the shares of the models that are drawn, by the profile's own names."""
        if self.rule.models.mix is None:
            return dict.fromkeys(self.models, 1.0)
        mix: dict[str, float] = {}
        for name, share in self.rule.models.mix.items():
            own = self._own(name, "models.mix")
            mix[own] = mix.get(own, 0.0) + share
        return mix

    def _mix_text(self) -> str:
        if self.rule.models.mix is None:
            return f"model (all {len(self.mix)} of the profile, equal shares)"
        return f"model (mix of {len(self.mix)})"

    def _draw(self, rng: np.random.Generator, count: int) -> NDArray[np.int32]:
        """Return `count` models drawn from the mix."""
        codes = np.asarray([self.models.index(name) for name in self.mix], dtype=np.int32)
        cumulative = np.cumsum(list(self.mix.values()))
        drawn = np.searchsorted(cumulative / cumulative[-1], rng.random(count), side="right")
        return codes[np.minimum(drawn, len(codes) - 1)]

    def _models(self) -> NDArray[np.int32]:
        trace, rule = self.trace, self.rule.models
        if trace.model is not None and rule.column != "model":
            return self._named_models(trace.model)
        if not len(trace):
            return np.empty(0, dtype=np.int32)
        if rule.column is not None:
            self.filled.append(f"model (by column {rule.column})")
            self.unused.pop(rule.column, None)
            if rule.column == "model" and rule.values is not None and trace.model is not None:
                own = {name: name for name in trace.model.names if self._knows(name)}
                rule = msgspec.structs.replace(rule, values=own | rule.values)
            return model_by_column(trace, rule, lambda names: self._codes(names, "models"))
        self.filled.append(self._mix_text())
        return self._draw(self.streams.get("model"), len(trace))

    def _named_models(self, column: Names) -> NDArray[np.int32]:
        codes = np.empty(len(column.names), dtype=np.int32)
        for code, name in enumerate(column.names):
            try:
                codes[code] = self.models.index(self.resolve(name))
            except OutsideProfileError as error:
                first = int(np.argmax(column.codes == code))
                raise self.trace.error(f"{error}; {self._mapping(column)}", first, "model") from None
        return codes[column.codes]

    def _mapping(self, column: Names) -> str:
        """Return a line for a workload file that maps names of the trace to models of the profile."""
        names = [name for name in column.names if not self._knows(name)][:_MAPPED]
        pairs = ", ".join(f'"{name}" = "{self.models[n % len(self.models)]}"' for n, name in enumerate(names))
        return f'a workload file maps names: [models] column = "model", values = {{ {pairs} }}'

    def _knows(self, name: str) -> bool:
        try:
            self.resolve(name)
        except OutsideProfileError:
            return False
        return True

    def _priorities(self, model: NDArray[np.int32]) -> NDArray[np.int8]:
        trace, rule = self.trace, self.rule.priority
        if trace.priority is not None:
            return trace.priority
        if not len(trace):
            return np.empty(0, dtype=np.int8)
        if rule.column is not None:
            self.filled.append(f"priority (by column {rule.column})")
            self.unused.pop(rule.column, None)
            high = high_by_column(trace, rule)
        else:
            self.filled.append(self._priority_text())
            high = self._draw_high(model)
        return np.where(high, np.int8(Priority.HIGH), np.int8(Priority.LOW)).astype(np.int8)

    @property
    def _high_share(self) -> float:
        share = self.rule.priority.high_share
        return HIGH_SHARE if share is None else share

    def _priority_text(self) -> str:
        return f"priority ({100 * self._high_share:g} % high)"

    def _draw_high(self, model: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Draw classes: the n-th request of a model takes the n-th number of that model's own stream."""
        high = np.empty(len(model), dtype=bool)
        for code in np.unique(model).tolist():
            rows = np.flatnonzero(model == code)
            high[rows] = self.streams.get("priority", self.models[code]).random(len(rows)) < self._high_share
        return high

    def _slo_s(self, model: str, priority: Priority) -> float:
        """Return the deadline that the rule gives to a model's class, seconds after the arrival."""
        rule, solo_s = self.rule.slo, self.profile.end_to_end_s(model, 1)
        if rule is None:
            return SLO_FACTORS[priority] * solo_s
        if rule.none:
            return math.inf
        own = next((entry for name, entry in rule.models.items() if self._own(name, "slo.models") == model), None)
        given = own.seconds(priority, solo_s) if own is not None else None
        if given is None:
            given = self._mlperf_bound_s(model) if rule.bounds else rule.seconds(priority, solo_s)
        return SLO_FACTORS[priority] * solo_s if given is None else given

    def _mlperf_bound_s(self, model: str) -> float:
        for name, bound_s in MLPERF_BOUNDS_S.items():
            try:
                own = self.resolve(name)
            except OutsideProfileError:
                continue
            if own == model:
                return bound_s
        raise SpecError(
            f"workload rule, slo.bounds: MLPerf has no server bound for model {model!r}; "
            f"it has {', '.join(MLPERF_BOUNDS_S)}: give slo.models.{model} or another mix"
        )

    @property
    def _fills_deadlines(self) -> bool:
        return self.rule.slo is not None or not self.trace.deadline_free

    def _deadline_text(self) -> str:
        if self.rule.slo is None:
            return f"deadline ({SLO_FACTORS[Priority.HIGH]:g} x solo high, {SLO_FACTORS[Priority.LOW]:g} x solo low)"
        return "deadline (none)" if self.rule.slo.none else "deadline (slo)"

    def _deadlines(
        self, arrival: NDArray[np.float64], model: NDArray[np.int32], priority: NDArray[np.int8], *, unchanged: bool
    ) -> NDArray[np.float64]:
        """Return absolute deadlines; rescaled time moves arrivals, not the time that a request is given."""
        trace = self.trace
        if trace.deadline_s is not None:
            return trace.deadline_s if unchanged else arrival + (trace.deadline_s - trace.arrival_s)
        if trace.slo_s is not None:
            return arrival + trace.slo_s
        if not self._fills_deadlines or not len(trace):
            return np.full(len(arrival), np.inf)
        self.filled.append(self._deadline_text())
        slo = np.full((len(self.models), len(Priority)), np.nan)
        pairs = np.flatnonzero(np.bincount(model * len(Priority) + priority))
        for code, level in (divmod(pair, len(Priority)) for pair in pairs.tolist()):
            slo[code, level] = self._slo_s(self.models[code], Priority(level))
        deadline: NDArray[np.float64] = slo[model, priority]
        deadline += arrival
        return deadline

    def _bytes(self, column: str, model: NDArray[np.int32]) -> NDArray[np.integer[Any]]:
        given: NDArray[np.integer[Any]] | None = getattr(self.trace, column)
        if given is not None:
            return given
        if len(model):
            self.filled.append("bytes (of the profile)")
        sizes = [getattr(self.profile.model(name), column) for name in self.models]
        return narrow(np.asarray(sizes, dtype=np.int64))[model]

    def _time_scale(self, model: NDArray[np.int32], gpus: int, load: float | None, rate_scale: float | None) -> float:
        """Return the factor from the trace's times to seconds of the workload."""
        trace = self.trace
        if not len(trace):
            if load is not None or rate_scale is not None:
                raise SpecError("load and rate scale change arrivals; this trace has closed-loop clients only")
            if self.rule.compress != 1.0:
                self.notes.append("compress of the workload rule has no effect: there are closed-loop clients only")
            return 1.0
        if load is None and not trace.normalised:
            return self._scale_of_rule(rate_scale)
        if self.rule.compress != 1.0:
            self.notes.append(
                f"compress {self.rule.compress:g} of the workload rule has no effect: a load sets the rate"
            )
        scale = self._scale_to_load(model, gpus, DEFAULT_LOAD if load is None else load, rate_scale)
        return scale / (rate_scale or 1.0)

    def _scale_of_rule(self, rate_scale: float | None) -> float:
        """Return the factor for a trace with real times and no load."""
        scale = 1.0 / self.rule.compress / (rate_scale or 1.0)
        causes = [f"compress {self.rule.compress:g} of the workload rule"] if self.rule.compress != 1.0 else []
        causes += [f"rate scale {rate_scale:g}"] if rate_scale is not None else []
        if causes:
            rate = f": {self.trace.rate / scale:.6g} requests/s" if self.trace.span > 0 else ""
            self.notes.append(f"time rescaled: {', '.join(causes)}{rate}")
        return scale

    def _scale_to_load(self, model: NDArray[np.int32], gpus: int, load: float, rate_scale: float | None) -> float:
        """Return the factor for a load, before the rate scale; the note states the rate after it."""
        rate = load * saturation_rate(self.profile, self._offered_shares(model), gpus)
        times = "" if rate_scale is None else f", times rate scale {rate_scale:g}"
        replayed = rate * (rate_scale or 1.0)
        note = f"rate (load {load:g} of the batch-1 exclusive saturation{times}: {replayed:.6g} requests/s)"
        if self.trace.normalised:
            self.filled.append(note)
        else:
            self.notes.append(f"time rescaled: {note}")
        if self.trace.span > 0:
            return self.trace.rate / rate
        if self.trace.normalised:
            return 1.0 / rate
        raise TraceError(
            "all requests arrive at one instant: the trace has no rate to rescale", file=self.trace.source or None
        )

    def _offered_shares(self, model: NDArray[np.int32]) -> dict[str, float]:
        """Return the expected mix: the rule's where models are drawn from it, else what the trace really asks for."""
        if self.trace.model is None and self.rule.models.column is None:
            return self.mix
        counts = np.bincount(model, minlength=len(self.models)).tolist()
        return {name: float(count) for name, count in zip(self.models, counts, strict=True) if count}

    def _client(self, spec: ClientSpec) -> ClosedLoopClient:
        """Return a closed-loop client; what is drawn comes from streams of its own."""
        model = self._client_model(spec)
        priority = spec.priority
        if priority is None:
            draw = self.streams.get("client-priority", spec.id).random()
            priority = Priority.HIGH if draw < self._high_share else Priority.LOW
            self.filled.append(self._priority_text())
        slo_s = spec.slo_s
        if slo_s is None and self._fills_deadlines:
            slo_s = self._slo_s(model, priority)
            self.filled.append(self._deadline_text())
        entry = self.profile.model(model)
        return ClosedLoopClient(
            id=spec.id,
            model=model,
            priority=priority,
            bytes_in=entry.bytes_in if spec.bytes_in is None else spec.bytes_in,
            bytes_out=entry.bytes_out if spec.bytes_out is None else spec.bytes_out,
            slo_s=math.inf if slo_s is None else slo_s,
            think_s=self.rule.closed_loop.seconds if spec.think_s is None else spec.think_s,
            start_s=spec.start_s,
            stop_s=spec.stop_s,
            limit=spec.limit,
        )

    def _client_model(self, spec: ClientSpec) -> str:
        if spec.model is None:
            self.filled.append(self._mix_text())
            return self.models[int(self._draw(self.streams.get("client-model", spec.id), 1)[0])]
        try:
            return self.resolve(spec.model)
        except OutsideProfileError as error:
            raise TraceError(f"client {spec.id!r}: {error}", file=self.trace.source or None, column="model") from None
