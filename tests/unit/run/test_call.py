"""`stratsim.simulate`: by name it does what `stratsim replay` does; with objects it is one run."""

import numpy as np
import pandas as pd
import pytest

from stratsim import QueuePolicy, load_profile, read_trace, simulate, summarize
from stratsim.errors import CodeRefusedError, OutsideProfileError, SpecError
from stratsim.plugins import allow_code
from stratsim.policy.queueing import Edf
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile, make_workload

SETTINGS = {"load": 0.9, "limit": 300, "seed": 4}
PROFILE = "a100-80gb-parvagpu"


class Newest(QueuePolicy):
    """Newest first."""

    def key(self, request):
        return (-request.arrival_s,)


@pytest.fixture(scope="module")
def runs():
    return simulate("default", PROFILE, "edf,fifo(max_batch=2)", **SETTINGS)


def finishes(result):
    return result.requests.finish_s.tolist()


def test_names_give_what_replay_gives(runs):
    spec = make_spec({"trace": "default", "profile": PROFILE, "policy": "edf,fifo(max_batch=2)", **SETTINGS})
    expected = replay(prepare(spec))
    assert list(runs) == ["edf", "fifo(max_batch=2)"]
    assert np.array_equal([finishes(each) for each in runs.values()], [finishes(r) for r in expected.results], True)
    assert runs.manifest() == expected.manifest()


def test_without_arguments_the_bundled_workload_goes_through_the_four_queueing_policies():
    assert list(simulate(limit=20)) == ["fifo", "priority-fifo", "edf", "priority-edf"]


def test_objects_and_names_of_trace_and_profile_are_the_same(runs):
    found = simulate(read_trace(), load_profile(PROFILE), "edf", **SETTINGS)
    assert np.array_equal(finishes(found["edf"]), finishes(runs["edf"]), True)


def test_paths_are_read(tmp_path, runs):
    (tmp_path / "two.csv").write_text("arrival_s\n0\n1\n", encoding="utf-8")
    found = simulate(tmp_path / "two.csv", PROFILE, "edf")
    assert found["edf"].requests.arrival_s.tolist() == [0.0, 1.0]


def test_a_table_in_memory_is_read_as_a_file_is():
    frame = pd.DataFrame({"ms": [0, 5, 9], "net": ["bert", "vgg16", "bert"]})
    found = simulate(frame, PROFILE, "edf", columns="arrival=ms:ms, model=net", limit=2)
    assert found["edf"].to_pandas()["model"].tolist() == ["bert", "vgg16"]
    assert found["edf"].requests.arrival_s.tolist() == [0.0, 0.005]


def test_policies_may_be_texts_objects_and_classes_together():
    found = simulate("default", PROFILE, ["edf(max_batch=1), fifo", Newest(max_batch=1), Edf], **SETTINGS)
    assert list(found) == ["edf(max_batch=1)", "fifo", "Newest", "Edf"]
    assert found["Newest"].batches.size.max() == 1
    assert len({tuple(finishes(result)) for result in found.values()}) == 4


def test_one_object_needs_no_list():
    assert list(simulate(None, PROFILE, Newest(), limit=10)) == ["Newest"]


def test_with_a_workload_it_is_one_run_and_its_result():
    profile = make_profile({"m": 0.010})
    workload = make_workload([(0.0, "m", "high", 1.0), (0.0, "m", "low", 1.0)], profile=profile)
    result = simulate(workload, profile, Edf(max_batch=1), name="mine", seed=2)
    assert result.policy == "mine"
    assert result.requests.status.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("default", PROFILE, "edff"), {}, "edff"),
        (("default", PROFILE, "edf,edf"), {}, "twice"),
        (("default", PROFILE, ["edf", "edf"]), {}, "'edf' is given twice"),
        (("default", PROFILE, [Newest, Newest()]), {}, "'Newest' is given twice"),
        (("default", PROFILE, [3]), {}, "expected a policy by name, or an object of one, got 3"),
        (("default", PROFILE, "edf"), {"lode": 1}, "unknown setting 'lode'; .*load"),
        (("default", PROFILE, [Newest]), {"gpus": 2, "groups": 2}, "one policy object cannot serve 2 groups"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, settings, message):
    with pytest.raises(SpecError, match=message) as caught:
        simulate(*arguments, limit=10, **settings)
    assert "\n" not in str(caught.value)


def test_a_workload_with_names_is_refused_with_the_way_out():
    profile = make_profile({"m": 0.010})
    workload = make_workload([(0.0, "m", "high", 1.0)], profile=profile)
    with pytest.raises(SpecError, match="a Workload goes with a Profile and a policy object"):
        simulate(workload, profile, "edf")
    with pytest.raises(OutsideProfileError):
        simulate(workload, load_profile(PROFILE), Edf())


def test_code_in_a_file_has_to_be_allowed_as_a_text_may_come_from_data(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from stratsim.policy.queueing import Edf\nclass Mine(Edf):\n    pass\n", encoding="utf-8"
    )
    name = f"{tmp_path / 'mine.py'}:Mine"
    with pytest.raises(CodeRefusedError):
        simulate("default", PROFILE, name, limit=5)
    allow_code(name)
    assert list(simulate("default", PROFILE, name, limit=5)) == [name]


def test_an_unknown_policy_of_an_outcome_is_a_key_error_with_the_nearest(runs):
    assert "edff" not in runs
    with pytest.raises(KeyError, match="edf"):
        runs["edff"]


def test_the_table_of_all_policies_is_theirs_below_each_other(runs):
    frame = runs.to_pandas()
    assert frame["policy"].value_counts().to_dict() == {"edf": 300, "fifo(max_batch=2)": 300}
    for policy, result in runs.items():
        own = frame[frame["policy"] == policy].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, result.to_pandas(), check_dtype=False, check_categorical=False)
    assert len(runs.to_pandas("batches")) == sum(len(result.batches) for result in runs.values())
    late = float((runs["edf"].to_pandas()["status"] != "met").mean())
    classes = summarize(runs["edf"])["classes"].values()
    assert late == sum(each["arrived"] - each["met"] for each in classes) / 300


def test_results_that_were_not_kept_are_said_to_be_missing():
    outcome = replay(prepare(make_spec({"policy": "edf", "limit": 5})), keep_results=False)
    assert len(outcome) == 0
    with pytest.raises(SpecError, match="keep_results"):
        outcome.to_pandas()
