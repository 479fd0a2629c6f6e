"""The raw samples of a profiling run: what was measured, before any fit.

One JSON object per line, its `kind` first. The first line is the `header`; the records of one cell of the plan are
appended together, with a `done` line behind them, once the cell is complete. A run that was interrupted can therefore
be resumed: whatever follows the last complete cell is dropped, and every cell with a `done` line is kept. Only the
standard library is needed to read or write the file.

Times are seconds, sizes bytes, clocks MHz, power watts, temperatures degrees Celsius, with the unit in the name. A list
`..._seconds` holds one figure per repetition, in the order of measurement, nothing averaged; of more repetitions than
`settings.most_samples`, every k-th is kept.
"""

from __future__ import annotations

from stratsim_profiler.samples.alone import Direction, Kernels, Model, Phase, Solo, Transfer
from stratsim_profiler.samples.colocated import Colocation, Offset, OffsetStream, Role, Stream, is_stressor
from stratsim_profiler.samples.run import SAMPLES_SCHEMA, Conditions, Discarded, Done, Header, Note, Telemetry

__all__ = [
    "RECORD_TYPES",
    "SAMPLES_SCHEMA",
    "Colocation",
    "Conditions",
    "Direction",
    "Discarded",
    "Done",
    "Header",
    "Kernels",
    "Model",
    "Note",
    "Offset",
    "OffsetStream",
    "Phase",
    "Record",
    "Role",
    "Solo",
    "Stream",
    "Telemetry",
    "Transfer",
    "is_stressor",
]

Record = Model | Transfer | Solo | Kernels | Colocation | Offset | Telemetry | Discarded | Note | Done

RECORD_TYPES: dict[str, type[Header | Record]] = {
    found.kind: found
    for found in (Header, Model, Transfer, Solo, Kernels, Colocation, Offset, Telemetry, Discarded, Note, Done)
}
"""The records by the `kind` that a line names."""
