"""Settings per model, from `config.pbtxt` as it is: what is read, ignored and refused, and what follows."""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority, Status
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.policy.triton import Triton
from stratsim.policy.triton.config import InstanceGroup, ModelConfig, QueuePolicy, read_config, read_repository
from stratsim.run.inputs import prepare
from stratsim.run.spec import RunSpec
from stratsim.sweep.resolve import files_sha256
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
PROFILE = make_profile({"a": {1: 5 * MS, 8: 5 * MS}, "b": {1: 5 * MS, 8: 5 * MS}})
ONE = Cluster(max_concurrency=1, prefetch=0, transfers=False)

FULL = """
# As a user has it: comments, strings, lists, nested messages, enumerated values, maps.
name: "resnet50"
platform: "tensorrt_plan"
max_batch_size: 16
input [
  {
    name: "input"  # one
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ 3, 224, 224 ]
  }
]
output { name: 'prob' data_type: TYPE_FP32 dims: 1000 label_filename: "labels" ".txt" };
version_policy: { latest { num_versions: 1 } }
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  preferred_batch_size: 16
  max_queue_delay_microseconds: 2500,
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy <
    timeout_action: DELAY
    default_timeout_microseconds: 100000
  >
  priority_queue_policy [
    { key: 1 value: { timeout_action: REJECT allow_timeout_override: true max_queue_size: 32 } },
    { key: 3; value: { default_timeout_microseconds: 0x10 } }
  ]
}
instance_group [
  { kind: KIND_GPU count: 2 gpus: [ 0, 1 ] },
  { count: 1 gpus: 3 rate_limiter { resources [ { name: "R" count: 4 } ] priority: 2 } },
  { count: 9 passive: true }
]
optimization { priority: PRIORITY_MAX cuda { graphs: 1 } }
parameters { key: "precision" value: { string_value: "int8" } }
"""


def dispatches(policy, rows, profile=PROFILE, cluster=ONE, **options):
    """Return (model, time in ms, size) of each batch of rows (arrival in ms, model[, class])."""
    rows = [(row[0] * MS, *row[1:]) for row in rows]
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=cluster, **options)
    table = result.batches
    columns = (table.model.tolist(), (table.dispatch_s / MS).round(6).tolist(), table.size.tolist())
    return [(result.models[model], at, size) for model, at, size in zip(*columns, strict=True)]


def repository(tmp_path, **files):
    for model, text in files.items():
        (tmp_path / model).mkdir()
        (tmp_path / model / "config.pbtxt").write_text(text, encoding="utf-8")
    return str(tmp_path)


class TestReading:
    def test_all_that_schedules(self):
        delay = QueuePolicy(timeout_s=0.1, timeout_action="delay")
        assert read_config(FULL, "resnet50") == ModelConfig(
            max_batch=16,
            preferred=(4, 8, 16),
            max_queue_delay_s=0.0025,
            priority_levels=3,
            default_priority_level=2,
            queue=delay,
            level_queues={
                1: QueuePolicy(allow_timeout_override=True, max_queue_size=32),
                3: QueuePolicy(timeout_s=16e-6),
            },
            groups=(InstanceGroup(2, (0, 1)), InstanceGroup(1, (3,))),
        )

    def test_classes_have_levels_and_levels_have_queues(self):
        config = read_config(FULL)
        assert [config.level(priority) for priority in (Priority.HIGH, Priority.LOW)] == [1, 2]
        assert [config.queue_at(level).max_queue_size for level in (1, 2)] == [32, 0]
        two = read_config("max_batch_size: 2 dynamic_batching { priority_levels: 2 default_priority_level: 1 }")
        assert [two.level(priority) for priority in (Priority.HIGH, Priority.LOW)] == [1, 2]
        assert [ModelConfig().level(priority) for priority in Priority] == [0, 0]

    def test_instances_by_gpu(self):
        config = read_config(FULL)
        assert [config.instances_on(gpu) for gpu in range(5)] == [2, 2, 0, 1, 0]
        assert [ModelConfig().instances_on(gpu) for gpu in range(2)] == [1, 1]

    def test_without_dynamic_batching_requests_go_one_by_one(self):
        config = read_config('name: "a" backend: "onnxruntime" max_batch_size: 8 instance_group { count: 3 }')
        assert config == ModelConfig(1, dynamic_batching=False, groups=(InstanceGroup(3),))
        assert read_config("").max_batch == 1

    def test_empty_dynamic_batching_has_the_defaults_of_the_proto(self):
        assert read_config("max_batch_size: 8\ndynamic_batching { }") == ModelConfig(8)

    @pytest.mark.parametrize(
        ("dims", "varies"), [("[ 3, -1 ]", True), ("[ 3, 4 ]", False), ("-1 allow_ragged_batch: true", False)]
    )
    def test_inputs_of_variable_size_are_noticed(self, dims, varies):
        text = f'max_batch_size: 8 dynamic_batching {{ }} input [ {{ name: "x" dims: {dims} }} ]'
        assert read_config(text).variable_inputs is varies

    def test_levels_that_are_off_have_no_queues_of_their_own(self):
        text = "max_batch_size: 8 dynamic_batching { priority_queue_policy { key: 1 value { max_queue_size: 3 } } }"
        assert read_config(text) == ModelConfig(8)

    def test_a_repository_is_its_folders_that_have_a_configuration(self, tmp_path):
        (tmp_path / "notes").mkdir()
        folder = repository(tmp_path, b="", a="max_batch_size: 8 dynamic_batching { }", c="ensemble_scheduling { }")
        found = read_repository(folder)
        assert list(found.configs.items()) == [("a", ModelConfig(8)), ("b", read_config(""))]
        assert list(found.refused) == ["c"]


BATCHING = "max_batch_size: 8 dynamic_batching {{ {} }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sequence_batching { oldest { } }", "sequence_batching is not simulated: requests do not belong to"),
        ("\n\nensemble_scheduling { step [ { } ] }", "line 3: ensemble_scheduling is not simulated: a request goes to"),
        ("model_transaction_policy { decoupled: True }", "decoupled models are not simulated"),
        ("response_cache { enable: true }", "the response cache is not simulated"),
        ("instance_group [ { kind: KIND_CPU } ]", "instances of KIND_CPU are not simulated: they run on the CPU"),
        ("instance_group [ { kind: 3 } ]", "KIND_MODEL are not simulated: the backend chooses"),
        ("instance_group [ { passive: true } ]", "passive instances alone"),
        ("dynamic_batching { }", "dynamic_batching without max_batch_size"),
        ("max_batch_sise: 3", "unknown field 'max_batch_sise'; did you mean 'max_batch_size'"),
        (BATCHING.format("max_queue_delay_us: 5"), "unknown field 'max_queue_delay_us'; did you mean"),
        (BATCHING.format("preferred_batch_size: [ 4, 9 ]"), "preferred_batch_size 9 must be within 1 and"),
        (BATCHING.format("preferred_batch_size: 0"), "preferred_batch_size 0 must be within"),
        (BATCHING.format("priority_levels: 2"), "default_priority_level must be within 1 and 2, got 0"),
        (BATCHING.format("priority_levels: 2 default_priority_level: 3"), "within 1 and 2, got 3"),
        (
            BATCHING.format("priority_levels: 1 default_priority_level: 1 priority_queue_policy { key: 2 value { } }"),
            "priority_queue_policy is for level 2, of 1",
        ),
        (
            BATCHING.format("default_queue_policy { timeout_action: WAIT }"),
            "timeout_action must be one of REJECT, DELAY",
        ),
        (
            BATCHING.format("preserve_ordering: true priority_levels: 2 default_priority_level: 1"),
            "preserve_ordering goes neither with several levels nor with DELAY",
        ),
        (
            BATCHING.format(
                "preserve_ordering: true default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5 }"
            ),
            "preserve_ordering goes neither with several levels nor with DELAY",
        ),
        (BATCHING.format("default_queue_policy: 5"), "default_queue_policy must be a message"),
        ("max_batch_size: 8 max_batch_size: 4", "max_batch_size is stated twice"),
        ("max_batch_size: -8", "max_batch_size must be a whole number, at least 0, got '-8'"),
        ("max_batch_size: 8.5", "max_batch_size must be a whole number"),
        ('max_batch_size: "8"', "max_batch_size must be a whole number"),
        ("max_batch_size { }", "max_batch_size must be a whole number, at least 0, got a message"),
        ("response_cache { enable: maybe }", "enable must be true or false"),
        ("name: resnet", "name must be a string in quotes"),
        ("max_batch_size 8", "line 1: expected ':' or '{', found '8'"),
        ("dynamic_batching {\n max_queue_delay_microseconds: 5", "line 2: expected the name of a field, found the end"),
        ("max_batch_size:\n", "line 2: expected a value, found the end of the file"),
        ("max_batch_size: 8 }", "expected the name of a field, found '}'"),
        ("input [ { } { } ]", "expected ',' or ']', found '{'"),
        ("max_batch_size: 8 @", "line 1: cannot read '@'"),
        ('name: "a\nmax_batch_size: 8', "line 1: cannot read"),
        ("5: 8", "expected the name of a field, found '5'"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name_and_line(text, message):
    with pytest.raises(SpecError) as caught:
        read_config(text, source="x/config.pbtxt")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x/config.pbtxt, line ")
    assert "\n" not in str(caught.value)


class TestServing:
    def test_each_model_by_its_own_file(self, tmp_path):
        """a: preferred 2, a delay; b: one by one. At 0 two of each, and one more a that waits for 7."""
        folder = repository(
            tmp_path,
            a="max_batch_size: 4 dynamic_batching { preferred_batch_size: 2 max_queue_delay_microseconds: 7000 }",
            b="max_batch_size: 4",
        )
        rows = [(0, "a"), (0, "a"), (0, "b"), (0, "b"), (11, "a")]
        expected = [("a", 0, 2), ("b", 5, 1), ("b", 10, 1), ("a", 18, 1)]
        assert dispatches(Triton(repository=folder), rows) == expected
        assert dispatches(make_policy(parse_policies(f"triton(repository={folder}/)")[0]), rows) == expected

    def test_what_is_given_besides_holds_over_the_files(self, tmp_path):
        text = "max_batch_size: 4 dynamic_batching { preferred_batch_size: 2 max_queue_delay_microseconds: 7000 }"
        folder = repository(tmp_path, a=text, b=text)
        rows = [(0, "a"), (20, "b")]
        assert dispatches(Triton(repository=folder), rows) == [("a", 7, 1), ("b", 27, 1)]
        shorter = Triton(repository=folder, max_queue_delay_s=1 * MS)
        assert dispatches(shorter, rows) == [("a", 1, 1), ("b", 21, 1)]
        three = [(0, "a")] * 3
        assert dispatches(Triton(repository=folder, preferred=[1]), three) == [("a", 0, 1), ("a", 5, 2)]
        assert dispatches(Triton(repository=folder, max_batch=1), three) == [("a", 0, 1), ("a", 5, 1), ("a", 10, 1)]
        assert dispatches(Triton(repository=folder, max_batch=8), [(0, "a")] * 5, max_batch=1)[0] == ("a", 0, 2)

    def test_levels_have_their_own_limits(self, tmp_path):
        """One high request may wait, low ones as they like: of three high ones that find the instance busy two go."""
        folder = repository(
            tmp_path,
            a="""max_batch_size: 1 dynamic_batching { priority_levels: 2 default_priority_level: 2
                 priority_queue_policy { key: 1 value { max_queue_size: 1 } } }""",
        )
        rows = [(0, "a", "low"), *[(1, "a", "high")] * 3, *[(2, "a", "low")] * 3]
        rows = [(at * MS, *rest) for at, *rest in rows]
        result = simulate(make_workload(rows, profile=PROFILE), PROFILE, Triton(repository=folder), cluster=ONE)
        dropped = [Status(status) is Status.DROPPED for status in result.requests.status]
        assert dropped == [False, False, True, True, False, False, False]

    def test_instances_are_on_the_gpus_that_the_file_names(self, tmp_path):
        folder = repository(tmp_path, a="instance_group { count: 1 gpus: 1 }")
        profile = make_profile({"a": 5 * MS})
        workload = make_workload([(0, "a"), (0, "a")], profile=profile)
        cluster = Cluster(gpus=2, max_concurrency=2, transfers=False)
        result = simulate(workload, profile, Triton(repository=folder), cluster=cluster)
        assert result.batches.gpu.tolist() == [1, 1]
        assert result.batches.dispatch_s.tolist() == pytest.approx([0, 5 * MS])
        with pytest.raises(SpecError, match=r"a/config.pbtxt: instance_group names GPU 1, the run has 1, from 0"):
            dispatches(Triton(repository=folder), [(0, "a")])

    def test_variable_inputs_wake_the_batcher_at_each_arrival(self, tmp_path):
        """At 1.5 two are formed ahead; the one of 2 joins them where shapes are compared, else it waits."""
        text = """max_batch_size: 8 dynamic_batching {{ preferred_batch_size: 2 max_queue_delay_microseconds: 20000 }}
                  input {{ name: "x" dims: [ {} ] }}"""
        folder = repository(tmp_path, a=text.format(4), b=text.format(-1))
        arrivals = (0, 0, 1, 1.5, 2)
        assert dispatches(Triton(repository=folder), [(at, "a") for at in arrivals]) == [
            ("a", 0, 2),
            ("a", 5, 2),
            ("a", 22, 1),
        ]
        assert dispatches(Triton(repository=folder), [(at, "b") for at in arrivals]) == [("b", 0, 2), ("b", 5, 3)]

    @pytest.mark.slow
    def test_it_conforms(self, tmp_path):
        text = "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 1000 } instance_group { count: 2 }"
        folder = repository(tmp_path, small=text, large="")
        check_policy(lambda: Triton(repository=folder))


class TestNaming:
    """How a user says it: on the command line and in sweeps."""

    @pytest.mark.parametrize("written", ["{}", "{}/", "'{}'", " {} "])
    def test_a_path_needs_no_quotes(self, tmp_path, written):
        folder = repository(tmp_path, a="")
        (call,) = parse_policies(f"triton(repository={written.format(folder)}, instances=2)")
        assert make_policy(call)
        assert call.parameters["instances"] == 2

    def test_a_row_of_a_sweep_is_of_the_files_that_it_was_made_with(self, tmp_path):
        folder = repository(tmp_path, a="", b="")
        text = f"triton(repository={folder}/, instances=2)"
        before = files_sha256(text)
        assert before == files_sha256(f"triton(repository='{folder}')")
        assert files_sha256("triton(instances=2)") is None
        (tmp_path / "b" / "config.pbtxt").write_text("max_batch_size: 0", encoding="utf-8")
        assert files_sha256(text) != before

    def test_a_replay_names_the_mistake_before_it_reads_anything_long(self, tmp_path):
        repository(tmp_path, a="sequence_batching { }")
        with pytest.raises(SpecError, match=r"a/config.pbtxt, line 1: sequence_batching is not simulated"):
            prepare(RunSpec(trace="nowhere.csv", policy=f"triton(repository={tmp_path})"))


class TestRefusals:
    def test_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(SpecError, match=r"is not a folder: it is to hold MODEL/config.pbtxt"):
            Triton(repository=str(tmp_path / "nowhere"))
        with pytest.raises(SpecError, match=r"holds no MODEL/config.pbtxt"):
            Triton(repository=str(tmp_path))

    def test_a_name_that_is_not_the_folders(self, tmp_path):
        with pytest.raises(SpecError, match="is the configuration of 'resnet', but its folder is 'a'"):
            Triton(repository=repository(tmp_path, a='name: "resnet"'))

    def test_larger_batches_than_the_profile_covers(self, tmp_path):
        folder = repository(tmp_path, a="max_batch_size: 32 dynamic_batching { }")
        with pytest.raises(
            SpecError, match="batches of up to 32, the profile covers 8; max_batch=8 makes do with that"
        ):
            dispatches(Triton(repository=folder), [(0, "a")])
        assert dispatches(Triton(repository=folder, max_batch=8), [(0, "a")] * 9) == [("a", 0, 8), ("a", 5, 1)]

    def test_ordered_responses_of_several_instances(self, tmp_path):
        text = BATCHING.format("preserve_ordering: true")
        folder = repository(tmp_path, a=text)
        assert dispatches(Triton(repository=folder), [(0, "a")]) == [("a", 0, 1)]
        with pytest.raises(SpecError, match="preserve_ordering with 2 instances is not simulated"):
            dispatches(Triton(repository=folder), [(0, "a")], cluster=Cluster(gpus=2))

    def test_no_model_of_the_profile(self, tmp_path):
        folder = repository(tmp_path, resnet="")
        with pytest.raises(SpecError, match=r"no model of .* is in the profile; 'resnet': known: a, b"):
            dispatches(Triton(repository=folder), [(0, "a")])

    def test_a_model_that_cannot_be_simulated_matters_only_if_the_profile_has_it(self, tmp_path):
        folder = repository(tmp_path, a="", ensemble="ensemble_scheduling { }")
        assert dispatches(Triton(repository=folder), [(0, "a")]) == [("a", 0, 1)]
        repository(tmp_path, b="instance_group { kind: KIND_CPU }")
        with pytest.raises(SpecError, match=r"b/config.pbtxt, line 1: instances of KIND_CPU are not simulated"):
            dispatches(Triton(repository=folder), [(0, "a")])

    def test_requests_for_a_model_that_the_repository_lacks(self, tmp_path):
        folder = repository(tmp_path, a="")
        assert dispatches(Triton(repository=folder), [(0, "a")]) == [("a", 0, 1)]
        with pytest.raises(SpecError, match=r"there is no .*/b/config.pbtxt, but requests for the model"):
            dispatches(Triton(repository=folder), [(0, "b")])
