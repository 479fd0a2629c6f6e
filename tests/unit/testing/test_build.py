"""The builders that tests of policies use."""

from math import inf

import pytest

from stratsim.errors import OutsideProfileError, ProfileError, SpecError
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.provenance import uncovered, unused
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.010, 3: 0.020}, "b": 0.005}, bytes_in={"a": 600}, bytes_out=40)


class TestProfile:
    def test_latencies_by_size_or_one_figure(self):
        scheduler = PROFILE.for_scheduler()
        assert [scheduler.latency_s("a", batch) for batch in (1, 2, 3)] == pytest.approx([0.010, 0.015, 0.020])
        assert scheduler.models["b"].max_batch == 1

    def test_bytes_for_all_or_by_model(self):
        models = PROFILE.observable.models
        assert [(models[name].bytes_in, models[name].bytes_out) for name in "ab"] == [(600, 40), (0, 40)]

    def test_copies_cost_nothing_unless_links_are_given(self):
        assert PROFILE.for_scheduler().end_to_end_s("a") == 0.010
        slow = make_profile({"a": 0.01}, bytes_in=1000, bytes_out=500, h2d=Link(0.001, 1e6), d2h=Link(0.0, 1e6))
        assert slow.for_scheduler().end_to_end_s("a") == pytest.approx(0.001 + 0.001 + 0.01 + 0.0005)

    def test_every_figure_is_labelled_synthetic(self):
        made = make_profile({"a": 0.01}, sharing={"a": Sharing(0.5, 2.0)}, noise_cv=0.1)
        assert uncovered(made) == ()
        assert {entry.kind for entry in made.provenance.values()} == {"synthetic"}
        assert "pairs" in unused(made)  # it has none

    def test_sharing_for_all_sizes_or_by_size(self):
        made = make_profile(
            {"a": {1: 0.01, 2: 0.02}, "b": {1: 0.01, 2: 0.02}, "c": 0.01},
            sharing={"a": Sharing(0.5, 2.0), "b": {1: Sharing(0.2), 2: Sharing(0.4)}},
            noise_cv=0.25,
        ).truth
        assert made.sharing == {"a": {1: Sharing(0.5, 2.0)}, "b": {1: Sharing(0.2), 2: Sharing(0.4)}}
        assert made.noise_cv == 0.25

    def test_what_no_profile_may_hold_is_refused(self):
        with pytest.raises(ProfileError, match="latency_s"):
            make_profile({"a": -1.0})
        with pytest.raises(ProfileError, match="'zz'"):
            make_profile({"a": 1.0}, sharing={"zz": Sharing(0.5)})


class TestWorkload:
    def test_rows_are_filled_and_sorted_stably(self):
        workload = make_workload(
            [(2.0, "b"), (1.0, "a", "high", 1.5), (1.0, "b", Priority.LOW, None, 7, 8, "x")], profile=PROFILE
        )
        assert workload.models == ("a", "b")
        assert workload.arrival_s.tolist() == [1.0, 1.0, 2.0]
        assert workload.model.tolist() == [0, 1, 1]
        assert workload.priority.tolist() == [Priority.HIGH, Priority.LOW, Priority.LOW]
        assert workload.deadline_s.tolist() == [1.5, inf, inf]
        assert workload.bytes_in.tolist() == [600, 7, 0]
        assert workload.bytes_out.tolist() == [40, 8, 40]
        assert workload.client.tolist() == [-1, 0, -1]
        assert workload.client_names == ("x",)

    def test_columns_say_the_same_as_rows(self):
        columns = {"arrival_s": [0.0, 1.0], "model": ["a", "b"], "priority": ["high", "low"], "client": ["x", None]}
        rows = [(0.0, "a", "high", None, None, None, "x"), (1.0, "b", "low")]
        one, other = make_workload(columns, profile=PROFILE), make_workload(rows, profile=PROFILE)
        for name in ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client"):
            column, reference = getattr(one, name), getattr(other, name)
            assert column.tolist() == reference.tolist()
            assert column.dtype == reference.dtype
        assert one.client_names == other.client_names == ("x",)

    def test_clients_alone_are_a_workload(self):
        client = ClosedLoopClient("c", "a", Priority.HIGH, 0, 0, limit=3)
        workload = make_workload([], profile=PROFILE, closed_loop=[client])
        assert len(workload) == 0
        assert workload.closed_loop == (client,)
        assert workload.arrival_s.dtype == float

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([(0.0,)], "row 0 has 1 values; expected 2 to 7"),
            ([(0.0, "a"), (0.0, "a", "high", 1.0, 0, 0, "x", 1)], "row 1 has 8 values"),
            ([(-1.0, "a")], r"arrival_s must be >= 0 and finite, got -1\.0"),
            ([(float("nan"), "a")], "arrival_s must be >= 0 and finite, got nan"),
            ([(inf, "a")], "arrival_s must be >= 0 and finite, got inf"),
            ([(1.0, "a", "low", 0.5)], r"deadline_s must not lie before the arrival at 1\.0 s, got 0\.5"),
            ([(1.0, "a", "low", float("nan"))], "deadline_s must not lie before .* got nan"),
            ([(1.0, "a", "hihg")], "unknown priority 'hihg'; did you mean 'high'?"),
            ({"arrival_s": [0.0]}, "column 'model' is missing"),
            ({"model": ["a"]}, "column 'arrival_s' is missing"),
            ({"arrival_s": [0.0], "model": ["a"], "deadline": [1]}, "unknown column 'deadline'; did you mean 'deadl"),
            ({"arrival_s": [0.0], "model": ["a", "b"]}, "column 'model' has 2 values, 'arrival_s' has 1"),
        ],
    )
    def test_what_is_wrong_is_named(self, rows, message):
        with pytest.raises(SpecError, match=message):
            make_workload(rows, profile=PROFILE)

    def test_an_unknown_model_is_named(self):
        with pytest.raises(OutsideProfileError, match="has no model 'resnet'"):
            make_workload([(0.0, "resnet")], profile=PROFILE)
