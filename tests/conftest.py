"""What all tests share."""

import os

import hypothesis
import pytest

from stratsim.plugins import gate

# A property is tried on few examples, drawn anew each time; `make test-slow` tries many.
hypothesis.settings.register_profile(
    "stratsim", deadline=None, max_examples=int(os.environ.get("STRATSIM_EXAMPLES", "20"))
)
hypothesis.settings.load_profile("stratsim")


@pytest.fixture(autouse=True)
def _nothing_was_typed():
    """Code that one test allows to be imported, the next one must allow anew."""
    token = gate._ALLOWED.set(frozenset())
    yield
    gate._ALLOWED.reset(token)


@pytest.fixture
def _all_was_typed(monkeypatch):
    """Let every file be imported, as if a user had typed its name."""
    monkeypatch.setattr(gate, "_is_allowed", lambda _: True)
