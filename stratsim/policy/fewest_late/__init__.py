"""Fewest weighted late requests: a policy of our own (docs/reference/policies.md)."""

from stratsim.policy.fewest_late.policy import FewestLate

__all__ = ["FewestLate"]
