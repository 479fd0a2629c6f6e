"""A sweep that was run once."""

import pytest

from tests.unit.sweep.tiny import TINY, run


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """The folder of `TINY`, which nobody changes, and the outcome."""
    out = tmp_path_factory.mktemp("sweep")
    return out, run(TINY, out)
