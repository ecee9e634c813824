"""What a run folder holds beside its rows, held to its schemas: the kit's own files fit, and any other value is judged
as the schemas' own validator judges it."""

import json

import fastjsonschema
import pytest
from hypothesis import example, given, settings, strategies as st

from slmbench import config, paths
from slmbench.config import checking
from slmbench.errors import UsageError

NAMES = ("plan", "machine", "resource")
SCHEMAS = {n: json.loads(paths.data_file(f"{n}.schema.json").read_text(encoding="utf-8")) for n in NAMES}
EXAMPLE = paths.run_folder("example")
QUICK = settings(max_examples=200, deadline=None, database=None)


def words(node):
    """All names of properties in a schema."""
    if isinstance(node, dict):
        return {*node.get("properties", ()), *(w for inner in node.values() for w in words(inner))}
    return {w for inner in node for w in words(inner)} if isinstance(node, list) else set()


def values(name):
    """JSON with the keys of a schema, most of it not as it should be."""
    scalar = st.none() | st.booleans() | st.integers(-2, 600) | st.floats(-1, 9, allow_nan=False) | st.just("precision")
    keys = st.sampled_from(sorted(words(SCHEMAS[name]))) | st.text(max_size=3)
    return st.recursive(
        scalar | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=20,
    )


def kept(name):
    """What the kit wrote itself."""
    text = (EXAMPLE / {"resource": "resources.jsonl"}.get(name, f"{name}.json")).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name == "resource" else [json.loads(text)]


def refused(value, name):
    """The message, or None for a value that fits."""
    try:
        checking.check(value, f"{name}.schema.json", lambda place: f"FILE, {place}", "cure")
    except UsageError as e:
        assert e.message.isprintable() and e.cure == "cure"
        assert "expected" in e.message or "Known keys" in e.message
        return e.message
    return None


@pytest.mark.parametrize("name", NAMES)
def test_what_the_kit_wrote_fits(name):
    assert [refused(value, name) for value in kept(name)] == [None] * len(kept(name))
    assert fastjsonschema.compile(SCHEMAS[name])(kept(name)[0]) == kept(name)[0]


@QUICK
@given(st.data())
def test_any_value_is_judged_as_the_validator_does(data):
    name = data.draw(st.sampled_from(NAMES))
    value = data.draw(values(name))
    changed = kept(name)[0]
    if isinstance(value, dict) and data.draw(st.booleans()):  # else hardly one would be right as a whole
        value = changed | value
    try:
        VALIDATORS[name](value)
        valid = True
    except fastjsonschema.JsonSchemaValueException:
        valid = False
    message = refused(value, name)
    if valid and message:  # JSON Schema takes 3.0 for a whole number
        assert "a whole number" in message and ".0 was found" in message
    else:
        assert (message is None) == valid, message


VALIDATORS = {name: fastjsonschema.compile(schema) for name, schema in SCHEMAS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_described(name):
    def walk(node, place):
        for key, inner in node.items():
            if key in ("properties", "definitions") and place[-1] != "if":
                silent = [f"{place} {n}" for n, d in inner.items() if "$ref" not in d and not d.get("description")]
                assert silent == []
            if isinstance(inner, dict):
                walk(inner, [*place, key])

    walk(SCHEMAS[name], [name])


def test_a_plan_may_hold_what_a_run_may_be_asked():
    """Of each setting the plan's range is that of models.json."""
    run = json.loads(paths.data_file("models.schema.json").read_text(encoding="utf-8"))["definitions"]["run"]
    plan = SCHEMAS["plan"]["properties"]
    ranges = ("minimum", "maximum", "exclusiveMinimum")
    for name, asked in run["properties"].items():
        assert {r: plan[name].get(r) for r in ranges} == {r: asked.get(r) for r in ranges}, name
    assert plan.keys() >= set(config.Settings.__slots__)


@pytest.mark.parametrize("more", [{}, {"rate": 2.5}, {"concurrency": "1,8"}, {"slo": "ttft=1s"}, {"precision_pct": 5}])
def test_settings_make_a_plan_that_fits(more):
    plan = config.settings(environ={}, models="a,b", prompts=["x"], **more).to_dict()
    assert refused(json.loads(json.dumps(plan)), "plan") is None


def test_keys_of_other_versions_are_welcome_and_missing_ones_are_no_fault():
    [plan] = kept("plan")
    assert refused(plan | {"of_tomorrow": {"a": [1]}}, "plan") is None
    assert refused({"prompts": [{"id": "a", "text": "t", "of_tomorrow": 1}]}, "plan") is None
    assert refused({"model": "a", "kind": "of_tomorrow", "x": []}, "resource") is None


PRECISION = {"kind": "precision", "model": "a", "prompt_id": "p", "n": 6, "half_width_pct": None, "asked_pct": 5.0}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("plan", {"prompts": [], "rounds": 3}, "FILE, prompts: a list with nothing in it was found"),
        ("plan", {"prompts": [{"id": "a"}]}, 'FILE, prompts[0]: "text" is missing, an object with id, text'),
        ("plan", {"slo": {"ttf_s": 1}}, 'FILE, : "prompts" is missing'),
        ("plan", {"prompts": [{"id": "a", "text": "t"}], "slo": {"ttf_s": 1}}, 'FILE, slo: unknown key "ttf_s"; did'),
        ("plan", {"prompts": [{"id": "a", "text": "t"}], "entries": {"a\n": {}}}, 'FILE, entries.a\\n: "alias" is'),
        ("machine", {"calibration": {}}, 'FILE, calibration: "at", "where", "accuracy", "limits" is missing'),
        ("resource", {"kind": "load"}, 'FILE, : "model" is missing'),
        ("resource", PRECISION, '"stopped_by" is missing'),
        ("resource", PRECISION | {"stopped_by": []}, "FILE, stopped_by: a list was found, text"),
    ],
)
def test_the_message_says_where_and_what(name, value, message):
    assert message in refused(value, name)


@QUICK
@given(fields=values("plan") | st.dictionaries(st.sampled_from(config.ModelEntry.__slots__), values("plan")))
@example(fields={"alias": "a", "capabilities": ["chat", ["x"]]})
def test_any_entry_of_a_plan(fields):
    try:
        entry = config.entry_from(fields)
    except UsageError as e:
        assert e.message.isprintable() and e.cure
    else:
        assert entry.alias == fields["alias"] and hash(entry)


@QUICK
@given(fields=values("plan") | st.dictionaries(st.sampled_from(config.Prompt.__slots__), values("plan")))
def test_any_prompt_of_a_plan(fields):
    try:
        prompt = config.prompt_from(fields)
    except UsageError as e:
        assert e.message.isprintable() and e.cure
    else:
        assert (prompt.id, prompt.text) == (fields["id"], fields["text"]) and hash(prompt)
