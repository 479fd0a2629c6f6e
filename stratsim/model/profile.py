"""A device profile: what a scheduler may know of a GPU, and what only the simulated hardware knows.

A `Profile` is the decoded file. Nobody simulates with it: the policy side gets a `SchedulerProfile`, the device side
a `HardwareProfile`. The two are separate, immutable objects, so that a policy can neither reach the truth nor change
what another run is given; each is made once for equal contents (`stratsim.model.frozen`).

Batch sizes between measured ones are interpolated (`stratsim.model.interpolate`); a size above the largest measured
one, like an unknown model, is an `OutsideProfileError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from stratsim.errors import OutsideProfileError, ProfileError, suggest
from stratsim.model.frozen import FrozenDict, by_content, frozen
from stratsim.model.interpolate import Interpolation, dense
from stratsim.model.parts import (
    MAX_BATCH,
    Device,
    Features,
    Kernels,
    Link,
    Pcie,
    Provenance,
    all_of,
    batch_sizes,
    not_negative,
    positive,
)
from stratsim.model.truth import Sharing, Transfers, Truth
from stratsim.notebook import card, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "MAX_BATCH",
    "READ_VERSIONS",
    "SCHEMA_VERSION",
    "Device",
    "Features",
    "HardwareModel",
    "HardwareProfile",
    "Kernels",
    "Link",
    "Observable",
    "ObservableModel",
    "Pair",
    "Pcie",
    "Profile",
    "Provenance",
    "SchedulerModel",
    "SchedulerProfile",
    "Sharing",
    "Transfers",
    "Truth",
]

SCHEMA_VERSION = 2
"""What is written. 2 added shares of pairs, `truth.noise_cvs`, and `opening` and `served` to `truth.kernel_queue`."""
READ_VERSIONS = (1, SCHEMA_VERSION)
"""What is read: all that a version lacks has its default, and a profile of version 1 stays one."""


@dataclass(frozen=True, slots=True)
class ObservableModel:
    """What solo runs of a model show.

    Args:
        latency_s: Solo execution latency by batch size, seconds, without copies.
        bytes_in: Bytes copied in per request.
        bytes_out: Bytes copied out per request.
        weights_bytes: Size of the weights; None when not known.
        aliases: Other names under which traces call the model.
        features: Solo intensities by batch size.
        kernels: Kernel statistics.
    """

    latency_s: dict[int, float]
    bytes_in: int
    bytes_out: int
    weights_bytes: int | None = None
    aliases: tuple[str, ...] = ()
    features: dict[int, Features] = field(default_factory=dict)
    kernels: Kernels | None = None

    def __post_init__(self) -> None:
        all_of(self._check_sizes, self._check_figures, self._check_features)

    def _check_sizes(self) -> None:
        if not self.latency_s:
            raise ProfileError("latency_s is empty")
        if 1 not in self.latency_s:
            raise ProfileError(f"latency_s needs batch size 1, has {sorted(self.latency_s)}")
        batch_sizes("latency_s", *self.latency_s)

    def _check_figures(self) -> None:
        weights = {} if self.weights_bytes is None else {"weights_bytes": self.weights_bytes}
        all_of(
            partial(positive, "", **{f"latency_s[{batch}]": latency for batch, latency in self.latency_s.items()}),
            partial(not_negative, "", bytes_in=self.bytes_in, bytes_out=self.bytes_out, **weights),
        )

    def _check_features(self) -> None:
        lacking = [batch for batch in self.features if batch not in self.latency_s]
        if lacking and self.latency_s:
            text = f"which latency_s lacks: {sorted(self.latency_s)}"
            raise ProfileError("\n".join(f"features names batch size {batch}, {text}" for batch in lacking))


@dataclass(frozen=True, slots=True)
class Observable:
    """What a scheduler may know: solo runs only.

    Args:
        pcie: The host link.
        models: Solo figures by the profile's own name of the model.
        interpolation: How latencies between measured batch sizes are estimated.
    """

    pcie: Pcie
    models: dict[str, ObservableModel]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        if not self.models:
            raise ProfileError("models is empty")
        if not all(name.strip() for name in self.models):
            raise ProfileError("models has a model without a name")


@dataclass(frozen=True, slots=True)
class Pair:
    """One measured co-location: `target` ran with a backlogged `other` and took `slowdown` times its solo time.

    Args:
        target: Model that was timed.
        target_batch: Its batch size.
        other: The co-located model, kept busy.
        other_batch: Its batch size.
        slowdown: Mean execution time with `other` over solo execution time, on the whole GPU; noise can bring it below
            1.
        held_out: True keeps the pair out of fitting, for judging the fit. Both directions and all batch sizes of a pair
            of models share it.
        target_share: Share of the GPU, within (0, 1], that the target was limited to: CUDA MPS's active thread
            percentage, or a MIG instance's compute slices over those of the GPU. None: no limit.
        other_share: That of the other.
    """

    target: str
    target_batch: int
    other: str
    other_batch: int
    slowdown: float
    held_out: bool = False
    target_share: float | None = None
    other_share: float | None = None

    def __post_init__(self) -> None:
        all_of(
            partial(positive, "", slowdown=self.slowdown),
            partial(batch_sizes, "target_batch", self.target_batch),
            partial(batch_sizes, "other_batch", self.other_batch),
            self._check_shares,
        )

    def _check_shares(self) -> None:
        for name, share in (("target_share", self.target_share), ("other_share", self.other_share)):
            if share is not None and not 0 < share <= 1:
                raise ProfileError(f"{name} must be within (0, 1], got {share!r}")

    @property
    def limited(self) -> bool:
        """Whether either side was limited to a share of the GPU."""
        return self.target_share is not None or self.other_share is not None


@dataclass(frozen=True, slots=True)
class Profile:
    """A decoded profile file.

    Args:
        schema_version: One of `READ_VERSIONS`.
        name: Short name, as in `--profile NAME`.
        device: The GPU.
        provenance: Where each field comes from: keys are paths such as `observable.models.*.latency_s`.
        observable: What a scheduler may know.
        truth: What only the simulated hardware knows.
        pairs: Directed co-location slowdowns; a scheduler may know them, as it could have measured them. Those with
            shares of the GPU are kept apart from those without (`SchedulerProfile.limited_pairs`).
        description: One paragraph.
        device_model: The execution model that the truth was made for; what a run uses unless it names another;
            None for `streams`.
    """

    schema_version: int
    name: str
    device: Device
    provenance: dict[str, Provenance]
    observable: Observable
    truth: Truth = field(default_factory=Truth)
    pairs: tuple[Pair, ...] = ()
    description: str = ""
    device_model: str | None = None

    def __post_init__(self) -> None:
        problems = [] if self.name.strip() else ["name is empty"]
        problems.extend(self._too_new())
        for section, model in self.truth.named():
            problems.extend(self._lacking(model, section))
        problems.extend(self._wrong_pairs())
        problems.extend(self._wrong_names())
        if problems:
            raise ProfileError("\n".join(problems))

    def _too_new(self) -> Iterator[str]:
        if self.schema_version not in READ_VERSIONS:
            yield f"schema_version must be one of {', '.join(map(str, READ_VERSIONS))}, got {self.schema_version}"
        if self.schema_version < 2 and any(pair.limited for pair in self.pairs):
            yield "pairs with a share need schema_version 2"

    def _lacking(self, model: str, where: str) -> Iterator[str]:
        if model not in self.observable.models:
            hint = suggest(model, self.observable.models)
            yield f"{where} names model {model!r}, which observable.models lacks; {hint}"

    def _wrong_pairs(self) -> Iterator[str]:
        seen = set()
        for index, pair in enumerate(self.pairs):
            for model, batch in ((pair.target, pair.target_batch), (pair.other, pair.other_batch)):
                yield from self._lacking(model, f"pairs[{index}]")
                known = self.observable.models.get(model)
                most = batch if known is None else max(known.latency_s)
                if batch > most:
                    yield f"pairs[{index}] names batch size {batch} of {model!r}, which goes up to {most}"
            key = (pair.target, pair.target_batch, pair.other, pair.other_batch, pair.target_share, pair.other_share)
            if key in seen:
                yield f"pairs[{index}] repeats {pair.target!r} beside {pair.other!r} at the same batch sizes and shares"
            seen.add(key)

    def _wrong_names(self) -> Iterator[str]:
        seen = set(self.observable.models)
        for name, model in self.observable.models.items():
            for alias in model.aliases:
                if alias in seen:
                    yield f"aliases of {name!r}: {alias!r} is claimed twice"
                seen.add(alias)

    def __repr__(self) -> str:
        return line("Profile", self.name, self.device.name, f"{len(self.observable.models)} models")

    def _repr_html_(self) -> str:
        rows = [
            (name, model.latency_s[1] * 1e3, max(model.latency_s), model.bytes_in, model.bytes_out, _megabytes(model))
            for name, model in self.observable.models.items()
        ]
        columns = ("model", "solo ms, batch 1", "largest batch", "bytes in", "bytes out", "weights MB")
        notes = [note for note in (self.description, f"device model: {self.default_device_model}") if note]
        return card(f"Profile {self.name}: {self.device.name}", columns, rows, notes)

    @property
    def default_device_model(self) -> str:
        """The execution model of a run that names none."""
        return self.device_model or "streams"

    def resolve(self, name: str) -> str:
        """Return the profile's own name of a model given by name or alias.

        Raises:
            OutsideProfileError: the profile has no such model; the message says which there are.
        """
        models = self.observable.models
        if name in models:
            return name
        for own, model in models.items():
            if name in model.aliases:
                return own
        known = [*models, *(alias for model in models.values() for alias in model.aliases)]
        raise OutsideProfileError(f"profile {self.name!r} has no model {name!r}; {suggest(name, known)}")

    def for_scheduler(self, links: tuple[Link, Link] | None = None) -> SchedulerProfile:
        """Return what a policy may see: a frozen copy of the observable section and the measured pairs.

        Equal sections give the same object: it is made once per process.

        Args:
            links: What copies cost alone on the machine at hand, towards the device and back, where it is not what the
                profile says (`Cluster.solo_links`).
        """
        pcie = self.observable.pcie
        return _scheduler_profile(self.name, self.observable, self.pairs, links or (pcie.h2d, pcie.d2h))

    def for_hardware(self, models: Iterable[str] | None = None) -> HardwareProfile:
        """Return what the simulated device is made of: frozen, made once per process for equal profiles.

        Args:
            models: Those that it is to run: a device model asks for the parameters of these alone. All by default.
        """
        wanted = set(self.observable.models if models is None else models)
        return _hardware_profile(self.name, self.observable, self.device, self.truth, self.pairs, tuple(sorted(wanted)))


def _megabytes(model: ObservableModel) -> float | str:
    """Return the size of the weights in megabytes; a dash where it is not known."""
    return "-" if model.weights_bytes is None else model.weights_bytes / 1e6


@dataclass(frozen=True, slots=True)
class SchedulerModel:
    """One model as a scheduler knows it.

    Args:
        latency_s: Solo execution latency, indexed by batch size; entry 0 repeats entry 1.
    """

    name: str
    latency_s: tuple[float, ...]
    bytes_in: int
    bytes_out: int
    weights_bytes: int | None = None
    features: Mapping[int, Features] = field(default_factory=dict)
    kernels: Kernels | None = None

    @property
    def max_batch(self) -> int:
        """The largest batch size that the profile covers."""
        return len(self.latency_s) - 1


@dataclass(frozen=True, slots=True)
class SchedulerProfile:
    """What a policy or predictor may know of the hardware."""

    name: str
    models: Mapping[str, SchedulerModel]
    h2d: Link
    d2h: Link
    pairs: tuple[Pair, ...] = ()
    """Measured with the whole GPU open to both."""
    limited_pairs: tuple[Pair, ...] = ()
    """Measured with one side or both limited to a share of the GPU."""

    def model(self, name: str) -> SchedulerModel:
        """Return a model, or raise an OutsideProfileError that says which there are."""
        try:
            return self.models[name]
        except KeyError:
            hint = suggest(name, self.models)
            raise OutsideProfileError(f"profile {self.name!r} has no model {name!r}; {hint}") from None

    def latency_s(self, model: str, batch: int = 1) -> float:
        """Return the solo execution latency, seconds, without copies."""
        return _at(self.name, model, self.model(model).latency_s, batch)

    def end_to_end_s(self, model: str, batch: int = 1) -> float:
        """Return the solo latency from the start of copy-in to the end of copy-out, seconds."""
        entry = self.model(model)
        copies = self.h2d.copy_s(batch * entry.bytes_in) + self.d2h.copy_s(batch * entry.bytes_out)
        return copies + self.latency_s(model, batch)


@dataclass(frozen=True, slots=True)
class HardwareModel:
    """One model as the simulated device knows it: solo figures. Those of contention are in `HardwareProfile.truth`.

    Args:
        latency_s: Solo execution latency, indexed by batch size; entry 0 repeats entry 1.
    """

    name: str
    latency_s: tuple[float, ...]
    features: Mapping[int, Features] = field(default_factory=dict)
    kernels: Kernels | None = None
    weights_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HardwareProfile:
    """What the simulated device is made of."""

    name: str
    models: Mapping[str, HardwareModel]
    pcie: Pcie
    noise_cv: float
    device: Device
    truth: Truth = field(default_factory=Truth)
    """Parameters of the execution models and of the links, as the file has them."""
    pairs: tuple[Pair, ...] = ()
    """Measured co-locations, which the `pairwise` execution model replays."""


def _at(profile: str, model: str, table: tuple[float, ...], batch: int) -> float:
    if not 1 <= batch < len(table):
        raise OutsideProfileError(
            f"profile {profile!r} covers batch sizes 1 to {len(table) - 1} of model {model!r}, got {batch}"
        )
    return table[batch]


@by_content
def _scheduler_profile(
    name: str, observable: Observable, pairs: tuple[Pair, ...], links: tuple[Link, Link]
) -> SchedulerProfile:
    models = {
        model: SchedulerModel(
            name=model,
            latency_s=dense(entry.latency_s, observable.interpolation),
            bytes_in=entry.bytes_in,
            bytes_out=entry.bytes_out,
            weights_bytes=entry.weights_bytes,
            features=FrozenDict(entry.features),
            kernels=entry.kernels,
        )
        for model, entry in observable.models.items()
    }
    h2d, d2h = (Link(link.alpha_s, link.bytes_per_s) for link in links)
    whole, limited = ([pair for pair in pairs if pair.limited == kind] for kind in (False, True))
    return SchedulerProfile(name, FrozenDict(models), h2d, d2h, tuple(whole), tuple(limited))


@by_content
def _hardware_profile(
    name: str, observable: Observable, device: Device, truth: Truth, pairs: tuple[Pair, ...], wanted: tuple[str, ...]
) -> HardwareProfile:
    models = {
        model: HardwareModel(
            name=model,
            latency_s=dense(entry.latency_s, observable.interpolation),
            features=FrozenDict(entry.features),
            kernels=entry.kernels,
            weights_bytes=entry.weights_bytes,
        )
        for model, entry in observable.models.items()
        if model in wanted
    }
    return HardwareProfile(
        name=name,
        models=FrozenDict(models),
        pcie=observable.pcie,
        noise_cv=truth.noise_cv,
        device=device,
        truth=frozen(truth),
        pairs=tuple(pairs),
    )
