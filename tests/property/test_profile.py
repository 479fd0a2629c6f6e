"""Any valid profile survives writing and reading; any one corrupted field is refused by name."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import bundled
from stratsim.errors import ProfileError
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.frozen import FrozenDict
from stratsim.model.interpolate import METHODS
from stratsim.model.profile import (
    Device,
    Features,
    Kernels,
    Link,
    Observable,
    ObservableModel,
    Pair,
    Pcie,
    Profile,
    Provenance,
    Sharing,
    Truth,
)

positive = st.floats(1e-9, 1e6)
fractions = st.floats(0.0, 1.0)
sizes = st.integers(0, 2**40)
texts = st.text(min_size=1, max_size=12).filter(str.strip)
links = st.builds(Link, st.floats(0.0, 1e-3), st.floats(1e3, 1e12))
sharings = st.builds(Sharing, st.floats(1e-6, 1.0), positive)


@st.composite
def observable_models(draw):
    batches = draw(st.sets(st.integers(2, 64), max_size=4)) | {1}
    featured = draw(st.sets(st.sampled_from(sorted(batches))))
    feature = st.builds(Features, fractions, fractions, st.none() | fractions)
    return ObservableModel(
        latency_s={batch: draw(positive) for batch in batches},
        bytes_in=draw(sizes),
        bytes_out=draw(sizes),
        weights_bytes=draw(st.none() | sizes),
        features={batch: draw(feature) for batch in featured},
        kernels=draw(st.none() | st.builds(Kernels, st.integers(1, 10_000), positive, st.none() | positive)),
    )


@st.composite
def profiles(draw):
    models = draw(st.dictionaries(texts, observable_models(), min_size=1, max_size=4))
    names = sorted(models)
    tables = st.dictionaries(st.integers(1, 64), sharings, min_size=1, max_size=3)
    cells = st.tuples(st.sampled_from(names), st.just(1), st.sampled_from(names), st.just(1))
    chosen = draw(st.lists(cells, unique=True, max_size=4))
    kinds = st.sampled_from(["measured", "imported", "published", "synthetic"])
    return Profile(
        schema_version=1,
        name=draw(texts),
        device=draw(st.builds(Device, texts, st.none() | st.integers(1, 2**40), st.none() | positive)),
        provenance=draw(st.dictionaries(texts, st.builds(Provenance, kinds, texts, st.none() | texts), max_size=3)),
        observable=Observable(draw(st.builds(Pcie, links, links)), models, draw(st.sampled_from(METHODS))),
        truth=Truth(draw(st.dictionaries(st.sampled_from(names), tables)), noise_cv=draw(st.floats(0.0, 1.0))),
        pairs=tuple(Pair(*cell, draw(positive), draw(st.booleans())) for cell in chosen),
        description=draw(st.text(max_size=20)),
    )


@pytest.mark.slow
@given(profile=profiles())
def test_reading_what_was_written_gives_an_equal_profile(profile, tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "p.json"
    text = dump_profile(profile)
    path.write_text(text, encoding="utf-8")
    again = load_profile(path)
    assert again == profile
    assert dump_profile(again) == text
    assert text.endswith("}\n")


@given(profile=profiles())
def test_belief_and_truth_share_no_mutable_object(profile):
    def mutable(value, found):
        # What is kept from run to run is frozen, and may be the same object.
        if isinstance(value, dict | list | set) and not isinstance(value, FrozenDict):
            found.add(id(value))
        children = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
        for child in children:
            mutable(child, found)
        for name in getattr(value, "__slots__", ()):
            mutable(getattr(value, name), found)
        return found

    views = [profile.for_scheduler(), profile.for_scheduler(), profile.for_hardware(), profile.for_hardware(), profile]
    seen = [mutable(view, set()) for view in views]
    assert seen[-1]  # the profile itself was made by hand, of plain dicts
    for index, one in enumerate(seen):
        for other in seen[:index]:
            assert not one & other


@given(profile=profiles(), data=st.data())
def test_both_views_agree_on_solo_latencies(profile, data):
    scheduler, hardware = profile.for_scheduler(), profile.for_hardware()
    name = data.draw(st.sampled_from(sorted(profile.observable.models)))
    table = profile.observable.models[name].latency_s
    batch = data.draw(st.integers(1, max(table)))
    latency = scheduler.latency_s(name, batch)
    assert latency == hardware.models[name].latency_s[batch]
    assert min(table.values()) * (1 - 1e-9) <= latency <= max(table.values()) * (1 + 1e-9)


def _document():
    document = json.loads(bundled.find("profiles", "rtx3080-disb").read_text(encoding="utf-8"))
    document["observable"]["models"] = {"vgg19": document["observable"]["models"]["vgg19"]}
    document["truth"]["sharing"] = {"vgg19": document["truth"]["sharing"]["vgg19"]}
    pair = {"target": "vgg19", "target_batch": 1, "other": "vgg19", "other_batch": 1, "slowdown": 2.0, "held_out": True}
    document["pairs"] = [pair]
    document["observable"]["models"]["vgg19"]["kernels"]["max_s"] = 0.001
    document["observable"]["models"]["vgg19"]["features"]["1"]["l2"] = 0.5
    return document


def _leaves(value, path=()):
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


LEAVES = [(path, value) for path, value in _leaves(_document()) if path[0] != "schema_version"]


def _refused(document, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    message = str(caught.value)
    lines = message.splitlines()  # one for each mistake
    assert all(line.strip().removeprefix(f"{path}: ") for line in lines)
    assert all(line.strip().startswith(f"{path}: ") for line in lines)
    return message


@pytest.mark.parametrize(("path", "value"), LEAVES, ids=[".".join(map(str, path)) for path, _ in LEAVES])
def test_one_corrupted_field_is_refused_by_name(path, value, tmp_path):
    wrong = [{"not": "this"}]
    if isinstance(value, int | float) and not isinstance(value, bool):
        wrong += ["text", -1, True]
    for bad in wrong:
        document = copy.deepcopy(_document())
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = bad
        message = _refused(document, tmp_path)
        name = next(str(key) for key in reversed(path) if not str(key).isdigit())
        assert name in message, (bad, message)


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=[".".join(map(str, path)) for path, _ in LEAVES])
def test_a_misspelt_field_is_refused_by_name(path, tmp_path):
    document = copy.deepcopy(_document())
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if not isinstance(parent, dict) or str(path[-1]).isdigit() or (path[:1] == ("provenance",) and len(path) < 3):
        parent = document
    parent["misspelt_"] = 1
    assert "unknown field 'misspelt_'" in _refused(document, tmp_path)
