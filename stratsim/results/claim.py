"""Claims the place of a result folder: one process writes it, whole or not at all, and never over what is not its own.

The results are written into DIR.tmp beside the target, which is made exclusively and locked while its process lives,
and renamed when they are complete. So a second process that is to write to DIR is refused at once, and what a killed
process left is known as such and taken over. Where there are no file locks (other systems than Linux and macOS, some
network file systems) the exclusive creation alone keeps others off, and what a killed process left is to be removed by
hand.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stratsim.errors import OutputError
from stratsim.model.write import check_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Claim", "claim", "output_errors"]

_MARK = ".being-written"
"""A file that tells a folder of ours from one of the user's."""


class Claim:
    """A place that this process alone may fill; made by `claim`.

    Attributes:
        shown: The target as the user wrote it.
        folder: Where to write meanwhile.
        kept: Where the results are if they could not go to the target; None if they could.
    """

    def __init__(self, shown: str | os.PathLike[str], overwrite: bool) -> None:
        self.shown = shown
        self.overwrite = overwrite
        self.kept: Path | None = None
        self._published = False
        self._lock: int | None = None
        with output_errors(shown):
            self.target = _target(shown, overwrite)
            self.folder = self.target.with_name(f"{self.target.name}.tmp")
            self._created = [parent for parent in self.target.parents if not parent.exists()]
            try:
                check_folder(self.target.parent)
                self.target.parent.mkdir(parents=True, exist_ok=True)
                self._take()
            except BaseException:
                self._clear_parents()
                raise

    def publish(self, ours: frozenset[str]) -> None:
        """Put the folder in its place, with everything on the disk.

        Args:
            ours: Names of files that a result may hold: those of an older one are replaced, others are kept.

        Raises:
            OutputError: something else has taken the place meanwhile; the results are kept beside it.
        """
        with output_errors(self.shown):
            (self.folder / _MARK).unlink(missing_ok=True)
            _sync(self.folder)
            try:
                self._move(ours)
            except OutputError as problem:
                self.kept = self._keep()
                raise OutputError(f"{problem}; the results are in {self.kept}") from None
            finally:
                self._published = not self.folder.exists()
            _sync_folder(self.target.parent)

    def release(self) -> None:
        """Give the place up; what was written and not published is removed."""
        if not self._published:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._clear_parents()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self) -> None:
        try:
            self.folder.mkdir()
        except FileExistsError:
            self._take_over()
        else:
            self._lock = _locked(self.folder)
        (self.folder / _MARK).touch()

    def _take_over(self) -> None:
        """Take what a killed process left; refuse what another one writes to, and what is none of ours."""
        busy = f"{self.shown}: another process is writing to it (it has {self.folder})"
        if any(self.folder.iterdir()) and not (self.folder / _MARK).exists():
            raise OutputError(f"{self.folder}: is in the way, and not of stratsim; move it, or choose another --out")
        self._lock = _locked(self.folder)
        if self._lock is None:
            raise OutputError(f"{busy}, or was killed while it did: then remove that folder")
        if not _is_at(self._lock, self.folder):  # it was published or removed just now
            os.close(self._lock)
            self._lock = None
            raise OutputError(busy)
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def _move(self, ours: frozenset[str]) -> None:
        """Rename the folder to the target without replacing what appeared there since."""
        _target(self.shown, self.overwrite)
        if not self.target.exists():
            _rename_new(self.folder, self.target)
            return
        old = _free(self.target, "old")
        self.target.rename(old)
        try:
            self.folder.rename(self.target)
        except BaseException:
            old.rename(self.target)
            raise
        for entry in old.iterdir():
            if entry.name not in ours:
                entry.rename(self.target / entry.name)
        shutil.rmtree(old, ignore_errors=True)

    def _keep(self) -> Path:
        kept = _free(self.target, "kept")
        self.folder.rename(kept)
        return kept

    def _clear_parents(self) -> None:
        for parent in self._created:
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def claim(directory: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Claim]:
    """Claim the place of a result folder, before a long run; what is not published by the end of the block vanishes.

    Args:
        directory: The folder; its parents are created.
        overwrite: Whether an older result may be there, to be replaced.

    Raises:
        OutputError: it exists and `overwrite` is false, it is no result folder, another process is writing to it, or it
            cannot be made.
    """
    found = Claim(directory, overwrite)
    try:
        yield found
    finally:
        found.release()


@contextmanager
def output_errors(shown: object) -> Iterator[None]:
    """Turn an error of the operating system into one line that names the folder."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{shown}: cannot be written: {error.strerror or error}") from error


def _target(shown: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the absolute path of the folder to write; raise if it is taken and may not be replaced."""
    target = Path(shown).resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise OutputError(f"{shown}: exists and is not a folder")
    if not overwrite:
        raise OutputError(f"{shown}: exists already; choose another folder or pass --overwrite")
    if any(target.iterdir()) and not (target / "manifest.json").is_file():
        raise OutputError(f"{shown}: is not a stratsim result (it has no manifest.json), so it is not overwritten")
    return target


def _free(target: Path, kind: str) -> Path:
    """Return a name beside the target that nothing has."""
    number = 1
    while (path := target.with_name(f"{target.name}.{kind}-{number}")).exists():
        number += 1
    return path


def _rename_new(folder: Path, target: Path) -> None:
    """Rename to a name that nothing may have: a rename alone would replace a folder that is empty or has just come."""
    try:
        target.mkdir()  # the one way to take a name that fails if it is taken
        if os.name == "nt":  # there a rename replaces nothing
            target.rmdir()
        folder.rename(target)
    except OSError as error:
        raise OutputError(f"{target}: appeared while this ran ({error.strerror}), and is not replaced") from None


def _locked(folder: Path) -> int | None:
    """Return the lock of a folder, held until it is closed; None where another process holds it, or there are none."""
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _is_at(handle: int, folder: Path) -> bool:
    try:
        there = folder.stat()
    except OSError:
        return False
    own = os.fstat(handle)
    return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)


def _sync(folder: Path) -> None:
    """Make sure that all of a folder is on the disk: a rename may get there before the contents."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not possible on every system
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
