"""What of a plan may change when a run is gone on with: more of the same, on the same server."""

import pytest
from made_runs import PLAN, opened, row, written

from slmbench import config, store


def test_a_changed_plan_is_refused_with_the_difference(tmp_path):
    path = written(tmp_path / "run", row(1))
    with pytest.raises(store.StoreError) as refused:
        opened(path, PLAN | {"temperature": 0.7, "max_tokens": 9}, resume=True)
    assert "max_tokens: 8 -> 9; temperature: 0.0 -> 0.7" in refused.value.message
    assert store.read(path).plan == PLAN
    assert [r.cell for r in store.read(path).rows] == ["c1"]


def test_a_long_difference_is_shortened(tmp_path):
    path = written(tmp_path / "run")
    with pytest.raises(store.StoreError) as refused:
        opened(path, PLAN | {"prompts": [{"id": "p1", "text": "x" * 1000}]}, resume=True)
    assert "prompts: " in refused.value.message and len(refused.value.message) < 400 + len(str(path))


@pytest.mark.parametrize(
    "more",
    [{"rounds": 5}, {"loads": 3}, {"models": ["a", "b"]}, {"started_at": "later"}, {"versions": {}}, {"entries": {}}],
    ids=str,
)
def test_more_of_the_same_extends_a_plan(tmp_path, more):
    path = written(tmp_path / "run", row(1))
    with opened(path, PLAN | more, resume=True) as folder:
        assert folder.finished == {"c1"}
    assert store.read(path).plan == PLAN | more


@pytest.mark.parametrize(
    ("less", "told"),
    [
        ({"rounds": 1}, "rounds: 2 -> 1"),
        ({"loads": 1}, "loads: 3 -> 1"),
        ({"models": ["a"]}, 'models: ["a", "b"] -> ["a"]'),
        ({"models": ["a", "c"]}, 'models: ["a", "b"] -> ["a", "c"]'),
        ({"models": None}, 'models: ["a", "b"] -> null'),
    ],
    ids=str,
)
def test_less_of_the_same_is_refused(tmp_path, less, told):
    plan = PLAN | {"models": ["a", "b"], "loads": 3}
    path = written(tmp_path / "run", row(1))
    store.write_json(path / "plan.json", plan)
    with pytest.raises(store.StoreError) as refused:
        opened(path, plan | less, resume=True)
    assert told in refused.value.message
    assert store.read(path).plan == plan


def served(url, own=False):
    return PLAN | {"endpoint": {"url": url, "source": "said", "own": own}}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (served("http://127.0.0.1:1/v1", own=True), served("http://127.0.0.1:2/catalogs/local/v1", own=True), True),
        (served("http://127.0.0.1:1/v1"), served("http://localhost:1/catalogs/local/v1/"), True),
        (served("http://127.0.0.1:1/v1"), served("http://127.0.0.1:2/v1"), False),
        (served("http://127.0.0.1:1/a/v1"), served("http://127.0.0.1:1/b/v1"), False),
        (served("http://127.0.0.1:1/v1", own=True), served("http://127.0.0.1:1/v1"), False),
    ],
)
def test_one_run_is_of_one_server(tmp_path, one, other, same):
    opened(tmp_path / "run", one).close()
    if same:
        opened(tmp_path / "run", other, resume=True).close()
        return
    with pytest.raises(store.StoreError, match="endpoint: "):
        opened(tmp_path / "run", other, resume=True)


def test_real_settings_are_the_same_after_a_round_trip(tmp_path):
    """Tuples become lists on disk: that is no difference."""
    asked = config.settings(environ={}, models="a,b").to_dict()
    opened(tmp_path / "run", asked).close()
    opened(tmp_path / "run", asked, resume=True).close()


@pytest.mark.parametrize(("own", "refused"), [(True, True), (False, False)])
def test_a_run_is_of_one_version_of_the_runtime(tmp_path, own, refused):
    """Of the kit's own service: what somebody else's server runs on is not known."""
    plan = PLAN | {"endpoint": {"url": "http://127.0.0.1:1", "own": own}}
    opened(tmp_path / "run", plan | {"versions": {"foundry-local-sdk": "2.2.1"}}).close()
    opened(tmp_path / "run", plan | {"versions": {}}, resume=True).close()  # nobody knows
    opened(tmp_path / "run", plan | {"versions": {"foundry-local-sdk": "2.2.1", "slmbench": "9"}}, resume=True).close()
    newer = plan | {"versions": {"foundry-local-sdk": "2.3.0"}}
    if refused:
        with pytest.raises(store.StoreError, match=r"foundry-local-sdk: 2\.2\.1 -> 2\.3\.0"):
            opened(tmp_path / "run", newer, resume=True)
    else:
        opened(tmp_path / "run", newer, resume=True).close()
