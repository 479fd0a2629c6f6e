"""Every policy says where it comes from, and is on the page of policies."""

from pathlib import Path

import pytest

from stratsim.policy.registry import describe, registered

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "policies.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", registered())
def test_it_is_on_the_page(name):
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("name", registered())
def test_it_says_what_it_does_and_where_it_comes_from(name):
    about = describe(name)
    assert 20 < len(about.summary) <= 120
    assert about.source


@pytest.mark.parametrize("name", registered())
def test_every_parameter_is_explained(name):
    about = describe(name)
    for parameter, _ in about.parameters:
        assert f"\n    {parameter}: " in about.text, parameter
