"""Which folders the board is told to show: run folders, those that are to come, and nothing else."""

import pytest

from slmbench import board, paths
from slmbench.errors import KitError, UsageError


@pytest.fixture
def said():
    return []


@pytest.fixture
def find(said):
    return lambda *given: board.run_folders(given, said.append)


def test_a_run_folder_and_those_that_ship(find, said, tmp_path, monkeypatch):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "plan.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    shipped = [paths.data_file("example_run").absolute(), paths.data_file("quality_run").absolute()]
    assert find("runs/a", "example", "quality", "runs/a", str(tmp_path / "runs" / "a")) == [
        tmp_path / "runs" / "a",
        *shipped,
    ]
    assert said == []
    assert find() == []


def test_one_that_is_to_come_is_waited_for(find, said, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find("later", "empty") == [tmp_path / "later", tmp_path / "empty"]
    later = f"Waiting for {tmp_path / 'later'}: the board shows it as soon as a run, or a room, has begun there."
    assert said == [later, later.replace("later", "empty")]


def test_three_are_shown_side_by_side_and_no_more(find, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(find("a", "b", "c", "a", "./b")) == 3
    with pytest.raises(UsageError, match="RUN: 4 folders were found, at most 3 were expected"):
        find("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no/where", r"RUN: .*/no/where was found, .* to wait for: but there is no folder .*/no to wait in"),
        ("file", "RUN: the file .*/file was found, a run folder was expected"),
        ("file/below", "there is no folder .*/file to wait in"),
        ("other", "other is no run folder: it has no plan.json"),
        ("a\0b", r"RUN \(argument\): .*was found"),
        ("a\udcffb", r"RUN \(argument\): .*was found"),
        ("x" * 5000, r"RUN \(argument\): .*File name too long"),
        (" ", r"RUN \(argument\): .*the path of a folder was expected"),
    ],
)
def test_what_is_none_is_refused(find, tmp_path, monkeypatch, name, says):
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KitError, match=says) as refused:
        find("example", name)
    assert refused.value.exit_code == 2 and refused.value.cure
    assert isinstance(refused.value, UsageError) or name == "other"


def test_a_room_is_shown_alone_and_one_that_has_records_only_is_waited_for(find, said, tmp_path, monkeypatch):
    for name in ("monday/stations/lap01", "early/stations/lap01"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "monday" / "room.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert find("monday") == [tmp_path / "monday"] and said == []
    assert find("early") == [tmp_path / "early"] and len(said) == 1
    with pytest.raises(UsageError, match=r"RUN: .*monday is a room, and 2 folders were found") as refused:
        find("example", "monday")
    assert refused.value.cure == "a room is shown alone"
