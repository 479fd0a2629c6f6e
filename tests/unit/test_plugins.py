"""Names with inline parameters, which policies and predictors share. More of it: tests/cli/test_registry.py."""

from importlib.metadata import EntryPoint

import pytest

from stratsim.errors import SpecError
from stratsim.plugins import PluginCall, Registry, entry_points, points

pytestmark = pytest.mark.usefixtures("_all_was_typed")

PLUGINS = Registry(kind="gadget", group="stratsim.no_such_group", base="here.Gadget", needed=("run",), family="run")


def parameters(text):
    return PLUGINS.parse_one(text).parameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rls", "rls"),
        ("rls()", "rls()"),
        ("rls(forgetting=0.98)", "rls(forgetting=0.98)"),
        ("rls( forgetting = 0.98, nonnegative=true )", "rls( forgetting = 0.98, nonnegative=true )"),
        ("ewma-pairs", "ewma-pairs"),
        ("ewma-pairs(alpha=0.3)", "ewma-pairs(alpha=0.3)"),
        ("outer(inner=rls(forgetting=1))", "outer(inner=rls(forgetting=1))"),
        ("'mine.py:Belief(x=1)'", "mine.py:Belief(x=1)"),
        ("-1.5", -1.5),
        ("(1, 2)", (1, 2)),
        ("None", None),
        ("inf", float("inf")),
        ("true", True),
        ("deploy/models", "deploy/models"),
        ("/srv/models/", "/srv/models/"),
        ("../a b/c-1.5", "../a b/c-1.5"),
        ("'a/b, c'", "a/b, c"),
        ("'x=a/b,c'", "x=a/b,c"),
    ],
)
def test_a_parameter_may_be_a_name_with_parameters_of_its_own(text, value):
    assert parameters(f"strait(belief={text})") == {"belief": value}


def test_the_text_of_a_parameter_can_be_read_again():
    inner = parameters("strait(belief=rls(forgetting=0.98))")["belief"]
    assert PLUGINS.parse_one(inner) == PluginCall("rls(forgetting=0.98)", "rls", {"forgetting": 0.98})


@pytest.mark.parametrize(
    "text",
    [
        "strait(belief=rls(0.98))",
        "strait(belief=rls(**x))",
        "strait(belief=rls(x=open('f')))",
        "strait(belief=rls().run())",
        "strait(belief=rls(x=1).run)",
        "strait(belief=__import__('sys').exit())",
        "strait(belief=a+b)",
        "strait(belief=1-a)",
        "strait(belief=a.b)",
        "strait(belief=[f()])",
    ],
)
def test_anything_else_is_refused_unevaluated(text):
    with pytest.raises(SpecError) as caught:
        parameters(text)
    assert str(caught.value) == f"cannot read gadget {text!r}: parameters are NAME=VALUE, separated by commas"


def test_one_is_one():
    with pytest.raises(SpecError, match=r"^expected one gadget, got 2: 'a,b'$"):
        PLUGINS.parse_one("a,b")


def test_messages_name_the_kind(tmp_path):
    with pytest.raises(SpecError, match=r"^unknown gadget 'a'; known: none$"):
        PLUGINS.make(PLUGINS.parse_one("a"))
    file = tmp_path / "g.py"
    file.write_text("class Lame:\n    pass\n\n\nclass Good:\n    def run(self):\n        '''Run.'''\n")
    with pytest.raises(SpecError, match=r"is not a gadget: it lacks run \(see here\.Gadget\)$"):
        PLUGINS.load(f"{file}:Lame")
    assert type(PLUGINS.make(PLUGINS.parse_one(f"{file}:Good"))).__name__ == "Good"


def test_a_file_is_imported_once(tmp_path):
    file = tmp_path / "g.py"
    file.write_text("class Good:\n    run = 1\n")
    assert PLUGINS.load(f"{file}:Good") is PLUGINS.load(f"{file}:Good")


def test_a_group_without_entry_points_is_empty():
    assert PLUGINS.registered() == {}


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("stratsim.policies", "fifo", "stratsim.policy.queueing:Fifo"),
        ("stratsim.predictors", "rls", "stratsim.predict.rls:Rls"),
        ("stratsim.servers", "cpu", "stratsim_profiler.serve.cpu:CpuServer"),
    ],
)
def test_a_source_tree_that_is_not_installed_knows_its_own(monkeypatch, group, name, value):
    other = EntryPoint("mine", "elsewhere:Mine", group)
    monkeypatch.setattr(entry_points, "_installed", lambda group, _: {"mine": other})
    found = points(group)
    assert found[name].value == value
    assert found["mine"] == other
    assert list(found) == sorted(found)


def test_what_is_installed_wins_over_a_source_tree(monkeypatch):
    installed = EntryPoint("fifo", "stratsim.policy.queueing:Fifo", "stratsim.policies")
    monkeypatch.setattr(entry_points, "_installed", lambda group, _: {"fifo": installed})
    assert list(points("stratsim.policies")) == ["fifo"]


def test_without_a_source_tree_nothing_is_added(monkeypatch, tmp_path):
    monkeypatch.setattr(entry_points, "_installed", lambda group, _: {})
    monkeypatch.setattr(entry_points, "_PROJECT", tmp_path / "pyproject.toml")
    assert points("stratsim.policies") == {}
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "other"\n[project.entry-points."stratsim.policies"]\nx = "y:z"'
    )
    assert points("stratsim.policies") == {}
