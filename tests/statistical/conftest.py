"""Replications: every test here makes many runs, and is slow."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Mark all tests of this folder: their power is in many runs."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
