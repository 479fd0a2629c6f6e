"""Checks of the whole simulator against closed forms, another simulator and published measurements."""
