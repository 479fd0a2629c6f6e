"""Naming policies on the command line: lists, parameters, files."""

import sys

import pytest

from stratsim.errors import SpecError
from stratsim.policy import DropMode
from stratsim.policy.registry import PolicyCall, describe, make_policy, parse_policies, policy_class, registered

pytestmark = pytest.mark.usefixtures("_all_was_typed")


def test_the_shipped_policies_are_registered():
    policies = {"aware-edf", "clockwork", "edf", "fifo", "lax", "least-slack", "native", "nexus", "priority-edf"}
    policies |= {"priority-fifo", "strait", "symphony", "triton", "k-edf", "orion", "shepherd", "preempt-gated"}
    policies |= {"preempt-ideal", "preempt-kernel", "preempt-lax", "preempt-reset"}
    assert policies <= set(registered())
    assert list(registered()) == sorted(registered())
    assert registered()["edf"] == "stratsim.policy.queueing:Edf"


def test_a_list_is_split_at_commas_outside_brackets():
    calls = parse_policies("fifo, edf(max_batch=4, drop=never),my.py:Mine(names=['a,b', (1, 2)])")
    assert [call.text for call in calls] == [
        "fifo",
        "edf(max_batch=4, drop=never)",
        "my.py:Mine(names=['a,b', (1, 2)])",
    ]
    assert [call.name for call in calls] == ["fifo", "edf", "my.py:Mine"]
    assert calls[2].parameters == {"names": ["a,b", (1, 2)]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("-4", -4),
        ("2.5", 2.5),
        ("never", "never"),
        ("'never'", "never"),
        ("true", True),
        ("false", False),
        ("True", True),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ("{'a': 1}", {"a": 1}),
    ],
)
def test_parameters_are_literals_or_bare_words(text, value):
    (call,) = parse_policies(f"p(x={text})")
    assert call.parameters == {"x": value}
    assert type(call.parameters["x"]) is type(value)


def test_empty_brackets_are_no_parameters():
    assert parse_policies("fifo()") == [PolicyCall("fifo()", "fifo", {})]


@pytest.mark.parametrize("text", ["", ",", "fifo,", ",fifo", "fifo,,edf", "edf(", "edf)", " "])
def test_an_unreadable_list_is_quoted(text):
    with pytest.raises(SpecError) as caught:
        parse_policies(text)
    assert str(caught.value) == f"cannot read the policy list {text!r}: expected NAME[(parameter=value, ...)], ..."


@pytest.mark.parametrize(
    "text",
    [
        "edf(4)",
        "edf(max_batch)",
        "edf(**x)",
        "edf(max_batch=)",
        "edf(max_batch=1+)",
        "edf(x=open('f'))",
        "edf() more()",
    ],
)
def test_unreadable_parameters_are_quoted(text):
    with pytest.raises(SpecError) as caught:
        parse_policies(text)
    assert str(caught.value) == f"cannot read policy {text!r}: parameters are NAME=VALUE, separated by commas"


def test_nothing_is_evaluated():
    with pytest.raises(SpecError):
        parse_policies("edf(drop=__import__('sys').exit())")


def test_a_policy_listed_twice_is_refused():
    with pytest.raises(SpecError, match=r"^policy 'edf' is listed twice$"):
        parse_policies("edf,fifo,edf")
    assert len(parse_policies("edf,edf(max_batch=4),edf(max_batch=2)")) == 3


def make(text):
    (call,) = parse_policies(text)
    return make_policy(call)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(SpecError, match=r"^unknown policy 'prio-edf'; did you mean 'priority-edf'\?$"):
        make("prio-edf")
    with pytest.raises(SpecError, match=rf"^unknown policy 'zzz'; known: {', '.join(registered())}$"):
        make("zzz")
    with pytest.raises(SpecError, match=r"^policy 'edf' has no parameter 'max_bach'; did you mean 'max_batch'\?$"):
        make("edf(max_bach=2)")


def test_names_are_never_matched_approximately():
    for name in ("FIFO", "Edf", "priority_edf"):
        with pytest.raises(SpecError, match="unknown policy"):
            make(name)


def test_values_that_the_policy_refuses_name_the_policy():
    with pytest.raises(
        SpecError, match=r"^policy 'edf\(max_batch=0\)': max_batch must be a whole number, at least 1, got 0$"
    ):
        make("edf(max_batch=0)")
    with pytest.raises(SpecError, match=r"^policy 'edf\(drop=later\)': drop must be one of never, .*, got 'later'$"):
        make("edf(drop=later)")


@pytest.fixture
def file(tmp_path):
    def run(content, name="mine.py"):
        path = tmp_path / name
        path.write_text(content)
        return path

    yield run
    for name in [name for name in sys.modules if name.startswith("stratsim_user_policy_")]:
        del sys.modules[name]


MINE = """
from dataclasses import dataclass
from stratsim.policy import QueuePolicy

class Mine(QueuePolicy):
    '''Newest first.'''
    def __init__(self, weight, *, slope=2.0, **rest):
        super().__init__()
        self.weight, self.slope = weight, slope
    def key(self, request):
        return (-request.arrival_s,)

class Other(QueuePolicy):
    def __init__(self):
        raise {error}

def function(): ...
"""


def test_a_class_in_a_file_is_a_policy(file):
    path = file(MINE)
    policy = make(f"{path}:Mine(weight=3)")
    assert (policy.weight, policy.slope) == (3, 2.0)
    assert policy_class(f"{path}:Mine").__name__ == "Mine"


def test_a_required_parameter_must_be_given(file):
    name = f"{file(MINE)}:Mine"
    with pytest.raises(SpecError, match=r":Mine' needs parameter 'weight'$"):
        make(name)
    with pytest.raises(SpecError, match=r":Mine' has no parameter 'slop'; did you mean 'slope'\?$"):
        make(f"{name}(weight=1, slop=2)")


@pytest.mark.parametrize("error", ["KeyError('gone')", "TypeError('gone')", "RuntimeError('gone')", "OSError('gone')"])
def test_whatever_a_constructor_raises_is_one_line(file, error):
    name = f"{file(MINE.format(error=error))}:Other"
    with pytest.raises(SpecError, match=rf":Other' cannot be made: {error.split('(')[0]}: '?gone'?$"):
        make(name)


def test_a_structural_policy_needs_no_base_class(file):
    path = file(
        "class Bare:\n    wakes = frozenset()\n"
        "    def prepare(self, setting): ...\n    def on_arrival(self, request, view): ...\n"
        "    def on_done(self, batch, view): ...\n    def decide(self, view): return ()\n"
    )
    assert type(make(f"{path}:Bare")).__name__ == "Bare"


def test_what_a_file_lacks_is_said(file, tmp_path):
    with pytest.raises(SpecError, match=r"absent\.py:Mine': there is no file '.*absent\.py'$"):
        make(f"{tmp_path}/absent.py:Mine")
    path = file(MINE)
    with pytest.raises(SpecError, match=r"mine\.py has no class 'Mein'; did you mean 'Mine'\?$"):
        make(f"{path}:Mein")
    with pytest.raises(SpecError, match=r"mine\.py has no class 'xyzzy'; known: Mine, Other$"):
        make(f"{path}:xyzzy")  # the imported names are not offered


def test_a_class_that_is_no_policy_is_refused(file):
    path = file(MINE + "\nclass Plain:\n    wakes = ()\n    def decide(self): ...\n")
    with pytest.raises(SpecError, match=r"is not a policy: it lacks prepare, on_arrival \(see stratsim\.policy\.base"):
        make(f"{path}:Plain")
    with pytest.raises(SpecError, match=r":function' is not a policy: it is not a class"):
        make(f"{path}:function")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def (:\n", "SyntaxError: "),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(file, content, message):
    with pytest.raises(SpecError) as caught:
        make(f"{file(content)}:Mine")
    assert f"mine.py failed: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_description_has_docstring_source_and_parameters(file):
    edf = describe("edf")
    assert edf.summary == "Earliest deadline first, whatever the priority; not preemptive."
    assert edf.source == "Liu and Layland 1973 for the order"
    assert edf.parameters == (("max_batch", "None"), ("drop", "None"))
    assert edf.wakes == ("arrival", "execution-end")
    assert "QueuePolicy: Serve the request with the smallest key first" in edf.text
    mine = describe(f"{file(MINE)}:Mine")
    assert mine.summary == "Newest first."
    assert mine.parameters == (("weight", "required"), ("slope", "2.0"))
    assert mine.source == ""


def test_a_policy_without_a_constructor_has_no_parameters(file):
    path = file("from stratsim.policy import Policy\nclass Bare(Policy):\n    '''Bare.'''\n")
    assert describe(f"{path}:Bare").parameters == ()
    with pytest.raises(SpecError, match=r":Bare' has no parameter 'args'; known: none$"):
        make(f"{path}:Bare(args=1)")


def test_the_source_ends_with_its_paragraph(file):
    code = "from stratsim.policy import Policy\n\n\nclass Mine(Policy):\n"
    code += "    'Mine.\\n\\n    Source: a paper\\n    of 2019.{}Args:\\n        a: No.'\n"
    code += "    def __init__(self, a=1): pass\n    def decide(self, view): return []\n"
    for gap in ("\\n\\n    ", "\\n    "):
        assert describe(f"{file(code.format(gap))}:Mine").source == "a paper of 2019"


def test_every_shipped_policy_says_where_it_is_from():
    for name in registered():
        about = describe(name)
        assert about.summary.endswith(".")
        assert about.source


def test_parameters_reach_the_policy():
    policy = make("edf(max_batch=3, drop=expired)")
    assert policy._max_batch == 3
    assert DropMode(policy._drop) is DropMode.EXPIRED


def test_a_file_is_executed_once_and_may_import_its_neighbours(tmp_path, capsys):
    (tmp_path / "neighbour.py").write_text("WORD = 'hello'\n")
    path = tmp_path / "mine.py"
    lines = ["from neighbour import WORD", "from stratsim.policy.queueing import Fifo", "print(WORD)"]
    path.write_text("\n".join([*lines, "class Mine(Fifo):", "    pass", ""]))
    first, second = make(f"{path}:Mine"), make(f"{path}:Mine")
    assert type(first) is type(second)
    assert capsys.readouterr().out == "hello\n"


def test_files_of_one_name_are_kept_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        text = f"from stratsim.policy.queueing import Fifo\nclass Mine(Fifo):\n    place = '{folder}'\n"
        (tmp_path / folder / "mine.py").write_text(text)
    places = [make(f"{tmp_path / folder / 'mine.py'}:Mine").place for folder in ("a", "b")]
    assert places == ["a", "b"]
