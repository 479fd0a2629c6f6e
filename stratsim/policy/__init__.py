"""Scheduling policies: the Protocol, the view they see, and one module per family."""
