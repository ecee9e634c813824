"""By what a model is chosen: files, changes, and what is refused."""

import json

import pytest

from slmbench import config
from slmbench.errors import UsageError


def test_the_shipped_one_says_all_there_is():
    shipped = config.read_selection()
    assert shipped.limits == {"commercial_use": True, "memory_mb": 8000, "ttft_s": 0.5}
    assert set(shipped.weights) == {"latency", "throughput", "memory", "quality", "footprint"}
    assert set(shipped.cost) == {"power_w", "price_per_kwh", "currency", "cloud_price_per_million_tokens"}


def test_a_file_of_ones_own_goes_over_it_and_null_takes_away(tmp_path):
    own = tmp_path / "mine.json"
    own.write_text(json.dumps({"limits": {"ttft_s": None, "quality": 3}, "weights": {"memory": 0}}), encoding="utf-8")
    found = config.read_selection(own)
    assert found.limits == {"commercial_use": True, "memory_mb": 8000, "quality": 3}
    assert found.weights["memory"] == 0 and found.weights["quality"] == 4
    assert found.cost == config.read_selection().cost


def test_changes_in_words_and_as_values():
    changed = config.with_changes(
        config.read_selection(), limits="ttft_s=none, memory_mb=4000", weights={"quality": 1}, cost="power_w=none"
    )
    assert changed.limits == {"commercial_use": True, "memory_mb": 4000}
    assert changed.weights["quality"] == 1 and changed.cost["power_w"] is None
    assert config.with_changes(changed, limits="", weights=None) == changed


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("limits", "memry_mb=4", "unknown name 'memry_mb'; did you mean \"memory_mb\"?"),
        ("limits", "quality=9", "limits.quality: 9.0 was found, a number from 1 to 5"),
        ("limits", "ttft_s", '"ttft_s" was found, name=value was expected'),
        ("limits", "ttft_s=1,ttft_s=2", "ttft_s twice was found"),
        ("weights", "latency=-1", "weights.latency: -1.0 was found"),
        ("weights", "latency=lots", 'weights.latency: "lots" was found, a number'),
        ("weights", {"latency": float("nan")}, "latency: nan was found, a finite number"),
        ("weights", dict.fromkeys(("latency", "throughput", "memory", "quality", "footprint"), 0), "all are 0"),
        ("cost", "currency=doubloons", 'cost.currency: "doubloons" was found, one of EUR, USD'),
        ("cost", 5, "a value of the type int was found, a mapping or a text was expected"),
    ],
)
def test_what_is_refused(part, value, said):
    with pytest.raises(UsageError) as refused:
        config.with_changes(config.read_selection(), **{part: value})
    assert said in str(refused.value)


def test_a_broken_file_is_named(tmp_path):
    own = tmp_path / "mine.json"
    own.write_text('{"wieghts": {}}', encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        config.read_selection(own)
    assert "mine.json" in str(refused.value) and 'did you mean "weights"?' in str(refused.value)


def test_needs_of_prompts_are_capabilities_and_change_no_plan(tmp_path):
    file = tmp_path / "p.json"
    prompt = {"id": "one", "text": "Write a loop."}
    file.write_text(json.dumps({"sets": {"own": [prompt | {"needs": ["code", "chat"]}]}}), encoding="utf-8")
    [found] = config.read_prompts(file)
    assert found.needs == ("code", "chat") and found.to_dict()["needs"] == ["code", "chat"]
    bare, needy = ({"prompts": [p.to_dict()]} for p in (config.Prompt(id="one", text="Write a loop."), found))
    assert config.plan_hash(bare) == config.plan_hash(needy)
    file.write_text(json.dumps({"sets": {"own": [prompt | {"needs": ["coding"]}]}}), encoding="utf-8")
    with pytest.raises(UsageError, match='did you mean "code"'):
        config.read_prompts(file)
