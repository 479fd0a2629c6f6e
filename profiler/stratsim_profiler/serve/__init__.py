"""Devices that serve batches for the live executor: `stratsim.model.server.Server` on a CPU and on CUDA."""
