"""Figures of study 2, from the tables in its folder: `figures/NAME.csv`, one function for each."""

from __future__ import annotations

FIGURES = {}
