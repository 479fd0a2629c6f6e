"""Study 1: how well beliefs about interference predict, all on the same logs.

docs/results/study-1.md has the hypotheses and what came out; `study.py` runs it.
"""
