"""What to run: one flat, frozen record that a file, `--set` and the command line all write to."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from stratsim.errors import SpecError, suggest
from stratsim.limits import LARGEST_INTEGER, LOADS, MOST_BATCHES
from stratsim.model.belief import LEAST_SCALE, MOST_SCALE
from stratsim.model.cluster import Cluster
from stratsim.model.groups import Groups
from stratsim.model.rejection import Rejection
from stratsim.model.toml import read_toml
from stratsim.model.topology import load_topology
from stratsim.policy.base import DropMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from stratsim.model.topology import Topology

__all__ = ["OF_REQUESTS", "RunSpec", "make_spec", "parse_settings", "read_config", "toml_value"]

OF_REQUESTS = ("trace", "trace_format", "strict", "workload", "limit", "rate_scale")
"""Settings that say which requests there are, besides the profile, the load and the seed."""
DEFAULT_POLICIES = "fifo,priority-fifo,edf,priority-edf"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A replay: the same requests through one or more policies. Every default is our choice.

    Args:
        trace: A file, the name of a bundled trace, or None for the bundled default.
        trace_format: Force a format; recognised from the content by default.
        columns: Columns of the trace: `FIELD=COLUMN[:UNIT]`, by comma (docs/reference/traces.md).
        ticks: What to do with coarse time stamps: spread or leave; None spreads those that a format is known for.
        strict: Refuse an unsorted trace instead of sorting it.
        workload: TOML file with the rule that fills what the trace lacks.
        policy: Comma-separated policies with inline parameters.
        profile: Name of a bundled profile, or a file.
        gpus: Number of GPUs; None means as many as the topology has, or one.
        load: Rate of the trace as a share of the saturation that `load_unit` names; None leaves a trace's own rate, and
            means 0.7 for a trace that has none.
        load_unit: `batch-1` (of the batch-1 exclusive saturation) or `saturation` (of the measured throughput at the
            best batch): `stratsim.run.load`.
        rate_scale: Multiplies the rate of the trace.
        limit: Replay the first so many requests.
        warmup_s: Measure from so many seconds after the first arrival; None measures everything.
        seed: Of all random streams.
        device_model: Execution model of the simulated GPU; None means the one that the profile was made for.
        max_concurrency: Batches that execute at once on a GPU.
        prefetch: Further batches per GPU that may copy in or wait.
        max_batch: Largest batch that policies without a limit of their own form.
        drop: When policies without a rule of their own give requests up: the value of a `DropMode`.
        transfers: Simulate host transfers.
        topology: Links between the GPUs and the host: name of a bundled topology, or a file; None gives each GPU the
            profile's link, shared with nobody.
        uplink_bytes_per_s: Capacity of an uplink that all GPUs share; None for none. Instead of a topology.
        pinned: Copy from and to pinned host memory; False: pageable.
        memory: Room for weights on each GPU, bytes, or "device" for all of the device's memory: weights are loaded when
            they are needed. None: they are always there.
        groups: Equal groups that the GPUs are cut into, each with a policy of its own (`stratsim.model.groups`).
        deal: How requests are dealt to groups: round-robin, model or client.
        reject_s: From a drop until a client that waits for replies knows of it (`stratsim.model.rejection`).
        retries: How often a client sends a dropped request again; 0: never.
        backoff_s: Pause before the first of these attempts, doubled before each further one.
        retry_by: Who sends again: "waiting", the clients that wait for replies, or "all".
        engine: `simpy`, `fast`, or `auto`: which engine makes the runs; results do not depend on it (`stratsim.fast`).
        belief: What the scheduler holds true of the device instead of `profile`: name of a bundled profile, or a file.
            Solo times, copies, features and pairs are the belief's; requests, deadlines and the hardware are not.
        belief_latency_scale: The scheduler holds solo execution times to be so many times as long as they are: 1.2 is a
            profile that is 20 % too slow. Requests, deadlines and the hardware are what they are.
    """

    trace: str | None = None
    trace_format: str | None = None
    columns: str | None = None
    ticks: str | None = None
    strict: bool = False
    workload: str | None = None
    policy: str = DEFAULT_POLICIES
    profile: str = "a100-80gb-parvagpu"
    gpus: int | None = None
    load: float | None = None
    load_unit: Literal["batch-1", "saturation"] = "batch-1"
    rate_scale: float | None = None
    limit: int | None = None
    warmup_s: float | None = None
    seed: int = 0
    device_model: str | None = None
    max_concurrency: int = 2
    prefetch: int = 1
    max_batch: int = 8
    drop: str = "infeasible"
    transfers: bool = True
    topology: str | None = None
    uplink_bytes_per_s: float | None = None
    pinned: bool = True
    memory: float | str | None = None
    groups: int = 1
    deal: str = "round-robin"
    reject_s: float = 0.001
    retries: int = 0
    backoff_s: float = 0.01
    retry_by: str = "waiting"
    engine: Literal["auto", "simpy", "fast"] = "auto"
    belief_latency_scale: float = 1.0
    belief: str | None = None

    def __post_init__(self) -> None:
        self.cut()
        for name, least, most in (
            ("max_batch", 1, MOST_BATCHES),
            ("seed", 0, LARGEST_INTEGER),
            ("limit", 1, LARGEST_INTEGER),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SpecError(f"{name} must be at least {least}, got {value}")
            if value is not None and value > most:
                raise SpecError(f"{name} must be at most {most}, got {value}")
        for name in ("load", "rate_scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SpecError(f"{name} must be > 0 and finite, got {value}")
            if value is not None and not LOADS[0] <= value <= LOADS[1]:
                raise SpecError(f"{name} must lie within {LOADS[0]:g} and {LOADS[1]:g}, got {value}")
        if self.warmup_s is not None and not 0 <= self.warmup_s < math.inf:
            raise SpecError(f"warmup_s must be >= 0 and finite, got {self.warmup_s}")
        modes = [mode.value for mode in DropMode]
        if self.drop not in modes:
            raise SpecError(f"unknown drop mode {self.drop!r}; {suggest(self.drop, modes)}")
        scale = self.belief_latency_scale
        if not (math.isfinite(scale) and LEAST_SCALE <= scale <= MOST_SCALE):
            raise SpecError(f"belief_latency_scale must be within [{LEAST_SCALE:g}, {MOST_SCALE:g}], got {scale}")
        self.rejection()
        self.cluster_on(None)

    def rejection(self) -> Rejection:
        """Return how clients take it that a request is dropped."""
        return Rejection(self.reject_s, self.retries, self.backoff_s, self.retry_by)

    def cut(self) -> Groups:
        """Return how the GPUs are cut into groups."""
        return Groups(self.groups, self.deal)

    def cluster(self) -> Cluster:
        """Read the topology and return the machine.

        Raises:
            SpecError: the topology cannot be read, or does not go with the other settings.
        """
        return self.cluster_on(None if self.topology is None else load_topology(self.topology))

    def cluster_on(self, topology: Topology | None) -> Cluster:
        """Return the machine on a topology that was read already; errors as for `cluster`."""
        found = topology.gpu_count if topology is not None else None
        return Cluster(
            gpus=(found or 1) if self.gpus is None else self.gpus,
            device_model=self.device_model,
            max_concurrency=self.max_concurrency,
            prefetch=self.prefetch,
            transfers=self.transfers,
            topology=topology,
            uplink_bytes_per_s=self.uplink_bytes_per_s,
            pinned=self.pinned,
            memory=self.memory,
        )

    def for_saturation(self) -> RunSpec:
        """Return the machine alone, with defaults for all that the saturation does not depend on."""
        names = (
            "policy",
            "load",
            "load_unit",
            "max_concurrency",
            "warmup_s",
            "drop",
            "seed",
            "profile",
            "belief",
            *OF_REQUESTS,
        )
        plain: dict[str, Any] = {each.name: each.default for each in fields(self) if each.name in names}
        return replace(self, **plain)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for the manifest."""
        return asdict(self)


def read_config(path: str | Path) -> dict[str, Any]:
    """Return the settings of a TOML file: the fields of `RunSpec`, flat.

    Raises:
        SpecError: the file cannot be read, or is not TOML.
    """
    return read_toml(path)


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the fields that `--set key=value` options name; values are TOML, or bare words.

    Raises:
        SpecError: an option without `=`, or an unknown key.
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise SpecError(f"--set takes KEY=VALUE, got {setting!r}")
        _check_keys("--set", [key])
        parsed[key] = toml_value(value.strip())
    return parsed


def make_spec(settings: Mapping[str, Any], source: object = "options") -> RunSpec:
    """Return the spec that has these settings and the defaults for the rest.

    Raises:
        SpecError: unknown key (with the nearest), wrong type or impossible value; names `source`.
    """
    from stratsim.model.codec import decode

    _check_keys(source, settings)
    try:
        return decode(dict(settings), RunSpec, source)
    except SpecError as error:
        # The spec is flat: a message that names its setting needs no path to the whole.
        raise SpecError(str(error).removesuffix(" - at $")) from None


def _check_keys(source: object, keys: Iterable[str]) -> None:
    known = [field.name for field in fields(RunSpec)]
    for key in keys:
        if key not in known:
            raise SpecError(f"{source}: unknown setting {key!r}; {suggest(key, known)}")


def toml_value(text: str) -> Any:
    """Return what a text means as a value of TOML; a bare word is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # TOMLDecodeError, thousands of digits, nested too deep
        return text
