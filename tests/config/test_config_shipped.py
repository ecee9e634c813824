"""The data files that ship with the kit: valid, complete, and what the session promises."""

import json
import unicodedata

import pytest
from hypothesis import example, given, settings, strategies as st

from slmbench import config, paths
from slmbench.config import checking
from slmbench.errors import UsageError
from slmbench.models import EMBEDDED

FOUR = (
    "Explain the principle of retrieval augmented generation in 2 sentences.",
    "List 3 privacy benefits of local inference.",
    "Summarize why model size impacts latency on consumer hardware.",
    "Provide two scenarios where an SLM is preferable to an LLM.",
)
EMBEDDED_MB = {
    "smollm2-135m-int4": 116,
    "smollm2-135m-int4-rtn": 102,
    "smollm2-135m-int8": 155,
    "smollm2-135m-fp32": 542,
    "smollm2-135m-int4-1thread": 116,
    "smollm2-135m-int4-2threads": 116,
}


@pytest.fixture(scope="module")
def models():
    return config.read_models()


def test_the_default_set_is_the_sessions_four_prompts_word_for_word():
    assert tuple(p.text for p in config.read_prompts()) == FOUR
    assert config.read_prompts() == config.read_prompts("rag4")


def test_every_shipped_prompt_has_aspects_a_language_and_a_rubric_that_exists():
    sets = json.loads(paths.data_file("prompts.json").read_text(encoding="utf-8"))["sets"]
    rubrics = config.read_rubrics()
    for name in sets:
        for prompt in config.read_prompts(name):
            assert len(prompt.aspects) >= 4
            assert prompt.language in ("en", "ne")
            assert prompt.rubric in rubrics


def test_rubrics_say_what_each_of_the_five_scores_means():
    rubric = config.read_rubrics()["default"]
    assert rubric.name == "default"
    assert len(rubric.anchors) == len(set(rubric.anchors)) == 5
    assert rubric.anchors[0].startswith("Unusable") and rubric.anchors[4].startswith("Excellent")


def test_meeting_notes_are_as_long_as_real_ones():
    prompts = config.read_prompts("meeting-notes")
    assert 4 <= len(prompts) <= 6
    for prompt in prompts:
        notes = prompt.text.split("\n\n", 1)[1]
        assert 80 <= len(notes.split()) <= 200, prompt.id


def test_nepali_prompts_are_devanagari_in_normal_form():
    prompts = config.read_prompts("nepali")
    assert 3 <= len(prompts) <= 4
    for prompt in prompts:
        assert prompt.language == "ne"
        letters = [c for c in prompt.text if c.isalpha()]
        assert all("DEVANAGARI" in unicodedata.name(c) for c in letters)
        assert unicodedata.is_normalized("NFC", prompt.text)


def test_the_embedded_models_are_local_with_their_measured_sizes(models):
    local = {alias: e.size_mb for alias, e in models.entries.items() if e.source == "local"}
    assert local == EMBEDDED_MB
    assert {models.entries[a].licence for a in local} == {"Apache-2.0"}
    assert (models.entries["smollm2-135m-int4-1thread"].threads, models.entries["smollm2-135m-int4"].threads) == (
        1,
        None,
    )


def test_a_catalogue_size_is_marked_as_not_verified(models):
    sized = [e for e in models.entries.values() if e.source == "catalog" and e.size_mb]
    assert len(sized) > 10
    assert all("not verified" in e.size_source for e in sized)


def test_what_an_entry_points_to_exists(models):
    for entry in models.entries.values():
        for other in (entry.nearest, entry.variant_of):
            assert other is None or (other in models.entries and other != entry.alias)


@pytest.mark.parametrize("alias", ["mistral-7b", "gemma-2-2b", "qwen2.5-0.5b", "phi-4-mini", "deepseek-r1-7b"])
def test_the_aliases_of_the_session_are_known_with_licence_and_capabilities(models, alias):
    entry = config.entry_for(alias, models)
    assert entry.alias == alias
    assert entry.licence and "chat" in entry.capabilities


def test_mistral_is_found_by_what_the_catalogue_calls_it(models):
    assert config.entry_for("mistral-7b-v0.2", models) is models.entries["mistral-7b"]
    assert config.entry_for("mistral-8b", models) is None


def test_gemma_2_names_the_nearest_model_that_can_be_had(models):
    entry = models.entries["gemma-2-2b"]
    assert (entry.nearest, entry.commercial_use) == ("gemma-4-e2b-it", None)


def test_the_shipped_run_is_what_the_defaults_are():
    assert config.settings(environ={}) == config.Settings(prompts=config.read_prompts("rag4"), prompts_from="rag4")


@pytest.mark.parametrize("name", ["models", "prompts"])
def test_every_key_of_a_schema_is_described(name):
    def walk(node, place):
        for key, inner in node.items():
            if key in ("properties", "definitions"):
                for property_name, definition in inner.items():
                    if "$ref" not in definition:
                        assert definition.get("description"), f"{place}.{property_name}"
            if isinstance(inner, dict):
                walk(inner, f"{place}.{key}")

    schema = json.loads(paths.data_file(f"{name}.schema.json").read_text(encoding="utf-8"))
    assert schema["description"]
    walk(schema, name)


@pytest.mark.parametrize("name", ["models", "prompts"])
def test_the_files_that_are_taken_as_checked_are_valid(name, monkeypatch):
    """Change the digest in config/checking.py with the file: until then it is checked at every start (50 ms)."""
    value = json.loads(paths.data_file(f"{name}.json").read_text(encoding="utf-8"))
    schema = f"{name}.schema.json"
    assert checking.digest(value) == checking._SHIPPED[schema]
    monkeypatch.setattr(checking, "_SHIPPED", {})
    checking.check(value, schema, str, "")
    with pytest.raises(UsageError, match='unknown key "more"'):
        checking.check({**value, "more": 1}, schema, lambda place: place or "top level", "")


RUN = json.loads(paths.data_file("models.schema.json").read_text(encoding="utf-8"))["definitions"]["run"]["properties"]
SINGLE = {n: d for n, d in RUN.items() if not {"array", "object"} & set(d["type"])}


@pytest.mark.parametrize("name", SINGLE)
@given(value=st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9))
@example(value="poisson")
@example(value=0.1)
@example(value=10000)
@settings(deadline=None, database=None, max_examples=60)
def test_a_single_value_is_judged_as_the_schemas_validator_does(name, value):
    try:
        checking.check({"run": {name: value}}, "models.schema.json", str, "")
        valid = True
    except UsageError:
        valid = False
    if "integer" in RUN[name]["type"] and isinstance(value, float):
        valid = False  # JSON Schema takes 3.0 for a whole number
    assert checking.fits(value, RUN[name]) == valid


def test_capability_tags_are_a_small_vocabulary_that_is_in_use(models):
    schema = json.loads(paths.data_file("models.schema.json").read_text(encoding="utf-8"))
    known = schema["definitions"]["entry"]["properties"]["capabilities"]["items"]["enum"]
    used = {tag for e in models.entries.values() for tag in e.capabilities}
    assert used == set(known)


def test_the_schemas_run_has_the_fields_of_settings():
    schema = json.loads(paths.data_file("models.schema.json").read_text(encoding="utf-8"))
    fields = set(config.Settings.__slots__) - {"prompts_from", "allow_remote"}  # a file never allows a remote
    assert set(schema["definitions"]["run"]["properties"]) == fields


def test_models_json_and_the_embedded_set_agree(models):
    local = {alias: (e.threads, e.variant_of) for alias, e in models.entries.items() if e.source == "local"}
    assert local == {alias: (v.threads, v.base if v.threads else None) for alias, v in EMBEDDED.items()}
