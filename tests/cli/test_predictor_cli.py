"""`stratsim predictor list` and `stratsim predictor show`."""

import pytest

from stratsim.predict.registry import PREDICTORS, TRANSFER_PREDICTORS

ALL = {**PREDICTORS.registered(), **TRANSFER_PREDICTORS.registered()}


def test_list_names_every_predictor(call):
    ran = call("predictor", "list")
    assert (ran.status, ran.err) == (0, "")
    slowing, copies = ran.out.split("\n\n")
    for part, title, registry in (
        (slowing, "How co-located batches slow each other", PREDICTORS),
        (copies, "When copies end", TRANSFER_PREDICTORS),
    ):
        heading, header, *rows = part.splitlines()
        assert heading == title
        assert header.split() == ["name", "what", "it", "estimates", "source"]
        assert [row.split()[0] for row in rows if row[0] != " "] == list(registry.registered())
        assert max(map(len, rows)) <= 120


@pytest.mark.parametrize("name", ALL)
def test_show_prints_the_docstring_with_its_source(call, name):
    ran = call("predictor", "show", name)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{name}: ")
    assert "Source:" in ran.out
    assert f"\nClass: {ALL[name]}\n" in ran.out


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_that_show_lists_is_explained(call, name):
    ran = call("predictor", "show", name)
    text, _, table = ran.out.partition("\nParameters\n")
    for row in table.splitlines()[1:]:
        assert f"\n    {row.split()[0]}: " in text, f"{row.split()[0]} of {name} has no line under Args"


def test_show_prints_the_family_and_all_parameters(call):
    ran = call("predictor", "show", "rls")
    for part in ("OnlineLinear:", "\nParameters\n", "\nforgetting        0.99\n", "\nform              'rate'\n"):
        assert part in ran.out


def test_show_takes_a_file(call, write):
    file = write(
        "mine.py",
        "from stratsim.predict import Predictor\n\n\nclass Mine(Predictor):\n"
        "    '''Half speed.'''\n\n    def rate(self, target, others):\n        return 0.5\n",
    )
    ran = call("predictor", "show", f"{file}:Mine")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "mine.py:Mine: Half speed.\n"


def test_show_refuses_what_is_not_there(refused):
    assert refused("predictor", "show", "rsl") == "unknown predictor 'rsl'; did you mean 'rls'?"
    assert refused("predictor", "show", "gone.py:Mine") == "predictor 'gone.py:Mine': there is no file 'gone.py'"


def test_show_refuses_what_is_no_predictor(refused, policy_file):
    line = refused("predictor", "show", policy_file())
    assert line.startswith("predictor 'mine.py:Mine' is not a predictor: it lacks fit, predict, observe, rate (see ")
