"""Simulated against live: how far the simulator is from a run of the same policy on a real device.

Three levels: stages of the very same batches (`stages`), what requests saw when the simulator is left to itself
(`end_to_end`), and whether policies compare alike (`ranking`). docs/fidelity.md has the definitions.
"""

from stratsim.fidelity.report import Cell, Replayed, assess, profile_of, read_calibration, read_cells, replay_cells

__all__ = ["Cell", "Replayed", "assess", "profile_of", "read_calibration", "read_cells", "replay_cells"]
