"""The forms of a models file and a prompt file that are accepted, and what they come to."""

import dataclasses
import json

import pytest

from slmbench import config
from slmbench.errors import UsageError


def written(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_flat_models_file(tmp_path):
    file = written(tmp_path / "m.json", {"tiny": {"capabilities": [], "size_mb": 1}, "other": {}})
    read = config.read_models(file)
    assert read.run == {}
    assert read.entries["tiny"] == config.ModelEntry("tiny", size_mb=1)
    assert list(read.entries) == ["tiny", "other"]


def test_a_flat_models_file_may_name_its_schema(tmp_path):
    file = written(tmp_path / "m.json", {"$schema": "models.schema.json", "tiny": {"source": "local"}})
    assert list(config.read_models(file).entries) == ["tiny"]


def test_a_models_file_may_hold_only_a_run(tmp_path):
    read = config.read_models(written(tmp_path / "m.json", {"run": {"rounds": 5}}))
    assert (read.entries, read.run) == ({}, {"rounds": 5})


def test_a_list_of_texts_is_a_set_with_ids(tmp_path):
    prompts = config.read_prompts(written(tmp_path / "p.json", ["one", "two"]))
    assert [(p.id, p.text, p.weight) for p in prompts] == [("p1", "one", 1.0), ("p2", "two", 1.0)]


def test_a_text_file_has_a_prompt_a_line_and_skips_only_empty_lines(tmp_path):
    file = written(tmp_path / "p.txt", "one\r\n\r\n  # not a comment  \rthree\n\n")
    assert [(p.id, p.text) for p in config.read_prompts(str(file))] == [
        ("p1", "one"),
        ("p2", "# not a comment"),
        ("p3", "three"),
    ]


def test_a_file_with_one_set_needs_no_name_and_with_several_one_after_a_hash(tmp_path):
    one = written(tmp_path / "one.json", {"sets": {"a": [{"id": "x", "text": "t", "aspects": ["y"], "weight": 2}]}})
    assert config.read_prompts(one) == (config.Prompt("x", "t", ("y",), 2.0),)
    assert config.read_prompts(path=one) == config.read_prompts("a", path=one)
    two = written(tmp_path / "two.json", {"sets": {k: [{"id": k, "text": "t"}] for k in "ab"}})
    assert config.read_prompts(f"{two}#b")[0].id == "b"
    assert config.read_prompts("a", path=two)[0].id == "a"
    with pytest.raises(UsageError, match=r"2 sets were found \(a, b\)") as caught:
        config.read_prompts(two)
    assert caught.value.cure.endswith("two.json#a")


def test_a_file_may_bring_its_own_rubric_and_use_the_kits(tmp_path):
    anchors = {str(i): f"level {i}" for i in range(1, 6)}
    prompts = [{"id": "a", "text": "t", "rubric": "mine"}, {"id": "b", "text": "t", "rubric": "default"}]
    file = written(
        tmp_path / "p.json", {"sets": {"s": prompts}, "rubrics": {"mine": {"question": "?", "anchors": anchors}}}
    )
    assert [p.rubric for p in config.read_prompts(file)] == ["mine", "default"]
    rubrics = config.read_rubrics(file)
    assert rubrics["mine"].anchors == ("level 1", "level 2", "level 3", "level 4", "level 5")
    assert "default" in rubrics


def test_nepali_text_and_ids_survive(tmp_path):
    text = "नेपालको राजधानी कुन हो? सर्‍यो।"
    as_json = config.read_prompts(written(tmp_path / "p.json", {"sets": {"s": [{"id": "राजधानी", "text": text}]}}))
    as_text = config.read_prompts(written(tmp_path / "p.txt", text))
    assert (as_json[0].id, as_json[0].text, as_text[0].text) == ("राजधानी", text, text)
    plan = config.settings(environ={}, prompts=as_json).to_dict()
    assert json.loads(json.dumps(plan))["prompts"][0]["text"] == text


def test_emoji_written_as_surrogate_pairs_are_whole_characters(tmp_path):
    assert config.read_prompts(written(tmp_path / "p.json", '["\\ud83d\\ude00"]'))[0].text == "😀"


BOM = "\ufeff"  # what Windows editors and PowerShell 5 write before the text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert config.read_prompts(written(tmp_path / "p.txt", f"{BOM}one\ntwo"))[0].text == "one"
    assert config.read_prompts(written(tmp_path / "p.json", f'{BOM}["one"]'))[0].text == "one"
    assert config.read_models(written(tmp_path / "m.json", f'{BOM}{{"a": {{}}}}')).entries.keys() == {"a"}
    file = written(tmp_path / "bad.json", f"{BOM}[x]")
    with pytest.raises(UsageError, match="line 1, column 2"):
        config.read_prompts(file)


def test_an_entry_out_of_a_plan_is_the_entry_that_went_into_it(tmp_path):
    file = written(tmp_path / "m.json", {"a": {"capabilities": ["chat"], "size_mb": 1, "licence": "MIT"}})
    entry = config.read_models(file).entries["a"]
    plain = json.loads(json.dumps(dataclasses.asdict(entry)))
    assert config.entry_from(plain) == entry
    assert config.entry_from(plain | {"of_another_version": 1}) == entry


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("gemma", ["mistral-7b", "gemma-4-e2b-it"], ["gemma-4-e2b-it"]),
        ("Phi4-Mini", ["phi-4", "phi-4-mini", "qwen3-4b"], ["phi-4-mini"]),
        ("zzz", ["phi-4", "qwen3-4b"], []),
        ("", ["phi-4"], []),
    ],
)
def test_nearest(name, choices, expected):
    assert config.nearest(name, choices) == expected


def test_nearest_gives_at_most_n():
    assert len(config.nearest("qwen3", [f"qwen3-{n}b" for n in range(9)], n=2)) == 2
