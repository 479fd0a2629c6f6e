"""The measurements: each takes a bench and a cell of the plan, and returns the cell's records."""
