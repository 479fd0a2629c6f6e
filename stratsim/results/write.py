"""Writes the results of a replay into a folder: all of it or nothing.

Everything is written into a folder next to the target, DIR.tmp, and renamed when it is complete: see
`stratsim.results.claim`. An error or an interrupt removes it; a killed process leaves it, and the next one that writes
to DIR takes it over.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from stratsim.engine.columns import batch_chunks, pause_chunks, request_chunks
from stratsim.errors import SpecError
from stratsim.model.columns import BATCH_KINDS, PAUSE_KINDS, REQUEST_KINDS, RETRY_KINDS
from stratsim.results.claim import Claim, claim, output_errors
from stratsim.results.formats import TableWriter, has_parquet
from stratsim.results.over_time import WindowFile
from stratsim.results.timeline import Timeline

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from stratsim.engine.result import Result
    from stratsim.results.timeline import Window

__all__ = ["FILES", "ResultWriter", "check_target", "result_writer", "write_results"]

FILES = (
    "manifest.json",
    "summary.json",
    "timeline.json",
    "draws.json",
    "windows.csv",
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

    Claims the place for a moment, the only sure way to know; leaves nothing behind. Who goes on to write there had
    better keep the claim: `stratsim.results.claim.claim`, to be given to `result_writer`.

    Raises:
        OutputError: as `stratsim.results.claim.claim`.
    """
    with claim(directory, overwrite=overwrite):
        pass


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
        timeline: bool | Window,
        windows_s: float | None,
        parquet: bool,
    ) -> None:
        self._folder = folder
        self._shown = shown
        self._policies = tuple(policies)
        self._parquet = parquet
        self._windows_s = windows_s
        self._stack = ExitStack()
        self._requests: TableWriter | None = None
        self._batches = self._table("batches", BATCH_KINDS)
        self._pauses: TableWriter | None = None
        self._timeline = None
        if timeline:
            file = (folder / "timeline.json").open("w", encoding="utf-8", newline="\n")
            window = None if isinstance(timeline, bool) else timeline
            self._timeline = Timeline(self._stack.enter_context(file), window)
        self._windows = None
        if windows_s is not None:
            table = (folder / "windows.csv").open("w", encoding="utf-8", newline="")
            self._windows = WindowFile(self._stack.enter_context(table), windows_s)
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
        with output_errors(self._shown):
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
        if self._windows is not None:
            self._windows.add(result)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write what is left, with the manifest: everything that is needed to repeat the runs, as plain JSON values."""
        with output_errors(self._shown):
            if self._timeline is not None:
                self._timeline.close()
            self.close()
            _write_json(self._folder / "summary.json", {"runs": list(self._summaries.values())})
            asked = {} if self._windows_s is None else {"windows_s": self._windows_s}
            _write_json(self._folder / "manifest.json", {**manifest, **asked})

    def add_draws(self, draws: Mapping[str, Any]) -> None:
        """Write what other values of fitted parameters come to, as plain JSON values (`replay --draws`)."""
        with output_errors(self._shown):
            _write_json(self._folder / "draws.json", draws)

    def close(self) -> None:
        """Close the files, complete or not."""
        self._stack.close()


@contextmanager
def result_writer(
    directory: str | os.PathLike[str] | Claim,
    policies: Sequence[str],
    *,
    overwrite: bool = False,
    timeline: bool | Window = True,
    windows_s: float | None = None,
    parquet: bool | None = None,
) -> Iterator[ResultWriter]:
    """Give the writer of a result folder, which is there once the block has ended, after `ResultWriter.finish`.

    Args:
        directory: The folder, whose parents are created, or the claim to its place.
        policies: Of the runs that will be added; no two the same.
        overwrite: Replace an older result (a claim has said so already). It stays until the new one is complete; files
            in it that stratsim did not write (figures, notes) are kept.
        timeline: Write timeline.json too; a window: of what happened in it.
        windows_s: Write windows.csv too, with windows of this length (`stratsim.stats.over_time`).
        parquet: Write Parquet (True) or CSV (False) tables; None: Parquet if pyarrow is installed.

    Raises:
        OutputError: the folder cannot be written, or may not be overwritten.
        SpecError: two runs of one policy.
    """
    if len(set(policies)) < len(policies):
        raise SpecError(f"two runs of the same policy cannot share a result folder: {', '.join(policies)}")
    with nullcontext(directory) if isinstance(directory, Claim) else claim(directory, overwrite=overwrite) as place:
        as_parquet = has_parquet() if parquet is None else parquet
        with output_errors(place.shown):
            writer = ResultWriter(
                place.folder, place.shown, policies, timeline=timeline, windows_s=windows_s, parquet=as_parquet
            )
        with closing(writer):
            yield writer
        place.publish(frozenset(FILES))


def write_results(
    results: Sequence[Result],
    directory: str | os.PathLike[str] | Claim,
    *,
    manifest: Mapping[str, Any],
    summaries: Sequence[Mapping[str, Any]],
    **options: Any,
) -> None:
    """Write requests, batches, pauses, summary, manifest and timeline of several policies' runs into one folder.

    The table of pauses is written if one of the policies can preempt.

    Args:
        results: The runs; no two of the same policy.
        directory: As for `result_writer`.
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


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
