import json

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a file by name: text as it is, everything else as JSON; return its path."""

    def make(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return make
