"""Devices that serve batches by the wall clock: `cpu.CpuServer` and `cuda.CudaServer`.

Each is a `stratsim.model.server.Server`; stratsim finds them by entry point (`stratsim.servers`). Importing one needs
torch, this package alone does not.
"""
