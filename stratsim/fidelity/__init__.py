"""Simulated against live: how far the simulator is from a run of the same policy on a real device.

`spec` and `plan` say which live runs a grid makes, `grid` makes them through an `executor`; `record` reads runs, live
and simulated alike; `one_step` predicts each stage of their batches from what came before it (executions by the
`progress` that the device model gives them), `forced` replays the very same batches; `levels` compares, `calibrate`
corrects a profile by a served device, `report` puts it all together. docs/explanation/fidelity.md has the definitions.
"""

from stratsim.fidelity.report import Cell, Replayed, assess, profile_of, read_calibration, read_cells, replay_cells

__all__ = ["Cell", "Replayed", "assess", "profile_of", "read_calibration", "read_cells", "replay_cells"]
