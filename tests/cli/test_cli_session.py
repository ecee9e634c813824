"""`slmbench session`: where it will not write, it says so before the preparation."""

import pytest

from slmbench.cli import session as verb


@pytest.fixture
def prepared(monkeypatch):
    """Notes each preparation that was begun, and ends it."""
    begun = []

    def begin(*_, **__):
        begun.append("connect")
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "connect", begin)
    return begun


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("run/rows.jsonl", "run is not empty"),
        ("run.ipynb", "run.ipynb is there already"),
        ("run-acceleration/plan.json", "run-acceleration is not empty"),
        ("run", "run is a file"),
    ],
)
def test_a_taken_place_is_refused_before_the_preparation(slmbench, tmp_path, prepared, there, said):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine", encoding="utf-8")
    ended = slmbench("session", "--out", tmp_path / "run")
    assert (ended.code, prepared) == (2, [])
    assert said in ended.err and "name another folder" in ended.err
    assert (tmp_path / there).read_text(encoding="utf-8") == "mine"


def test_a_place_that_cannot_be_made_is_refused_before_the_preparation(slmbench, tmp_path, prepared):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    ended = slmbench("session", "--out", tmp_path / "file" / "run")
    assert (ended.code, prepared) == (2, [])
    assert "--out: " in ended.err and "can't be written" in ended.err


def test_a_free_place_is_left_as_it_was_until_the_notebook_runs(slmbench, tmp_path, prepared):
    ended = slmbench("session", "--out", tmp_path / "new" / "run")
    assert (ended.code, prepared) == (130, ["connect"])
    assert list(tmp_path.iterdir()) == []
