import gzip
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field, replace

import pytest

from stratsim import bundled
from stratsim.errors import LimitError, ProfileError, SchemaVersionError, SpecError, TraceError
from stratsim.model.codec import decode, dump_profile, load_profile, plain, profile_sha256, read_json
from stratsim.model.profile import Link

SHIPPED = ("a100-80gb-parvagpu", "rtx3080-disb")


@pytest.fixture
def document():
    return json.loads(bundled.find("profiles", "rtx3080-disb").read_text())


@pytest.fixture
def refused(tmp_path):
    """Return the message with which a document is refused; it is one line that begins with the file's name."""

    def check(document, error=ProfileError):
        path = tmp_path / "a.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        with pytest.raises(error) as caught:
            load_profile(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        return message.removeprefix(f"{path}: ")

    return check


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_is_what_dump_writes(name):
    text = bundled.find("profiles", name).read_text(encoding="utf-8")
    profile = load_profile(name)
    assert profile.name == name
    assert dump_profile(profile) == text
    assert profile_sha256(profile) == hashlib.sha256(text.encode()).hexdigest()


def test_a_name_a_path_and_a_string_give_the_same_profile(tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(bundled.find("profiles", "rtx3080-disb").read_bytes())
    assert load_profile("rtx3080-disb") == load_profile(path) == load_profile(str(path))


def test_a_bundled_name_wins_over_a_file_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rtx3080-disb").write_text("{}")
    assert load_profile("rtx3080-disb").name == "rtx3080-disb"
    with pytest.raises(SchemaVersionError):
        load_profile("./rtx3080-disb")


def test_batch_sizes_become_integers():
    profile = load_profile("a100-80gb-parvagpu")
    assert sorted(profile.observable.models["resnet50"].latency_s) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert max(profile.truth.sharing["resnet152"]) == 128


def test_a_bad_figure_is_named_with_its_place(document, refused):
    document["observable"]["models"]["vgg19"]["latency_s"] = {"1": 0.1, "4": -1.0}
    assert refused(document) == "latency_s[4] must be > 0 and finite, got -1.0 - at $.observable.models.vgg19"


def test_an_unknown_field_is_refused_with_the_nearest_name(document, refused):
    document["observable"]["models"]["vgg19"]["byte_in"] = 1
    assert refused(document) == "unknown field 'byte_in'; did you mean 'bytes_in'? - at $.observable.models.vgg19"


def test_a_wrong_type_is_named_with_its_keys(document, refused):
    document["observable"]["models"]["vgg19"]["latency_s"]["1"] = "fast"
    message = refused(document)
    assert message == "Expected `float`, got `str` - at $.observable.models.vgg19.latency_s['1']"


def test_an_index_is_part_of_the_path(document, refused):
    pair = {"target": "vgg19", "target_batch": 1, "other": "vgg19", "other_batch": 1, "slowdown": 2.0}
    document["pairs"] = [pair, {**pair, "target": "resnet152", "slowdown": None}]
    assert refused(document).endswith(" - at $.pairs[1].slowdown")


def test_a_batch_size_that_is_no_number(document, refused):
    document["observable"]["models"]["vgg19"]["latency_s"]["one"] = 0.1
    assert refused(document).endswith(" - at $.observable.models.vgg19.latency_s")


@pytest.mark.parametrize("field_name", ["name", "device", "provenance", "observable"])
def test_a_missing_section(document, refused, field_name):
    del document[field_name]
    assert refused(document) == f"Object missing required field `{field_name}` - at $"


FIVE = (
    ("name", "Expected `str`, got `int` - at $.name"),
    ("lost", "Object missing required field `source` - at $.provenance['device.*']"),
    ("range", "bytes_in must be >= 0 and finite, got -3 - at $.observable.models.vgg19"),
    ("unknown", "unknown field 'slow_down'; did you mean 'slowdown'? - at $.pairs[0]"),
    ("lengths", "features names batch size 3, which latency_s lacks: [1] - at $.observable.models.vgg19"),
)


def test_all_mistakes_of_a_file_are_one_refusal_with_a_line_for_each(document, tmp_path):
    document["name"] = 3
    document["provenance"]["device.*"] = {"kind": "measured"}
    model = document["observable"]["models"]["vgg19"]
    model["bytes_in"] = -3
    model["features"] = {"3": {"compute": 0.5, "memory": 0.5}}
    pair = {"target": "vgg19", "target_batch": 1, "other": "vgg19", "other_batch": 1, "slowdown": 2.0}
    document["pairs"] = [{**pair, "slow_down": 2}]
    path = tmp_path / "five.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    lines = str(caught.value).splitlines()
    assert sorted(lines) == sorted(f"{path}: {line}" for _, line in FIVE)


def test_mistakes_of_every_kind_in_one_object_are_all_named(document, tmp_path):
    model = document["observable"]["models"]["vgg19"]
    model["latency_s"] = {"1": 0.0, "2": -1.0, "x": 1.0, "4": "fast"}
    model["bytes_out"] = -1
    del model["bytes_in"]
    model["features"] = {}
    document["truth"]["sharing"]["no-such"] = {"1": {"demand": 0.5}}
    path = tmp_path / "many.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    said = str(caught.value)
    for part in (
        "latency_s[1] must be > 0",
        "latency_s[2] must be > 0",
        "key 'x'",
        "latency_s['4']",
        "field `bytes_in`",
        "bytes_out must be",
        "names model 'no-such'",
    ):
        assert part in said, part
    assert len(said.splitlines()) == 7


def test_a_mistake_is_not_said_twice_for_the_objects_around_it(document, refused):
    document["observable"]["models"]["vgg19"] = "fast"
    pair = {"target": "resnet152", "target_batch": 1, "other": "vgg19", "other_batch": 1, "slowdown": 2.0}
    document["pairs"] = [pair]
    assert refused(document) == "Expected `object`, got `str` - at $.observable.models.vgg19"


def test_missing_models_and_empty_tables(document, refused):
    models = document["observable"]["models"]
    models["vgg19"]["latency_s"] = {}
    assert refused(document) == "latency_s is empty - at $.observable.models.vgg19"
    document["observable"]["models"] = {}
    assert refused(document) == "models is empty - at $.observable"


@pytest.mark.parametrize("version", [0, 3, "1", True, 1.0, [1]])
def test_another_schema_version_is_refused_before_anything_else(document, refused, version):
    document["schema_version"] = version
    document["observable"] = "from the future"
    message = refused(document, SchemaVersionError)
    assert message == f"schema_version is {version!r}; this stratsim reads versions 1 and 2 - at $.schema_version"


def test_no_schema_version(refused):
    assert "schema_version is missing" in refused({"name": "x"}, SchemaVersionError)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have(document, refused, number):
    document["truth"]["noise_cv"] = 12345
    assert number in refused(json.dumps(document).replace("12345", number))


def test_a_repeated_key(refused):
    assert "key 'name' occurs twice" in refused('{"schema_version": 1, "name": "a", "name": "b"}')


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("[]", "a profile is a JSON object, got an array - at $"),
        ("7", "a profile is a JSON object, got a number - at $"),
        ("null", "a profile is a JSON object, got null - at $"),
        ("{", "not valid JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
    ],
)
def test_not_a_profile_at_all(refused, content, expected):
    assert refused(content) == expected


def test_a_truncated_file(refused):
    text = bundled.find("profiles", "rtx3080-disb").read_text()
    for length in range(100, len(text) - 2, 500):
        assert refused(text[:length]).startswith("not valid JSON")


def test_deep_nesting_is_refused_not_a_crash(refused):
    assert refused("[" * 100_000).startswith("not valid JSON")


def test_binary_junk(tmp_path):
    path = tmp_path / "junk.json"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ProfileError, match=r"junk\.json: not a JSON file \(it is not UTF-8 text\)"):
        load_profile(path)


def test_a_packed_profile_is_the_same_profile(tmp_path, monkeypatch):
    text = bundled.find("profiles", "rtx3080-disb").read_bytes()
    path = tmp_path / "packed.json.gz"
    path.write_bytes(gzip.compress(text))
    assert load_profile(path) == load_profile("rtx3080-disb")
    path.write_bytes(gzip.compress(text)[:-200])
    with pytest.raises(ProfileError, match=r"packed\.json\.gz: cannot be unpacked: "):
        load_profile(path)
    path.write_bytes(gzip.compress(b" " * (2 << 20)))
    monkeypatch.setenv("STRATSIM_MEMORY", "1M")
    with pytest.raises(LimitError, match=r"packed\.json\.gz"):
        load_profile(path)


def test_a_directory_and_an_absent_file(tmp_path):
    with pytest.raises(ProfileError, match="is a directory, not a profile"):
        load_profile(tmp_path)
    with pytest.raises(ProfileError, match=r"rtx3080-dis: .*did you mean 'rtx3080-disb'\?"):
        load_profile("rtx3080-dis")
    with pytest.raises(ProfileError, match="neither a file nor a bundled profile"):
        load_profile(tmp_path / "absent.json")


def test_an_infinite_figure_cannot_be_written():
    profile = load_profile("rtx3080-disb")
    free = replace(profile.observable.pcie, h2d=Link(0.0, float("inf")))
    with pytest.raises(ProfileError, match="'rtx3080-disb' cannot be written"):
        dump_profile(replace(profile, observable=replace(profile.observable, pcie=free)))


def test_writing_needs_no_msgspec():
    code = (
        "import sys; sys.modules['msgspec'] = None\n"
        "from stratsim.model.codec import dump_profile\n"
        "from stratsim.model.profile import *\n"
        "link = Link(1e-5, 1e9)\n"
        "solo = ObservableModel({1: 0.1}, 1, 1)\n"
        "profile = Profile(1, 'x', Device('g'), {}, Observable(Pcie(link, link), {'m': solo}))\n"
        "assert dump_profile(profile).endswith('}\\n')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@dataclass(frozen=True)
class Inner:
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must be >= 0, got {self.size}")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None
    many: list[Inner] = field(default_factory=list)


def test_decode_serves_any_dataclass():
    assert decode({"name": "a", "inner": {"size": 1}, "many": [{"size": 2}]}, Outer, "spec.toml") == Outer(
        "a", Inner(1), [Inner(2)]
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "a", "inner": {"size": -1}}, "spec.toml: size must be >= 0, got -1 - at $.inner"),
        (
            {"name": "a", "many": [{"size": 1}, {"sise": 2}]},
            "unknown field 'sise'; did you mean 'size'? - at $.many[1]",
        ),
        ({"name": 3}, "Expected `str`, got `int` - at $.name"),
        ([], "Expected `object`, got `array` - at $"),
    ],
)
def test_decode_says_what_is_wrong_and_where(data, message):
    with pytest.raises(SpecError) as caught:
        decode(data, Outer, "spec.toml")
    assert message in str(caught.value)


def test_the_caller_chooses_the_error(tmp_path):
    with pytest.raises(TraceError, match="cannot be read"):
        read_json(tmp_path / "absent.json", TraceError)
    with pytest.raises(TraceError, match="unknown field"):
        decode({"nam": 1}, Outer, "w.json", TraceError)


def test_a_required_field_is_written_even_if_it_is_empty():
    assert plain(Inner(0)) == {"size": 0}
    assert plain(Outer("")) == {"name": ""}


def test_plain_leaves_out_what_holds_nothing():
    assert plain(Outer("a")) == {"name": "a"}
    assert plain({2: (1, 2), 1: Outer("b", Inner(0))}) == {"1": {"name": "b", "inner": {"size": 0}}, "2": [1, 2]}
