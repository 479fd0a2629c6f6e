"""The workload rule as TOML: what it takes, and what it refuses with its path."""

import pytest

from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.trace.spec import MLPERF_BOUNDS_S, WorkloadRule, load_rule

FULL = """
compress = 10

[models]
mix = { fast = 3, slow = 1.5 }

[priority]
high_share = 0.25

[slo]
high_ms = 50
low_x_solo = 8

[slo.models.slow]
high_s = 0.2

[closed_loop]
think_ms = 0.1
"""


def test_a_full_rule(write):
    rule = load_rule(write(FULL, "rule.toml"))
    assert rule.compress == 10
    assert rule.models.mix == {"fast": 3, "slow": 1.5}
    assert rule.priority.high_share == 0.25
    assert rule.slo.seconds(Priority.HIGH, 1.0) == 0.05
    assert rule.slo.seconds(Priority.LOW, 0.5) == 4.0
    assert rule.slo.models["slow"].seconds(Priority.HIGH, 1.0) == 0.2
    assert rule.slo.models["slow"].seconds(Priority.LOW, 1.0) is None
    assert rule.closed_loop.seconds == 1e-4


def test_an_empty_file_is_the_default_rule(write):
    assert load_rule(write("", "rule.toml")) == WorkloadRule()


def test_column_rules(write):
    text = "[models]\ncolumn = 'tokens'\nedges = [50, 200]\nnames = ['a', 'b', 'c']\n"
    text += "[priority]\ncolumn = 'tokens'\nhigh_below = 100\n"
    rule = load_rule(write(text, "rule.toml"))
    assert rule.models.names == ["a", "b", "c"]
    assert rule.priority.high_below == 100


BAD = [
    ("copress = 2", "unknown field `copress`"),
    ("[modles]", "unknown field `modles`"),
    ("[models]\nmixx = {}", "unknown field `mixx` - at `$.models`"),
    ("[slo.models.bert]\nhigh = 1", "unknown field `high` - at `$.slo.models[...]`"),
    ("compress = 0", "compress must be > 0 and finite, got 0"),
    ("compress = nan", "compress must be > 0 and finite, got nan"),
    ("compress = 'fast'", "Expected `float`, got `str` - at `$.compress`"),
    ("[models]\nmix = { a = -1 }", "share of 'a' must be >= 0 and finite, got -1.0 - at `$.models`"),
    ("[models]\nmix = { a = 0 }", "mix has no share above 0"),
    ("[models]\nmix = {}", "mix has no share above 0"),
    ("[models]\nmix = { a = 1 }\ncolumn = 'x'", "mix and column exclude each other"),
    ("[models]\ncolumn = 'x'", "column needs edges with names, round_robin, or values"),
    ("[models]\nround_robin = ['a']", "edges, round_robin and values need a column"),
    ("[models]\ncolumn = 'x'\nround_robin = []", "round_robin is empty"),
    ("[models]\ncolumn = 'x'\nround_robin = ['a']\nvalues = {}", "round_robin and values exclude each other"),
    ("[models]\ncolumn = 'x'\nedges = [1]", "edges and names go together"),
    ("[models]\ncolumn = 'x'\nedges = [1]\nnames = ['a']", "names must have one entry more than edges, has 1 for 1"),
    ("[models]\ncolumn = 'x'\nedges = [2, 1]\nnames = ['a', 'b', 'c']", "edges must increase, got [2.0, 1.0]"),
    ("[priority]\nhigh_share = 1.5", "high_share must be within [0, 1], got 1.5 - at `$.priority`"),
    ("[priority]\ncolumn = 'x'", "column goes together with one of high_below"),
    ("[priority]\nhigh_below = 3", "column goes together with one of high_below"),
    ("[priority]\nhigh_share = 0.1\ncolumn = 'x'\nhigh_below = 3", "high_share and column exclude each other"),
    ("[slo]\nhigh_s = -1", "high_s must be > 0 and finite, got -1.0 - at `$.slo`"),
    ("[slo]\nhigh_s = 1\nhigh_ms = 1", "high_s and high_ms exclude each other"),
    ("[slo]\nnone = true\nhigh_s = 1", "none excludes every other key"),
    ("[slo]\nbounds = 'mlperf'\nhigh_s = 1", "bounds excludes deadlines per class"),
    ("[slo]\nbounds = 'mlprf'", "Invalid enum value 'mlprf' - at `$.slo.bounds`"),
    ("[closed_loop]\nthink_s = -1", "think time must be >= 0 and finite, got -1.0"),
    ("[closed_loop]\nthink_s = 1\nthink_ms = 1", "think_s and think_ms exclude each other"),
    ("compress =", "Invalid value"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_rules_name_file_and_path(write, text, message):
    path = write(text, "rule.toml")
    with pytest.raises(SpecError) as caught:
        load_rule(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text


def test_a_rule_that_cannot_be_read(tmp_path, write):
    with pytest.raises(SpecError, match=r"no.toml: cannot be read: No such file"):
        load_rule(tmp_path / "no.toml")
    with pytest.raises(SpecError, match="not a TOML file: 'utf-8' codec"):
        load_rule(write(b"\xff", "rule.toml"))


def test_mlperf_bounds_are_the_published_ones():
    # mlcommons/inference @ 0edaaf5, mlperf.conf: *.Server.target_latency in ms.
    published_ms = {"resnet50": 15, "ssd-resnet34": 100, "bert": 130, "dlrm": 30, "rnnt": 1000}
    assert {name: 1e3 * bound for name, bound in MLPERF_BOUNDS_S.items()} == published_ms
