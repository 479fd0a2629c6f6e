"""Clockwork, controller INFER5 (OSDI 2020)."""

from stratsim.policy.clockwork.policy import Clockwork

__all__ = ["Clockwork"]
