"""`config.pbtxt` as it is written: what is read back is what was served, and what no configuration says is refused."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim.errors import OutputError, SpecError
from stratsim.policy.base import DropMode, Setting
from stratsim.policy.triton import Triton
from stratsim.policy.triton.config import InstanceGroup, ModelConfig, QueuePolicy, read_config, read_repository
from stratsim.policy.triton.pbtxt import parse, quoted
from stratsim.policy.triton.write import check_new, config_text, write_repository
from stratsim.rng import Streams
from stratsim.testing import make_profile

PROFILE = make_profile({"a": {1: 0.005, 8: 0.01}, "b": {1: 0.005, 4: 0.01}})
SETTING = Setting(PROFILE.for_scheduler(), 2, 2, 1, 8, DropMode.NEVER, Streams(0))

queues = st.builds(
    QueuePolicy,
    timeout_s=st.integers(0, 10**7).map(lambda micro: micro / 1e6),
    timeout_action=st.sampled_from(["reject", "delay"]),
    allow_timeout_override=st.booleans(),
    max_queue_size=st.integers(0, 1000),
)
groups = st.lists(
    st.builds(InstanceGroup, st.integers(1, 4), st.sampled_from([(), (0,), (0, 1)])), min_size=1, max_size=3
)


@st.composite
def configs(draw):
    levels = draw(st.integers(0, 4))
    return ModelConfig(
        max_batch=8,
        preferred=tuple(draw(st.lists(st.integers(1, 8), max_size=3))),
        max_queue_delay_s=draw(st.integers(0, 10**7)) / 1e6,
        priority_levels=levels,
        default_priority_level=draw(st.integers(1, levels)) if levels else 0,
        queue=draw(queues),
        level_queues=draw(st.dictionaries(st.integers(1, levels), queues)) if levels else {},
        groups=tuple(draw(groups)),
    )


@pytest.mark.slow
@settings(max_examples=150)
@given(configs())
def test_what_is_read_back_is_what_was_written(config):
    assert read_config("\n".join(config_text("a", config)), "a") == config


def test_settings_of_the_policy_are_those_of_every_model(tmp_path):
    policy = Triton(max_queue_delay_s=0.0005, priority_levels=2, instances=2, timeout_s=0.1, preferred=[4, 8])
    files = write_repository(policy, SETTING, ["a", "b"], tmp_path / "models", ["why"])
    assert [str(file.relative_to(tmp_path)) for file in files] == ["models/a/config.pbtxt", "models/b/config.pbtxt"]
    assert files[1].read_text().splitlines()[:2] == ["# why", 'name: "b"']
    found = read_repository(tmp_path / "models").configs
    assert found["a"].max_batch == 8
    assert (found["b"].max_batch, found["b"].preferred) == (4, (4,))  # the profile goes no further
    for config in found.values():
        assert (config.max_queue_delay_s, config.priority_levels, config.groups) == (0.0005, 2, (InstanceGroup(2),))
        assert config.queue == QueuePolicy(timeout_s=0.1)


ORIGINAL = """
platform: 'tensorrt_plan'  # as a user has it
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] }
instance_group [ { count: 3 kind: KIND_GPU profile: "p" } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
parameters { key: "k" value { string_value: 'say "so"' } }
"""


def test_other_fields_of_a_repository_stay(tmp_path):
    (tmp_path / "old" / "a").mkdir(parents=True)
    (tmp_path / "old" / "a" / "config.pbtxt").write_text(ORIGINAL)
    policy = Triton(repository=str(tmp_path / "old"), max_queue_delay_s=0.002)
    (file,) = write_repository(policy, SETTING, ["a"], tmp_path / "new")
    config = parse(file.read_text(), "new")
    assert config.text("platform") == "tensorrt_plan"
    assert config.message("input").varies("dims")
    assert config.message("parameters").message("value").text("string_value") == r"say \"so\""
    assert config.message("instance_group").text("profile") == "p"
    served = read_config(file.read_text(), "a")
    old = read_config(ORIGINAL, "a")
    assert served == replace(old, max_queue_delay_s=0.002)
    own = Triton(repository=str(tmp_path / "old"), instances=1)
    (file,) = write_repository(own, SETTING, ["a"], tmp_path / "one")
    assert read_config(file.read_text(), "a") == replace(old, groups=(InstanceGroup(1),))


def test_a_model_without_dynamic_batching_stays_so(tmp_path):
    (tmp_path / "old" / "a").mkdir(parents=True)
    (tmp_path / "old" / "a" / "config.pbtxt").write_text("max_batch_size: 4\n")
    (file,) = write_repository(Triton(repository=str(tmp_path / "old")), SETTING, ["a"], tmp_path / "new")
    assert file.read_text() == 'name: "a"\nmax_batch_size: 4\n'
    assert not read_config(file.read_text(), "a").dynamic_batching


def test_strings_are_quoted_as_they_are_read():
    for text in ('say "so"', r"a\"b", "it's", r"back\\"):
        (field,) = parse(f"x: {quoted(text)}", "s").fields
        assert field.value.text.replace('\\"', '"') == text.replace('\\"', '"')


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_queue_delay_s": 1.5e-7}, "max_queue_delay_s=1.5e-07 is no whole number of microseconds"),
        ({"timeout_s": 0.1234567}, "timeout_s=0.1234567 is no whole number of microseconds"),
        ({"prefetch": "off"}, "prefetch=off is no setting of Triton: a would have it on; leave prefetch out"),
        ({"prefetch": "on", "priority_levels": 2}, "prefetch=on is no setting of Triton"),
    ],
)
def test_what_no_configuration_says_is_refused(tmp_path, parameters, message):
    with pytest.raises(SpecError, match=message):
        write_repository(Triton(**parameters), SETTING, ["a"], tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_prefetch_that_is_triton_s_own_is_no_setting(tmp_path):
    assert write_repository(Triton(prefetch="on"), SETTING, ["a"], tmp_path / "models")


def test_a_model_whose_name_is_no_folder_s_is_refused(tmp_path):
    profile = make_profile({"a/b": 0.01}).for_scheduler()
    with pytest.raises(SpecError, match="this name cannot be that of a folder"):
        write_repository(Triton(), replace(SETTING, profile=profile), ["a/b"], tmp_path / "models")


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    check_new(tmp_path / "new")
    check_new(tmp_path)
    (tmp_path / "x").write_text("")
    for place in (tmp_path, tmp_path / "x"):
        with pytest.raises(OutputError, match="exists and is not an empty folder"):
            check_new(place)
