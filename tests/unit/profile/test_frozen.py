"""Set-up is kept by content, and what is kept cannot be changed."""

import copy
import pickle

import pytest

from stratsim import simulate
from stratsim.device import execution_model
from stratsim.model.frozen import FrozenDict, by_content, frozen
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing, Truth
from stratsim.policy.queueing import Edf
from stratsim.predict.features import FeatureTable
from stratsim.testing import make_profile, make_workload


def profile_of(latency_s=0.010):
    return make_profile({"a": {1: latency_s, 4: 0.02}, "b": 0.02}, sharing={"a": Sharing(0.5, 2.0)})


def test_equal_arguments_give_the_object_that_was_made_before():
    calls = []

    @by_content
    def make(table, factor):
        calls.append(factor)
        return tuple(value * factor for value in table.values())

    first = make({"a": 1.0, "b": 2.0}, 3)
    assert make({"a": 1.0, "b": 2.0}, 3) is first
    assert first == (3.0, 6.0)
    assert make({"a": 1.0, "b": 2.5}, 3) == (3.0, 7.5)
    assert calls == [3, 3]


def test_an_object_that_changed_in_between_gives_a_new_answer():
    @by_content
    def total(table):
        return sum(table.values())

    table = {1: 1.0}
    assert total(table) == 1.0
    table[2] = 2.0
    assert total(table) == 3.0


def test_contents_that_differ_in_the_last_bit_or_in_type_are_different():
    @by_content
    def text(value):
        return repr(value)

    found = [text(0.1), text(0.1 + 2**-56), text(1), text(1.0), text(float("inf"))]
    assert found == ["0.1", "0.10000000000000002", "1", "1.0", "inf"]


def test_a_call_that_fails_is_not_kept():
    outcomes = [ValueError("once"), 7]

    @by_content
    def make(_):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with pytest.raises(ValueError, match="once"):
        make(1)
    assert make(1) == 7


@pytest.mark.parametrize("argument", [2**64, "half a pair \ud800"])
def test_arguments_without_a_content_are_computed_each_time(argument):
    calls = []

    @by_content
    def make(value):
        calls.append(value)
        return value

    assert [make(argument), make(argument)] == calls == [argument, argument]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.__setitem__("a", 2),
        lambda table: table.__delitem__("a"),
        lambda table: table.__ior__({"b": 2}),
        lambda table: table.update(b=2),
        lambda table: table.setdefault("b", 2),
        lambda table: table.pop("a"),
        lambda table: table.popitem(),
        lambda table: table.clear(),
    ],
)
def test_a_frozen_dict_cannot_be_changed(change):
    table = FrozenDict(a=1)
    with pytest.raises(TypeError, match="shared between runs and cannot be changed"):
        change(table)
    assert table == {"a": 1}


def test_a_frozen_dict_is_copied_and_sent_to_other_processes_like_a_dict():
    table = FrozenDict(a=FrozenDict(b=1))
    for copied in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert copied == table
        assert type(copied) is type(copied["a"]) is FrozenDict


def test_freezing_reaches_into_dataclasses_and_leaves_the_original_as_it_is():
    truth = Truth(sharing={"a": {1: Sharing(0.5)}})
    fixed = frozen(truth)
    assert fixed == truth
    assert type(fixed.sharing) is type(fixed.sharing["a"]) is FrozenDict
    truth.sharing["a"][2] = Sharing(0.7)
    assert list(fixed.sharing["a"]) == [1]


def test_equal_profiles_share_their_set_up_and_others_do_not():
    one, same, other = profile_of(), profile_of(), profile_of(0.011)
    assert one.for_scheduler() is same.for_scheduler()
    assert one.for_hardware(["a"]) is same.for_hardware(["a"])
    assert one.for_scheduler() != other.for_scheduler()
    assert list(one.for_hardware(["a"]).models) == ["a"]
    assert list(one.for_hardware().models) == ["a", "b"]
    link = Link(0.0, 1e9)
    assert one.for_scheduler((link, link)).h2d == link
    assert one.for_scheduler().h2d == one.observable.pcie.h2d


def test_a_truth_that_is_changed_between_two_runs_counts():
    profile = profile_of()
    before = profile.for_hardware()
    profile.truth.sharing["a"] = {1: Sharing(0.9)}
    assert profile.for_hardware().truth.sharing["a"][1].demand == 0.9
    assert before.truth.sharing["a"][1].demand == 0.5


@pytest.mark.usefixtures("_all_was_typed")
def test_a_device_model_of_ours_is_made_once_and_a_users_anew(tmp_path):
    hardware = profile_of().for_hardware()
    assert execution_model("streams", hardware, 2) is execution_model("streams", hardware, 2)
    assert execution_model("streams", hardware, 2) is not execution_model("streams", hardware, 3)
    file = tmp_path / "mine.py"
    file.write_text("from stratsim.device.execution.streams import Streams\n\n\nclass Mine(Streams):\n    pass\n")
    assert execution_model(f"{file}:Mine", hardware, 2) is not execution_model(f"{file}:Mine", hardware, 2)


def test_no_policy_can_change_what_the_next_run_is_given():
    class Vandal(Edf):
        def prepare(self, setting):
            super().prepare(setting)
            for table in (setting.profile.models, setting.profile.models["a"].features):
                with pytest.raises(TypeError):
                    table["a"] = None
            with pytest.raises(AttributeError):
                setting.profile.name = "mine"
            with pytest.raises(AttributeError):
                setting.profile.models["a"].bytes_in = 7

    profile = profile_of()
    workload = make_workload([(0.0, "a")], profile=profile)
    for policy in (Vandal(), Edf()):
        assert simulate(workload, profile, policy).requests.finish_s.tolist() == [0.010]


def test_feature_rows_are_shared_by_tables_of_equal_profiles():
    tables = [FeatureTable(profile_of().for_scheduler(), ["batch", "compute"]) for _ in range(2)]
    assert tables[0].missing is tables[1].missing
    assert tables[0]["a", 4] == tables[1]["a", 4] == (1.0, 0.0)
