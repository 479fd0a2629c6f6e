"""Strait, reconstructed: interference-aware scheduling of two priority classes (arXiv 2604.28175)."""

from stratsim.policy.strait.policy import Strait

__all__ = ["Strait"]
