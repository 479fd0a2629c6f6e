"""Seeds of sweeps: added until intervals are narrow, by what the rows say and by nothing else; means over them."""

import pytest

from stratsim.stats.intervals import mean_interval
from stratsim.sweep import summarise
from stratsim.sweep import table as table_module
from tests.unit.sweep.tiny import UNTIL, rows_of, run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a sweep with `until` that nobody interrupted, and its outcome."""
    out = tmp_path_factory.mktemp("until")
    return out, run(UNTIL, out)


def test_seeds_are_added_until_every_policy_is_narrow_or_the_cap_is_reached(whole):
    _, outcome = whole
    counts = {}
    for cell in outcome.plan.cells:
        runs = [[task.sha256 for task in tasks.values()] for tasks in cell.runs]
        seeds = [next(iter(tasks.values())).settings.spec.seed for tasks in cell.runs]
        assert seeds == [5, 3, 6, 7, 8, 9, 10][: len(seeds)]
        widths = [
            [
                mean_interval([float(outcome.rows[t[k]]["high_violation"]) for t in runs[:n]]).half_width
                for k in range(3)
            ]
            for n in range(2, len(seeds) + 1)
        ]
        narrow = [max(each) <= 0.15 for each in widths]
        assert not any(narrow[:-1])
        assert narrow[-1] or len(seeds) == 7
        counts[cell.labels["load"]] = len(seeds)
    assert set(counts.values()) == {2, 6, 7}, "the case says nothing"


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 3])
def test_bytes_do_not_depend_on_the_order_in_which_runs_end(tmp_path, monkeypatch, step):
    data = {**UNTIL, "sweep": {**UNTIL["sweep"], "until": {**UNTIL["sweep"]["until"], "step": step}}}
    run(data, tmp_path / "in-order")
    real = table_module.make_backend

    class Backwards:
        """Makes the newest call first."""

        def __init__(self, *args):
            self._real = real(*args)
            self._calls = []

        def submit(self, *call):
            self._calls.append(call)

        def next_completed(self):
            self._real.submit(*self._calls.pop())
            return self._real.next_completed()

        def close(self):
            self._real.close()

    monkeypatch.setattr(table_module, "make_backend", Backwards)
    run(data, tmp_path / "backwards")
    first, second = ((tmp_path / name / "results.csv").read_bytes() for name in ("in-order", "backwards"))
    assert first == second


@pytest.mark.slow
def test_an_interrupted_sweep_adds_the_same_seeds(whole, tmp_path):
    out, _ = whole
    total = len(rows_of(out))
    for after in (3, 9, total - 13):

        def stop(finished, whole, after=after):
            if finished == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(UNTIL, tmp_path / "parts", progress=stop, fresh=True)
        assert run(UNTIL, tmp_path / "parts").made == total - after
        assert (tmp_path / "parts" / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


def test_the_summary_has_means_over_the_seeds(done):
    _, outcome = done
    summary = summarise(outcome)
    assert [entry["seeds"] for entry in summary["cells"]] == [2] * 6
    first = summary["cells"][0]
    values = [
        float(row["high_violation"])
        for row in outcome.rows.values()
        if (row["load"], row["policy"]) == ("0.7", first["policy"])
    ]
    expected = mean_interval(values)
    figure = first["figures"]["high_violation"]
    assert (figure["mean"], figure["low"], figure["high"]) == (expected.mean, expected.low, expected.high)
