"""Where settings come from, which wins, and what is said of those that cannot be."""

from dataclasses import fields
from pathlib import Path

import pytest

from stratsim.errors import SpecError
from stratsim.run.spec import RunSpec, make_spec, parse_settings, read_config

OTHER_VALUES = {
    "trace": ("trace.csv", "trace.csv"),
    "trace_format": ("csv", "csv"),
    "columns": ("arrival=t_ms:ms, model=net", "arrival=t_ms:ms, model=net"),
    "ticks": ("spread", "spread"),
    "strict": ("true", True),
    "workload": ("rule.toml", "rule.toml"),
    "policy": ("edf(max_batch=4),fifo", "edf(max_batch=4),fifo"),
    "profile": ("rtx3080-disb", "rtx3080-disb"),
    "gpus": ("2", 2),
    "load": ("0.5", 0.5),
    "load_unit": ("saturation", "saturation"),
    "rate_scale": ("3", 3.0),
    "limit": ("30", 30),
    "warmup_s": ("0", 0.0),
    "seed": ("9", 9),
    "device_model": ("exclusive", "exclusive"),
    "max_concurrency": ("3", 3),
    "prefetch": ("0", 0),
    "max_batch": ("1", 1),
    "drop": ("never", "never"),
    "transfers": ("false", False),
    "topology": ("8x-h800", "8x-h800"),
    "uplink_bytes_per_s": ("12e9", 12e9),
    "pinned": ("false", False),
    "memory": ("device", "device"),
    "reject_s": ("0.002", 0.002),
    "retries": ("3", 3),
    "backoff_s": ("0.5", 0.5),
    "retry_by": ("all", "all"),
    "belief_latency_scale": ("1.2", 1.2),
    "belief": ("asymmetric-six", "asymmetric-six"),
    "groups": ("2", 2),
    "deal": ("model", "model"),
    "engine": ("simpy", "simpy"),
}
"""For every field of the spec: what to write after `--set KEY=`, and what it means."""


def test_every_field_has_another_value_here():
    assert set(OTHER_VALUES) == {field.name for field in fields(RunSpec)}


@pytest.mark.parametrize("key", OTHER_VALUES)
def test_set_reaches_every_field(key):
    text, value = OTHER_VALUES[key]
    spec = make_spec(parse_settings([f"{key}={text}"]))
    assert getattr(spec, key) == value
    assert getattr(spec, key) != getattr(RunSpec(), key)
    others = {name for name in OTHER_VALUES if name != key}
    assert all(getattr(spec, name) == getattr(RunSpec(), name) for name in others)


@pytest.mark.parametrize("key", ["warmup-s", "rate-scale", " load "])
def test_set_takes_dashes_and_spaces_in_keys(key):
    (name,) = parse_settings([f"{key}=2"])
    assert name == key.strip().replace("-", "_")


def test_the_last_set_of_a_key_wins():
    assert parse_settings(["seed=1", "seed=2"]) == {"seed": 2}


def test_a_value_may_hold_an_equals_sign():
    assert parse_settings(["policy=edf(max_batch=4)"]) == {"policy": "edf(max_batch=4)"}


def test_a_config_file_reaches_every_field(tmp_path):
    def literal(value):
        return str(value).lower() if isinstance(value, bool) else repr(value)

    config = tmp_path / "run.toml"
    config.write_text("".join(f"{key} = {literal(value)}\n" for key, (_, value) in OTHER_VALUES.items()))
    assert make_spec(read_config(config)).as_dict() == {key: value for key, (_, value) in OTHER_VALUES.items()}


def test_as_dict_round_trips():
    spec = RunSpec(gpus=3, load=0.4)
    assert RunSpec(**spec.as_dict()) == spec


BAD_VALUES = {
    "gpus=0": "gpus must be at least 1, got 0",
    "gpus=-1": "gpus must be at least 1, got -1",
    "gpus=two": "Expected `int | null`, got `str` - at $.gpus",
    "gpus=1.5": "Expected `int | null`, got `float` - at $.gpus",
    "max_batch=0": "max_batch must be at least 1, got 0",
    "max_concurrency=0": "max_concurrency must be at least 1, got 0",
    "prefetch=-1": "prefetch must be at least 0, got -1",
    "seed=-1": "seed must be at least 0, got -1",
    "limit=0": "limit must be at least 1, got 0",
    "load=0": "load must be > 0 and finite, got 0",
    "load=-0.5": "load must be > 0 and finite, got -0.5",
    "load=nan": "load must be > 0 and finite, got nan",
    "load=inf": "load must be > 0 and finite, got inf",
    "rate_scale=0": "rate_scale must be > 0 and finite, got 0",
    "rate_scale=nan": "rate_scale must be > 0 and finite, got nan",
    "warmup_s=-1": "warmup_s must be >= 0 and finite, got -1",
    "warmup_s=nan": "warmup_s must be >= 0 and finite, got nan",
    "warmup_s=inf": "warmup_s must be >= 0 and finite, got inf",
    "uplink_bytes_per_s=0": "uplink_bytes_per_s must be > 0 bytes per second, got 0",
    "memory=0": "memory must be > 0 bytes and finite, got 0",
    "memory=all": "memory must be a number of bytes or 'device', got 'all'",
    "pinned=maybe": "Expected `bool`, got `str` - at $.pinned",
    "transfers=yes": "Expected `bool`, got `str` - at $.transfers",
    "drop=expird": "unknown drop mode 'expird'; did you mean 'expired'?",
    "drop=4": "Expected `str`, got `int` - at $.drop",
    "load=": "got `str` - at $.load",
}


@pytest.mark.parametrize("setting", BAD_VALUES)
def test_impossible_values_are_refused(setting):
    with pytest.raises(SpecError) as caught:
        make_spec(parse_settings([setting]))
    message = str(caught.value)
    assert message.startswith("options: ")
    assert message.removesuffix(".0").endswith(BAD_VALUES[setting])


def test_an_unknown_key_is_answered_with_the_nearest():
    with pytest.raises(SpecError, match=r"^run\.toml: unknown setting 'polcy'; did you mean 'policy'\?$"):
        make_spec({"polcy": "fifo"}, "run.toml")
    with pytest.raises(
        SpecError,
        match=r"^--set: unknown setting 'zzz'; known: backoff_s, belief, belief_latency_scale, columns, .*, workload$",
    ):
        parse_settings(["zzz=1"])


@pytest.mark.parametrize("setting", ["nonsense", "=3", ""])
def test_set_needs_key_and_value(setting):
    with pytest.raises(SpecError, match=r"^--set takes KEY=VALUE, got "):
        parse_settings([setting])


def test_config_errors_name_the_file(tmp_path):
    config = tmp_path / "run.toml"
    with pytest.raises(SpecError, match=rf"^{config}: cannot be read: No such file"):
        read_config(config)
    with pytest.raises(SpecError, match=rf"^{tmp_path}: cannot be read: Is a directory"):
        read_config(tmp_path)
    config.write_text("gpus = = 2\n")
    with pytest.raises(SpecError, match=rf"^{config}: not a TOML file: .*line 1"):
        read_config(config)
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=rf"^{config}: not a TOML file"):
        read_config(config)


def test_a_repeated_key_in_a_config_is_refused(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("seed = 1\nseed = 2\n")
    with pytest.raises(SpecError, match="not a TOML file"):
        read_config(config)


def test_every_setting_is_on_the_page():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "replay.md").read_text(encoding="utf-8")
    assert [field.name for field in fields(RunSpec) if f"| `{field.name}` |" not in page] == []
