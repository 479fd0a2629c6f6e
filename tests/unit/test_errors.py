"""The error tree, and what its messages say."""

import inspect
import pickle

import pytest

from stratsim import errors

TREE = {
    errors.SpecError: ValueError,
    errors.CodeRefusedError: errors.SpecError,
    errors.LimitError: ValueError,
    errors.TraceError: ValueError,
    errors.ProfileError: ValueError,
    errors.OutsideProfileError: errors.ProfileError,
    errors.SchemaVersionError: errors.ProfileError,
    errors.PolicyError: RuntimeError,
    errors.ServerError: RuntimeError,
    errors.SimulationError: RuntimeError,
    errors.OutputError: OSError,
    errors.NotFittedError: RuntimeError,
    errors.MissingExtraError: ImportError,
    errors.BundledFileNotFoundError: FileNotFoundError,
}


@pytest.mark.parametrize(("error", "base"), TREE.items(), ids=lambda cls: cls.__name__)
def test_each_error_is_ours_and_a_standard_one(error, base):
    assert issubclass(error, errors.StratsimError)
    assert issubclass(error, base)


def test_the_tree_has_no_other_errors():
    classes = {cls for _, cls in inspect.getmembers(errors, inspect.isclass)}
    assert classes == {*TREE, errors.StratsimError}


def test_the_drawing_names_every_error():
    assert all(error.__name__ in errors.__doc__ for error in TREE)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({}, "is negative"),
        ({"value": -1}, "is negative (got -1)"),
        ({"file": "t.csv", "row": 7, "column": "slo_s", "value": "-1"}, "t.csv, row 7, column 'slo_s': is negative"),
        ({"column": "slo_s"}, "column 'slo_s': is negative"),
    ],
)
def test_a_trace_error_says_where(place, expected):
    error = errors.TraceError("is negative", **place)
    assert str(error).startswith(expected)
    assert {name: getattr(error, name) for name in place} == place


def test_a_policy_error_names_policy_time_and_decision():
    error = errors.PolicyError("no free place", policy="mine", time_s=1.25, decision=("x", 3))
    assert str(error) == "policy 'mine' at t=1.25 s: no free place in ('x', 3)"
    assert (error.policy, error.time_s, error.decision) == ("mine", 1.25, ("x", 3))


def test_a_missing_extra_says_what_to_install():
    error = errors.MissingExtraError("pyarrow", "parquet")
    assert str(error) == "pyarrow is not installed; it needs: pip install 'stratsim[parquet]'"
    assert (error.package, error.extra) == ("pyarrow", "parquet")


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("resnet5", ["vgg19", "resnet50"], "did you mean 'resnet50'?"),
        ("zzz", ["vgg19", "resnet50"], "known: resnet50, vgg19"),
        ("zzz", [], "known: none"),
    ],
)
def test_suggest(name, known, hint):
    assert errors.suggest(name, known) == hint


@pytest.mark.parametrize(
    "error",
    [
        errors.PolicyError("bad", policy="edf", time_s=1.5, decision=(1, 2)),
        errors.TraceError("bad", file="a.csv", row=3, column="model", value="x"),
        errors.MissingExtraError("torch", "profiler"),
        errors.OutputError("no room"),
        errors.SpecError("gpus must be at least 1, got 0"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_get_out_of_worker_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
