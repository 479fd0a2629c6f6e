"""Replications: every test here makes many runs, and is slow."""

import pytest


def pytest_collection_modifyitems(items):
    """Mark all tests of this folder: their power is in many runs."""
    for item in items:
        if "tests/statistical/" in item.nodeid:
            item.add_marker(pytest.mark.slow)
