"""Triton's dynamic batcher."""

from stratsim.policy.triton.policy import Triton

__all__ = ["Triton"]
