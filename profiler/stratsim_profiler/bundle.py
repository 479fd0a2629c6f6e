"""A profile to share: with the raw samples that it was made of, where they were measured, and how good the fit is.

A bundle is a zip of three files, or the same files in one folder, beside `NAME.bundle.json`:

    bundle.json        which files, with their SHA-256; the environment; the validation
    profile.json       what `stratsim replay --profile` takes
    samples.jsonl.gz   what it was fitted to

`check_bundle` repeats the fit and says line by line what holds. Nothing in a bundle is believed, and nothing of a zip
is unpacked under a name of its own: its members are read by the three names that there are.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stratsim.errors import ProfileError, SchemaVersionError, StratsimError
from stratsim.limits import bounded, read_file
from stratsim.model.codec import load_profile
from stratsim.model.provenance import uncovered, unused
from stratsim.model.write import write_bytes, write_text
from stratsim_profiler.fit import fit_samples, samples_sha256
from stratsim_profiler.fit.check import check_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.profile import Profile
    from stratsim_profiler.fit import FitResult
    from stratsim_profiler.samples import Header

__all__ = ["Line", "check_bundle", "write_bundle"]

VERSION = 1
_BUNDLE, _PROFILE, _SAMPLES = "bundle.json", "profile.json", "samples.jsonl.gz"
_LATENCY = 1e-3
"""Relative difference of a solo time, profile against refit, that passes: figures are written with six digits."""
_LINK = 0.02
_SLOWDOWN = 0.02
"""Of predicted slowdowns, in the mean over the measured cells: parameters that no cell decides may differ."""
_ERROR = 0.01
"""Of a stated mean error, absolute. All tolerances are our choice."""


class Line(NamedTuple):
    """One thing that was checked."""

    what: str
    passed: bool
    found: str


class _File(msgspec.Struct, frozen=True):
    file: str
    sha256: str


class _Validation(msgspec.Struct, frozen=True):
    judged_on: str | None
    mean: float | None
    good: bool
    verdict: str


class _Document(msgspec.Struct, frozen=True):
    bundle: int
    name: str
    profile: _File
    samples: _File
    environment: dict[str, Any]
    validation: _Validation


@dataclass(frozen=True, slots=True)
class _Opened:
    """A bundle whose files lie in a folder."""

    document: _Document
    profile: Path
    samples: Path


def write_bundle(profile: Path, samples: Path, out: Path, *, starts: int = 8, overwrite: bool = False) -> None:
    """Write a bundle.

    Args:
        profile: The profile's file.
        samples: What it was fitted to.
        out: `.zip`, or, for files that lie beside it already, `NAME.bundle.json`.
        starts: Starting points of the fit by which the validation is made.
        overwrite: Replace an earlier one.

    Raises:
        ProfileError: a file cannot be read, or does not lie beside a `.json`.
        OutputError: it cannot be written.
    """
    together = out.suffix == ".zip"
    if not together and {profile.parent.resolve(), samples.parent.resolve()} != {out.parent.resolve()}:
        raise ProfileError(f"{out}: profile and samples must lie in its folder; a .zip takes them along")
    known, result = load_profile(profile), fit_samples(samples, starts=starts)
    document = _Document(
        bundle=VERSION,
        name=known.name,
        profile=_File(_PROFILE if together else profile.name, _sha256(profile)),
        samples=_File(_SAMPLES if together else samples.name, _sha256(samples)),
        environment=_environment(result.samples.header),
        validation=_validation(result),
    )
    text = json.dumps(msgspec.to_builtins(document), indent=1) + "\n"
    if not together:
        write_text(text, out, overwrite=overwrite)
        return
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "bundle.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (
                (_BUNDLE, text.encode()),
                (_PROFILE, read_file(profile)),
                (_SAMPLES, read_file(samples)),
            ):
                archive.writestr(zipfile.ZipInfo(name), content)
        write_bytes(packed.read_bytes(), out, overwrite=overwrite)


def check_bundle(source: Path, *, starts: int = 8) -> list[Line]:
    """Return what holds of a bundle.

    Args:
        source: A `.zip`, a `NAME.bundle.json`, or a folder with a `bundle.json`.
        starts: Starting points of the fit of contention.

    Raises:
        ProfileError: it is no bundle, or a file of it cannot be read.
        LimitError: it unpacks to more than the memory budget allows.
    """
    with _opened(source) as opened:
        lines = list(_files(opened))
        profile = load_profile(opened.profile)
        checksum = samples_sha256(opened.samples)
        named = any(checksum in entry.source for entry in profile.provenance.values())
        lines.append(Line("origin", named, "the profile names these samples" if named else "it names other samples"))
        lines.append(_covered(profile))
        result = fit_samples(opened.samples, name=profile.name, starts=starts)
        same = _plain(_environment(result.samples.header)) == _plain(opened.document.environment)
        lines.append(Line("environment", same, "as the samples have it" if same else "is not that of the samples"))
        return [*lines, *_refitted(profile, result), *_judged(opened.document.validation, result)]


def _files(opened: _Opened) -> Iterator[Line]:
    document = opened.document
    for path, stated in ((opened.profile, document.profile), (opened.samples, document.samples)):
        found = _sha256(path)
        yield Line(f"file {stated.file}", found == stated.sha256, f"sha256 {found[:16]}, stated {stated.sha256[:16]}")


def _covered(profile: Profile) -> Line:
    lacking, loose = uncovered(profile), unused(profile)
    if lacking or loose:
        first = lacking[0] if lacking else loose[0]
        said = f"{len(lacking)} figures without, {len(loose)} patterns of none; first {first}"
        return Line("provenance", passed=False, found=said)
    return Line("provenance", passed=True, found="every figure has one")


def _refitted(profile: Profile, result: FitResult) -> Iterator[Line]:
    """Yield how far the profile is from what its samples say today."""
    known, made = profile.observable, result.profile.observable
    ratios = {
        f"{name} x{size}": known.models[name].latency_s.get(size, 0.0) / time_s - 1
        for name, entry in made.models.items()
        if name in known.models
        for size, time_s in entry.latency_s.items()
    }
    gone = sorted(made.models.keys() ^ known.models.keys())
    yield Line("models", not gone, f"{len(made.models)}" if not gone else f"not in both: {', '.join(gone)}")
    yield _within("solo times", ratios, _LATENCY)
    links = {
        f"{way} {part}": getattr(getattr(known.pcie, way), part) / getattr(getattr(made.pcie, way), part) - 1
        for way in ("h2d", "d2h")
        for part in ("alpha_s", "bytes_per_s")
        if getattr(getattr(made.pcie, way), part)
    }
    yield _within("link", links, _LINK)
    rule = profile.default_device_model
    own, again = (check_profile(each, result.summary.measured) for each in (profile, result.profile))
    if rule not in own.scores or not own.cells:
        yield Line("contention", not own.cells, f"no parameters of {rule}" if own.cells else "no co-locations measured")
        return
    if result.profile.default_device_model != rule:
        yield Line("contention", passed=False, found=f"{rule}, and the fit names {result.profile.default_device_model}")
        return
    gaps = [
        abs(one / other - 1)
        for mine, theirs in zip(own.cells, again.cells, strict=True)
        for one, other in zip(mine.predicted[rule], theirs.predicted[rule], strict=True)
    ]
    mean = sum(gaps) / len(gaps)
    said = f"{rule}: slowdowns of {len(gaps)} streams, mean difference {mean:.2%}, at most {_SLOWDOWN:.0%}"
    yield Line("contention", mean <= _SLOWDOWN, said)


def _within(what: str, gaps: dict[str, float], most: float) -> Line:
    if not gaps:
        return Line(what, passed=False, found="none in both")
    name, gap = max(gaps.items(), key=lambda item: abs(item[1]))
    return Line(what, abs(gap) <= most, f"{len(gaps)} figures, at worst {name}: {gap:+.2%}, at most {most:.1%}")


def _judged(stated: _Validation, result: FitResult) -> Iterator[Line]:
    found = _validation(result)
    same = stated.judged_on == found.judged_on and (
        stated.mean == found.mean
        or (stated.mean is not None and found.mean is not None and abs(stated.mean - found.mean) <= _ERROR)
    )
    yield Line(
        "validation", same, f"mean error {_percent(found.mean)} on {found.judged_on}, stated {_percent(stated.mean)}"
    )
    yield Line("verdict", found.good, found.verdict)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _validation(result: FitResult) -> _Validation:
    judged = result.summary.judged
    return _Validation(
        judged_on=None if judged is None else judged[0],
        mean=None if judged is None else judged[1].mean,
        good=result.summary.good,
        verdict=result.summary.verdict,
    )


def _environment(header: Header) -> dict[str, Any]:
    found = asdict(header)
    return {name: found[name] for name in ("tool_version", "started", "device", "environment", "settings")}


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(_read(path)).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextmanager
def _opened(source: Path) -> Iterator[_Opened]:
    """Yield the files of a bundle in a folder: its own, or one of ours for what is packed."""
    if source.is_dir():
        source /= _BUNDLE
    if source.suffix != ".zip":
        document = _decoded(source, _read(source))
        yield _Opened(
            document, *(source.parent / _own(source, each.file) for each in (document.profile, document.samples))
        )
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _unpacked(source, folder)
        document = _decoded(source, _read(folder / _BUNDLE))
        if (document.profile.file, document.samples.file) != (_PROFILE, _SAMPLES):
            raise ProfileError(
                f"{source}: a zipped bundle has {_PROFILE} and {_SAMPLES}, and its bundle.json other names"
            )
        yield _Opened(document, folder / _PROFILE, folder / _SAMPLES)


def _own(source: Path, name: str) -> str:
    """Return the name of a file beside the bundle; one that leads elsewhere is refused."""
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name or "\x00" in name:
        raise ProfileError(f"{source}: names the file {name!r}: its files lie beside it, and a name has no folder")
    return name


def _unpacked(source: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
            if sorted(names) != sorted((_BUNDLE, _PROFILE, _SAMPLES)):
                shown = ", ".join(repr(name) for name in names[:5])
                raise ProfileError(
                    f"{source}: a bundle holds {_BUNDLE}, {_PROFILE} and {_SAMPLES} alone; this holds {shown}"
                )
            for name in (_BUNDLE, _PROFILE, _SAMPLES):
                with archive.open(name) as member:
                    (folder / name).write_bytes(bounded(member, source).read())
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, StratsimError):
            raise
        raise ProfileError(f"{source}: is no zip that can be read: {error}") from None


def _decoded(source: Path, data: bytes) -> _Document:
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"{source}: is no bundle of a profile: {error}") from None
    if document.bundle != VERSION:
        raise SchemaVersionError(f"{source}: a bundle of version {document.bundle}; this version reads {VERSION}")
    return document
