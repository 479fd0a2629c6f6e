import copy
import json

import msgspec
import pytest

from stratsim import bundled
from stratsim.cli import main
from stratsim.model import json_schema as module
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.json_schema import BOUNDS, json_schema
from stratsim.model.mistakes import has_unknown_field
from stratsim.model.profile import Profile

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def accepts():
    return jsonschema.Draft202012Validator(json_schema()).is_valid


def reads(document):
    """Whether stratsim reads it: as `load_profile` does, without finding out all that is wrong."""
    if has_unknown_field(document, Profile):
        return False
    try:
        msgspec.convert(document, Profile, str_keys=True)
    except msgspec.ValidationError:
        return False
    return type(document["schema_version"]) is int


def small():
    """A profile that has every kind of section, with one model."""
    document = json.loads(bundled.names("profiles")["h200-fp16"].read_text())
    chosen = "resnet50"
    models = document["observable"]["models"]
    document["observable"]["models"] = {chosen: models[chosen]}
    for table in ("latency_s", "features"):
        models[chosen][table] = dict([*models[chosen][table].items()][:2])
    document["provenance"] = {"*": {"kind": "measured", "source": "here"}}
    truth = document["truth"]
    truth["sharing"] = {chosen: {"1": {"demand": 0.5}, "8": {"phases": [{"share": 1.0, "demand": 0.5, "weight": 2.0}]}}}
    truth["kernel_queue"]["length_s"] = {chosen: {"1": 1e-5}}
    truth["kernel_queue"]["holds"] = {chosen: {"1": 0.5}}
    truth["roofline"] = {chosen: {"1": [{"share": 1.0, "sm": 0.5, "dram": 0.5, "l2": 0.1, "issue": 0.1}]}}
    truth["blocks"] = {"slots": 8, "kernels": {chosen: {"1": [{"share": 1.0, "blocks": 8}]}}}
    truth["partitions"] = {chosen: 0.5}
    truth["host"] = {"dispatch_s": 1e-5, "launch_s": 1e-5, "notice_s": 0.0, "collect_s": 0.0}
    pair = {"target": chosen, "target_batch": 1, "other": chosen, "other_batch": 1, "slowdown": 2.0}
    document["pairs"] = [pair]
    return document


def places(document, path=()):
    if path:
        yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from places(value, (*path, index))


def changed(document, path, how):
    document = copy.deepcopy(document)
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    if how == "gone":
        del holder[path[-1]]
    elif how == "beside it":
        if isinstance(holder, dict):
            holder["no-such-field"] = 1
    else:
        holder[path[-1]] = how
    return document


@pytest.mark.parametrize("name", bundled.names("profiles"))
def test_every_bundled_profile_is_valid(accepts, name):
    assert accepts(json.loads(bundled.names("profiles")[name].read_text()))


CHANGES = ["gone", "beside it", -1, 1.5, 5000, "", "text", None, [], {}, True]


@pytest.mark.slow
def test_what_the_schema_refuses_is_no_profile(accepts):
    """Editors never complain of what stratsim reads."""
    document = small()
    assert accepts(document)
    assert reads(document)
    wrong = []
    for path in places(document):
        for how in CHANGES:
            other = changed(document, path, how)
            if reads(other) and not accepts(other):
                wrong.append((path, how))
    assert wrong == []


SPANNING = {
    ("truth.sharing.resnet50.1.demand", "gone"),  # neither demand nor phases
    ("truth.sharing.resnet50.1.demand", None),
    ("truth.sharing.resnet50.8.phases", "gone"),
    ("truth.sharing.resnet50.8.phases.0", "gone"),  # shares that sum to 1
    ("truth.roofline.resnet50.1.0", "gone"),
    ("truth.blocks.kernels.resnet50.1.0", "gone"),
    ("truth.partitions.resnet50", "beside it"),  # a model of another name
    ("pairs.0.target", "text"),
    ("pairs.0.other", "text"),
}
"""What spans several fields: only reading checks it."""


def test_wrong_types_missing_and_unknown_fields_and_negative_figures_are_refused_by_both(accepts):
    document = small()
    wrong = []
    for path in places(document):
        for how in ("beside it", "gone", -1, None, "text"):
            other = changed(document, path, how)
            if not reads(other) and accepts(other):
                wrong.append((".".join(map(str, path)), how))
    assert set(wrong) == SPANNING


def test_every_bound_names_a_field_and_is_in_the_schema():
    text = json.dumps(json_schema())
    for where in BOUNDS:
        kind, field, *_ = where.split(".")
        part = json_schema() if kind == "Profile" else json_schema()["$defs"][kind]
        assert field in part["properties"], where
    assert '"enum": [1, 2]' in text


def test_every_field_is_described():
    schema = json_schema()
    parts = {**schema["$defs"], "Profile": schema}
    lacking = [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, said in part["properties"].items()
        if "description" not in said
    ]
    assert [each for each in lacking if each.split(".")[0] not in ("GpuletFit", "Link", "Features", "Pageable")] == []


def test_the_schema_that_is_published_is_the_one_of_the_code(capsys):
    published = module.PUBLISHED.read_text(encoding="utf-8")
    assert json.loads(published) == json_schema()
    assert main(["profile", "schema"]) == 0
    assert capsys.readouterr().out == published


def test_a_profile_may_say_where_its_schema_lies(tmp_path):
    text = dump_profile(load_profile("rtx3080-disb"))
    (tmp_path / "p.json").write_text(text.replace("{", '{"$schema": "./profile.schema.json",', 1))
    assert load_profile(tmp_path / "p.json") == load_profile("rtx3080-disb")
