"""The timeline of a run as Chrome trace events, for https://ui.perfetto.dev or chrome://tracing.

`file.Timeline` writes the file. `spans` chooses what of a run it holds, `batches` makes the rows of the GPUs,
`requests` what arrives, waits and is given up.
"""

from stratsim.results.timeline.file import Timeline, read_window, timeline_events
from stratsim.results.timeline.spans import Window

__all__ = ["Timeline", "Window", "read_window", "timeline_events"]
