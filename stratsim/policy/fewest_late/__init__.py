"""Fewest weighted late requests: a policy of our own (docs/explanation/fewest-late.md)."""

from stratsim.policy.fewest_late.policy import FewestLate

__all__ = ["FewestLate"]
