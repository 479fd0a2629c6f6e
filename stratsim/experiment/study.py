"""What a study is: a TOML file that says which policies meet which conditions, and what is to be asked of the outcome.

    title = "Does knowing who hurts whom pay?"

    [arrivals]
    requests = 4000

    [axes]
    profile = ["asymmetric-six"]
    load = [0.7, 1.1]
    max_concurrency = [1, 2]

    [policies.strait]
    policy = "strait"
    role = "strait"

    [policies.blind]
    policy = "aware-edf(predictor=constant(slowdown={f}))"
    settings = { f = [1, 2] }
    role = "rival-blind"

    [seeds]
    pilot = [1, 2]
    results = [101, 102, 103]

Decoded strictly: an unknown key or an impossible value is an error that names the file and the path inside it.
docs/how-to/run-an-experiment.md has every field.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from stratsim.errors import SpecError, suggest
from stratsim.experiment.variants import Variant  # noqa: TC001 (files are decoded by these types)
from stratsim.model.codec import decode
from stratsim.run.spec import RunSpec, make_spec
from stratsim.trace.generate import Gamma, OnOff, Periodic, Poisson
from stratsim.trace.spec import WorkloadRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.trace.generate import Process

__all__ = ["CONCURRENCY", "Analysis", "Arrivals", "Policies", "Saturation", "Seeds", "Study"]
__all__ += ["check_study", "load_study", "make_study", "part_of", "put"]

CONCURRENCY = "max_concurrency"
"""The axis that belongs to the server, not to the conditions: the best value is chosen for each policy."""

Role = Literal["strait", "rival-blind", "rival-aware", "rival-preemptive", "oracle", "ablation", "reference"]

_ELSEWHERE = (
    "trace",
    "trace_format",
    "columns",
    "ticks",
    "strict",
    "workload",
    "policy",
    "limit",
    "rate_scale",
    "seed",
)
"""Fields of a run that a study sets in another way."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Open-loop arrivals. Each model has a random stream of its own, so all policies meet exactly the same requests.

    Args:
        process: `poisson`, `gamma` (needs `cv`), `on-off` (needs `on_s` and `off_s`) or `periodic`.
        requests: Number of requests of a run.
        cv: Of the gaps, per model.
        on_s: Mean duration of an on period, seconds.
        off_s: Mean duration of an off period, seconds.
        off_share: Rate while off as a share of the rate while on.
    """

    process: Literal["poisson", "gamma", "on-off", "periodic"] = "poisson"
    requests: int = 10_000
    cv: float | None = None
    on_s: float | None = None
    off_s: float | None = None
    off_share: float = 0.0

    def __post_init__(self) -> None:
        if self.requests < 1:
            raise SpecError(f"requests must be at least 1, got {self.requests}")
        self.at(1.0)

    def at(self, rate: float) -> Process:
        """Return the process of a mean rate, requests per second."""
        if self.process == "gamma":
            return Gamma(rate, self._needed("cv"))
        if self.process == "on-off":
            return OnOff(rate, self._needed("on_s"), self._needed("off_s"), self.off_share)
        return Periodic(rate) if self.process == "periodic" else Poisson(rate)

    def _needed(self, name: str) -> float:
        value: float | None = getattr(self, name)
        if value is None:
            raise SpecError(f"process {self.process!r} needs {name}")
        return value


@dataclass(frozen=True, slots=True)
class Policies:
    """One policy of a study, with the settings among which the pilot chooses.

    Args:
        policy: As for `stratsim replay --policy`, one policy; `{NAME}` stands for a value of `settings`.
        role: What it is in the comparison. The first `strait` is compared with all others; `rival-blind` knows nothing
            of interference but constants, `rival-aware` has a belief, `oracle` is told the truth, `ablation` and
            `reference` are shown and are not rivals.
        settings: Values by name; every combination is a trial, and the pilot chooses.
        each: Values by name; every combination is a policy of its own, named `NAME[VALUE,...]`.
        reveal: Tell the truth to its belief, which must be `oracle`; goes without saying for the role of that name.
        only: Restricts it to cells with these values of an axis, to save time: ablations need not run everywhere.
    """

    policy: str
    role: Role
    settings: dict[str, list[Any]] = field(default_factory=dict)
    each: dict[str, list[Any]] = field(default_factory=dict)
    reveal: bool = False
    only: dict[str, list[Any]] = field(default_factory=dict)

    def trials(self) -> tuple[str, ...]:
        """Return the policy's text under every combination of its settings."""
        return tuple(_filled(self.policy, values) for values in _combined(self.settings))

    def expanded(self, name: str) -> dict[str, Policies]:
        """Return the policies that this one stands for, by name: itself, or one for each combination of `each`."""
        if not self.each:
            return {name: self}
        return {
            f"{name}[{','.join(_word(value) for value in values.values())}]": replace(
                self, policy=_filled(self.policy, values), each={}
            )
            for values in _combined(self.each)
        }

    def __post_init__(self) -> None:
        for name, values in (*self.settings.items(), *self.each.items()):
            if f"{{{name}}}" not in self.policy:
                raise SpecError(f"{name!r} has values, but policy has no {{{name}}}: {self.policy!r}")
            if not values:
                raise SpecError(f"{name!r} has no value")
        _check_policies(tuple(_filled(text, values) for text in self.trials() for values in _combined(self.each)))


@dataclass(frozen=True, slots=True)
class Seeds:
    """Seeds of the arrivals, classes and noise.

    Args:
        pilot: Settings and concurrency are chosen on these.
        results: Figures come from these; none of them may be a pilot seed.
    """

    pilot: list[int]
    results: list[int]

    def __post_init__(self) -> None:
        for name in ("pilot", "results"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values) or min(values) < 0:
                raise SpecError(f"{name} must be different seeds >= 0, got {values}")
        both = sorted(set(self.pilot) & set(self.results))
        if both:
            raise SpecError(f"seeds of the pilot must not be seeds of the results: {both}")
        if len(self.results) < 2:
            raise SpecError(f"results needs at least 2 seeds for an interval, got {self.results}")


@dataclass(frozen=True, slots=True)
class Saturation:
    """How load 1.0 is found (`stratsim.run.saturation`).

    Args:
        concurrency: Values of C that the reference server may use.
        requests: Length of one replication.
        width: Half width of the 95 % interval at which the search is satisfied, as a share of the rate.
    """

    concurrency: list[int] = field(default_factory=lambda: [1, 2, 3])
    requests: int = 4000
    width: float = 0.005

    def __post_init__(self) -> None:
        if not self.concurrency or min(self.concurrency) < 1:
            raise SpecError(f"concurrency must be numbers >= 1, got {self.concurrency}")
        if not 0 < self.width < 1:
            raise SpecError(f"width must be within (0, 1), got {self.width}")
        if self.requests < 100:
            raise SpecError(f"requests must be at least 100, got {self.requests}")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is asked of the outcome. Every default is our choice.

    Args:
        fixed_concurrency: Every policy is reported at its best C, and at this one.
        reference: The policy against which low-priority prices are given; none by default.
        intense_violation: A cell is intense, and H1 is about it, where the best blind rival violates at least this
            share of high-priority deadlines on the pilot seeds. No load says so: how much of it deadlines allow depends
            on what batches gain, and that is 15-fold for one profile and twofold for another.
        least_gain_pp: H1: how many percentage points fewer high-priority violations than the best blind rival.
        least_gap_closed: H3: which share of the way from the best blind rival to the oracle.
        level: Confidence level.
    """

    fixed_concurrency: int = 2
    reference: str | None = None
    intense_violation: float = 0.02
    least_gain_pp: float = 1.0
    least_gap_closed: float = 0.5
    level: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise SpecError(f"level must be within (0, 1), got {self.level}")
        for name in ("intense_violation", "least_gap_closed"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpecError(f"{name} must be within [0, 1], got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Study:
    """A study as its file says it.

    Args:
        title: One line.
        seeds: Which random numbers.
        axes: Values by setting, all combined; a list of such tables is their union. A setting is `profile`, `load`, a
            field of `base`, or a path such as `workload.priority.high_share` or `arrivals.process`. A value may be a
            table, and then replaces that part. Kinds other than `policies` have settings of their own.
        policies: What is compared, by name; only in the kind of that name.
        kind: What is done with it: a name in `stratsim.experiment.kinds`.
        base: Fields of a run (`stratsim replay --set`), the same in all runs.
        arrivals: Open-loop arrivals.
        workload: Mix, classes and deadlines, as in a workload file.
        profiles: Profiles of the study's own, by name: changed copies of others.
        saturation: How load 1.0 is found.
        analysis: What is asked of the outcome.
        quick: What replaces parts of this file with `--quick`; its `policies` may be a list of those to keep.
        description: As long as is needed: hypotheses and choices, set down before the runs.
    """

    title: str
    seeds: Seeds
    axes: dict[str, list[Any]] | list[dict[str, list[Any]]]
    policies: dict[str, Policies] = field(default_factory=dict)
    kind: str = "policies"
    base: dict[str, Any] = field(default_factory=dict)
    arrivals: Arrivals = field(default_factory=Arrivals)
    workload: dict[str, Any] = field(default_factory=dict)
    profiles: dict[str, Variant] = field(default_factory=dict)
    saturation: Saturation = field(default_factory=Saturation)
    analysis: Analysis = field(default_factory=Analysis)
    quick: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def grids(self) -> list[dict[str, list[Any]]]:
        """Return the tables of axes: usually one."""
        return self.axes if isinstance(self.axes, list) else [self.axes]

    def axis_names(self) -> tuple[str, ...]:
        """Return all axes but the concurrency, in the order in which they are first named."""
        return tuple(dict.fromkeys(name for grid in self.grids() for name in grid if name != CONCURRENCY))

    def run_spec(self) -> RunSpec:
        """Return the settings that all runs start from."""
        return make_spec(self.base, "base")


def load_study(path: str | Path, *, quick: bool = False) -> tuple[Study, dict[str, Any]]:
    """Read a study.

    Args:
        path: A TOML file.
        quick: Apply its `[quick]` table.

    Returns:
        The study, and the plain data that it was made from, for the record.

    Raises:
        SpecError: the file cannot be read, or says something unknown or impossible; names the path inside it.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a TOML file: {error}") from None
    make_study(data, path)  # a mistake must show with or without --quick
    if quick:
        data = _quickened(data, path)
    return make_study(data, path), data


def make_study(data: Mapping[str, Any], source: object = "study") -> Study:
    """Return the study that plain data describes.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    study = decode(dict(data), Study, source)
    found = [policy.expanded(name) for name, policy in study.policies.items()]
    study = replace(study, policies={name: policy for each in found for name, policy in each.items()})
    from stratsim.experiment.kinds import find_kind

    find_kind(study.kind).check(study, source)
    return study


def check_study(study: Study, source: object) -> None:
    """Refuse what a study of policies cannot have.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    _check_base(study.base, source)
    _check_workload(study.workload, source)
    for index, grid in enumerate(study.grids()):
        where = "$.axes" if isinstance(study.axes, dict) else f"$.axes[{index}]"
        for name, values in grid.items():
            _check_axis(study, name, values, f"{source}: %s - at {where}[{name!r}]")
    if not study.policies:
        raise SpecError(f"{source}: there is no policy - at $.policies")
    known = {entry.name for entry in fields(RunSpec) if entry.name not in _ELSEWHERE} | {*study.axis_names()}
    for name, policy in study.policies.items():
        for axis in policy.only:
            if axis not in known and axis.partition(".")[0] not in ("workload", "arrivals"):
                raise SpecError(f"{source}: no setting {axis!r}; {suggest(axis, known)} - at $.policies.{name}.only")
    reference = study.analysis.reference
    if reference is not None and reference not in study.policies:
        raise SpecError(
            f"{source}: no policy {reference!r}; {suggest(reference, study.policies)} - at $.analysis.reference"
        )


def _check_base(base: Mapping[str, Any], source: object) -> None:
    known = [entry.name for entry in fields(RunSpec) if entry.name not in _ELSEWHERE]
    for name in base:
        if name not in known:
            raise SpecError(f"{source}: unknown setting {name!r}; {suggest(name, known)} - at $.base")
    try:
        make_spec(base, source)
    except SpecError as error:
        raise SpecError(f"{error} - at $.base") from None


def _check_workload(workload: Mapping[str, Any], source: object) -> None:
    try:
        msgspec.convert(dict(workload), type=WorkloadRule)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise SpecError(f"{source}: {message} - at $.workload{path.rstrip('`')}") from None


def _check_axis(study: Study, name: str, values: list[Any], message: str) -> None:
    """Require an axis that names a setting, with values that it can have."""
    if not values:
        raise SpecError(message % "an axis needs at least one value")
    head, _, rest = name.partition(".")
    known = [entry.name for entry in fields(RunSpec) if entry.name not in _ELSEWHERE]
    if not rest and head not in ("workload", "arrivals"):
        if name not in known:
            raise SpecError(message % f"unknown setting {name!r}; {suggest(name, known)}")
        for value in values:
            _tried(lambda value=value: make_spec({name: value}, "axis"), message)
        return
    if head not in ("workload", "arrivals"):
        raise SpecError(message % f"no part {head!r} of a study varies; it is 'workload' or 'arrivals'")
    for value in values:
        changed = put(part_of(study, head), rest, value)
        if head == "workload":
            _tried(lambda changed=changed: _check_workload(changed, "axis"), message)
        else:
            _tried(lambda changed=changed: decode(changed, Arrivals, "axis"), message)


def _tried(check: Any, message: str) -> None:
    try:
        check()
    except SpecError as error:
        raise SpecError(message % str(error).removeprefix("axis: ").split(" - at $", maxsplit=1)[0]) from None


def part_of(study: Study, part: str) -> dict[str, Any]:
    """Return the part of a study that a dotted axis changes, as plain data."""
    if part == "workload":
        return study.workload
    return {entry.name: getattr(study.arrivals, entry.name) for entry in fields(Arrivals)}


def put(table: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a table with the value at a dotted path; an empty path replaces the whole."""
    if not path:
        return dict(value)
    head, _, rest = path.partition(".")
    inner = table.get(head)
    below: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    return {**table, head: put(below, rest, value) if rest else value}


def _combined(values: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(values, each, strict=True)) for each in product(*values.values())]


def _filled(text: str, values: Mapping[str, Any]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", _word(value))
    return text


def _word(value: Any) -> str:
    """Return a setting's value as a policy's text has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_policies(texts: tuple[str, ...]) -> None:
    from stratsim.policy.registry import make_policy, parse_policies

    for text in texts:
        calls = parse_policies(text)
        if len(calls) != 1:
            raise SpecError(f"expected one policy, got {len(calls)}: {text!r}")
        make_policy(calls[0])


def _quickened(data: dict[str, Any], source: object) -> dict[str, Any]:
    """Return the data with the parts that `[quick]` replaces."""
    merged = dict(data)
    for key, value in data.get("quick", {}).items():
        if key not in {entry.name for entry in fields(Study)} - {"quick", "kind"}:
            raise SpecError(f"{source}: {key!r} cannot be replaced - at $.quick")
        if key == "policies" and isinstance(value, list):
            unknown = next((name for name in value if name not in data["policies"]), None)
            if unknown is not None:
                hint = suggest(str(unknown), data["policies"])
                raise SpecError(f"{source}: no policy {unknown!r}; {hint} - at $.quick.policies")
            merged[key] = {name: data["policies"][name] for name in value}
        elif key == "axes" or not isinstance(value, dict):
            merged[key] = value
        else:
            merged[key] = _merged(merged.get(key, {}), value)
    return merged


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: _merged(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
            for key, value in new.items()}  # fmt: skip
    return {**old, **both}
