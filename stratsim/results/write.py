"""Writes the results of a replay into a folder: all of it or nothing.

Everything is written into a folder next to the target, DIR.tmp-XXXXXXXX, and renamed when it is complete. An error or
an interrupt removes it; a killed process leaves it, under a name that nothing reads.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import OutputError, SpecError
from stratsim.results.formats import TableWriter, has_parquet
from stratsim.results.tables import (
    BATCH_KINDS,
    PAUSE_KINDS,
    REQUEST_KINDS,
    RETRY_KINDS,
    batch_chunks,
    pause_chunks,
    request_chunks,
)
from stratsim.results.timeline import Timeline

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.engine.result import Result

__all__ = ["FILES", "ResultWriter", "check_target", "result_writer", "write_results"]

FILES = (
    "manifest.json",
    "summary.json",
    "timeline.json",
    "requests.parquet",
    "requests.csv.gz",
    "batches.parquet",
    "batches.csv.gz",
    "pauses.parquet",
    "pauses.csv.gz",
)
"""Every name that a result folder may hold; anything else in it belongs to the user."""


def check_target(directory: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Make sure that results can be written to `directory`: to be called before a long run.

    Creates a folder next to the target for a moment, the only sure way to know; leaves nothing behind.

    Raises:
        OutputError: it exists and `overwrite` is false, it is no result folder, or its parent cannot be written to.
    """
    with _output_errors(directory):
        target = _target(directory, overwrite)
        ancestor = next(parent for parent in target.parents if parent.exists())
        probe = _temporary(ancestor / target.name, "tmp")
        probe.mkdir()
        probe.rmdir()


class ResultWriter:
    """Writes one policy's run after the other into a folder; made by `result_writer`.

    So a run can go as soon as it has been written: of ten million requests one alone fills a gigabyte.
    """

    def __init__(
        self,
        folder: Path,
        shown: str | os.PathLike[str],
        policies: Sequence[str],
        *,
        timeline_cap: int | None,
        parquet: bool,
    ) -> None:
        self._folder = folder
        self._shown = shown
        self._policies = tuple(policies)
        self._parquet = parquet
        self._stack = ExitStack()
        self._requests: TableWriter | None = None
        self._batches = self._table("batches", BATCH_KINDS)
        self._pauses: TableWriter | None = None
        self._timeline = None
        if timeline_cap is not None:
            file = (folder / "timeline.json").open("w", encoding="utf-8", newline="\n")
            self._timeline = Timeline(self._stack.enter_context(file), timeline_cap)
        self._summaries: dict[str, Mapping[str, Any]] = {}

    def _table(self, name: str, kinds: Mapping[str, str]) -> TableWriter:
        return self._stack.enter_context(closing(TableWriter(self._folder, name, kinds, parquet=self._parquet)))

    def add(self, result: Result, summary: Mapping[str, Any]) -> None:
        """Write a run: its requests, batches and pauses, with its `summarize`.

        Raises:
            OutputError: the folder cannot be written.
            SpecError: a second run of one policy.
        """
        if result.policy in self._summaries:
            raise SpecError(f"two runs of the same policy cannot share a result folder: {', '.join(self._policies)}")
        self._summaries[result.policy] = summary
        with _output_errors(self._shown):
            self._add(result)

    def _add(self, result: Result) -> None:
        if self._requests is None:
            self._requests = self._table("requests", REQUEST_KINDS if result.attempts is None else RETRY_KINDS)
        self._requests.write(request_chunks(result, self._policies))
        self._batches.write(batch_chunks(result, self._policies))
        if result.pauses is not None:
            if self._pauses is None:
                self._pauses = self._table("pauses", PAUSE_KINDS)
            self._pauses.write(pause_chunks(result, self._policies))
        if self._timeline is not None:
            self._timeline.add(result)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write what is left, with the manifest: everything that is needed to repeat the runs, as plain JSON values."""
        with _output_errors(self._shown):
            if self._timeline is not None:
                self._timeline.close()
            self.close()
            _write_json(self._folder / "summary.json", {"runs": list(self._summaries.values())})
            _write_json(self._folder / "manifest.json", manifest)

    def close(self) -> None:
        """Close the files, complete or not."""
        self._stack.close()


@contextmanager
def result_writer(
    directory: str | os.PathLike[str],
    policies: Sequence[str],
    *,
    overwrite: bool = False,
    timeline: bool = True,
    timeline_cap: int = 5_000,
    parquet: bool | None = None,
) -> Iterator[ResultWriter]:
    """Give the writer of a result folder, which is there once the block has ended, after `ResultWriter.finish`.

    Args:
        directory: The folder; its parents are created.
        policies: Of the runs that will be added; no two the same.
        overwrite: Replace an older result. It stays until the new one is complete; files in it that stratsim did
            not write (figures, notes) are kept.
        timeline: Write timeline.json too.
        timeline_cap: The most batches per policy in the timeline.
        parquet: Write Parquet (True) or CSV (False) tables; None: Parquet if pyarrow is installed.

    Raises:
        OutputError: the folder cannot be written, or may not be overwritten.
        SpecError: two runs of one policy.
    """
    if len(set(policies)) < len(policies):
        raise SpecError(f"two runs of the same policy cannot share a result folder: {', '.join(policies)}")
    with _new_folder(directory, overwrite) as folder:
        as_parquet = has_parquet() if parquet is None else parquet
        cap = timeline_cap if timeline else None
        with _output_errors(directory):
            writer = ResultWriter(folder, directory, policies, timeline_cap=cap, parquet=as_parquet)
        with closing(writer):
            yield writer


def write_results(
    results: Sequence[Result],
    directory: str | os.PathLike[str],
    *,
    manifest: Mapping[str, Any],
    summaries: Sequence[Mapping[str, Any]],
    **options: Any,
) -> None:
    """Write requests, batches, pauses, summary, manifest and timeline of several policies' runs into one folder.

    The table of pauses is written if one of the policies can preempt.

    Args:
        results: The runs; no two of the same policy.
        directory: The folder; its parents are created.
        manifest: What was run: everything that is needed to repeat it. Plain JSON values.
        summaries: `summarize` of each run.
        options: As for `result_writer`.

    Raises:
        OutputError: the folder cannot be written, or may not be overwritten.
        SpecError: two runs of one policy, or not one summary per run.
    """
    if len(summaries) != len(results):
        raise SpecError(f"{len(results)} runs need as many summaries, got {len(summaries)}")
    with result_writer(directory, [result.policy for result in results], **options) as writer:
        for result, summary in zip(results, summaries, strict=True):
            writer.add(result, summary)
        writer.finish(manifest)


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


def _temporary(target: Path, kind: str) -> Path:
    return target.with_name(f"{target.name}.{kind}-{secrets.token_hex(4)}")


@contextmanager
def _output_errors(shown: object) -> Iterator[None]:
    """Turn an error of the operating system into one line that names the folder."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{shown}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _new_folder(shown: str | os.PathLike[str], overwrite: bool) -> Iterator[Path]:
    """Give a folder to write to; it becomes the one that is `shown` if the block succeeds, and vanishes otherwise."""
    with _output_errors(shown):
        target = _target(shown, overwrite)
        created = [parent for parent in target.parents if not parent.exists()]
        folder = _temporary(target, "tmp")
    try:
        with _output_errors(shown):
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        yield folder
        with _output_errors(shown):
            _swap(folder, target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in created:
            with suppress(OSError):
                parent.rmdir()
        raise


def _swap(folder: Path, target: Path) -> None:
    """Put `folder` in the place of `target`; whatever fails, one of the two is complete and kept."""
    if not target.exists():
        folder.rename(target)
        return
    old = _temporary(target, "old")
    target.rename(old)
    try:
        folder.rename(target)
    except BaseException:
        old.rename(target)
        raise
    for entry in old.iterdir():
        if entry.name not in FILES:
            entry.rename(target / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
