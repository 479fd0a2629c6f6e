"""Devices that serve batches: what stands behind `stratsim.model.server.Server`."""
