"""Sweeps: one run in many variants, with a row for each; a *study* asks more of its runs."""
