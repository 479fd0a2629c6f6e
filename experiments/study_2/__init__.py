"""Study 2: does Strait, as reconstructed here, protect high priority better than its rivals, and at what cost?

docs/results/study-2.md has the hypotheses and what came out; `study.py` runs it.
"""
