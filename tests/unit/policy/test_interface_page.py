"""The page on what a policy sees names every attribute and method, and none that there is not."""

import re
from pathlib import Path

import pytest

from stratsim.model.profile import SchedulerModel, SchedulerProfile
from stratsim.model.request import Request
from stratsim.policy import (
    Drop,
    GpuView,
    InFlight,
    Policy,
    QueuePolicy,
    Resume,
    SetTimer,
    Setting,
    Start,
    Suspend,
    View,
    Wake,
)

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "policy-interface.md").read_text(encoding="utf-8")
OF_A_TUPLE = set(dir(tuple))
DECISIONS = (Start, Drop, SetTimer, Suspend, Resume)
OBJECTS = {
    "`view`": View,
    "`gpu`": GpuView,
    "`batch`": InFlight,
    "`request`": Request,
    "`setting`": Setting,
    "`setting.profile`": SchedulerProfile,
    "`setting.profile.models[name]`": SchedulerModel,
}


def rows(heading):
    """Return the first cells of the table under a heading, without their backticks."""
    section = re.search(rf"^## {re.escape(heading)}(?::[^\n]*)?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, heading
    return re.findall(r"^\| `([^`]+)` \|", section.group(1), re.MULTILINE)


def public(cls):
    """Return the public attributes and methods of the objects of a class, but for those of every tuple."""
    slots = {name for base in cls.__mro__ for name in getattr(base, "__slots__", ())}
    inherited = OF_A_TUPLE if issubclass(cls, tuple) else set()
    return {name for name in {*dir(cls), *slots} - inherited if not name.startswith("_")}


@pytest.mark.parametrize("heading", OBJECTS)
def test_the_page_has_every_attribute_and_no_other(heading):
    cls = OBJECTS[heading]
    names = [row.partition("(")[0] for row in rows(heading)]
    assert len(names) == len(set(names))
    assert set(names) == public(cls)


@pytest.mark.parametrize("heading", OBJECTS)
def test_what_is_called_is_shown_with_brackets_and_its_arguments(heading):
    cls = OBJECTS[heading]
    for row in rows(heading):
        name, bracket, arguments = row.partition("(")
        member = getattr(cls, name, None)
        called = callable(member) and not isinstance(member, property)
        assert called == bool(bracket), row
        if called:
            code = member.__code__
            assert arguments.rstrip(")").replace(",", "").split() == [*code.co_varnames[1 : code.co_argcount]], row


def test_every_decision_is_there_with_its_fields():
    expected = [f"{each.__name__}({', '.join(each._fields)})" for each in DECISIONS]
    assert rows("Decisions") == expected


def test_every_moment_is_there():
    assert set(rows("Moments (`wakes`)")) == {f"Wake.{each.name}" for each in Wake}
    assert "By default `ARRIVAL` and `EXECUTION_END`" in PAGE
    assert Policy.wakes == {Wake.ARRIVAL, Wake.EXECUTION_END}


def test_every_call_is_there_with_its_arguments():
    calls = {row.partition("(")[0]: row for row in rows("The calls")}
    own = {name for name in vars(Policy) if callable(getattr(Policy, name)) and not name.startswith("_")}
    assert set(calls) == own | {"key", "may_start"}
    for name, row in calls.items():
        code = getattr(QueuePolicy, name).__code__
        assert row == f"{name}({', '.join(code.co_varnames[1 : code.co_argcount])})"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (Path(__file__).parents[3] / "docs" / "reference" / target).is_file(), target
