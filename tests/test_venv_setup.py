"""What a set-up does after any first one: nothing, only what is missing, or all anew."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("venv_setup", ROOT / "lib" / "venv_setup.py")
venv_setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(venv_setup)
RUN, OWN, TEST = venv_setup.RUN, venv_setup.OWN, venv_setup.TEST


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    for part in (RUN, OWN, TEST):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).write_text(f"{part}\n", encoding="utf-8")
    return folder


COMPILE = "compile"


@pytest.fixture
def done(monkeypatch):
    """The list of what set-ups do; `done.fail[part]` is raised where that part would be installed."""

    class Done(list):
        fail: dict[str, BaseException]

    done = Done()
    done.fail = {}

    def make(venv, _):
        (venv.root / "half.txt").write_text("made", encoding="utf-8")
        done.append("make")
        return []

    def install(_, part, *__):
        done.append(part)
        if part in done.fail:
            raise done.fail.pop(part)

    monkeypatch.setattr(venv_setup.Venv, "make", make)
    monkeypatch.setattr(venv_setup.Venv, "install", install)
    monkeypatch.setattr(venv_setup.Venv, "compile", lambda *_: done.append(COMPILE))
    monkeypatch.setattr(venv_setup, "works", lambda *_: True)
    monkeypatch.setattr(venv_setup, "check_space", lambda *_: None)
    return done


def again(clone, done, tests=False):
    done.clear()
    venv_setup.set_up(str(clone), tests=tests)
    return [step for step in done if step != COMPILE]


def test_a_second_set_up_does_nothing(clone, done):
    assert again(clone, done) == ["make", RUN, OWN]
    assert done[3:] == [COMPILE]  # once, after all of them
    assert again(clone, done) == []


def test_tests_are_added_to_what_is_there(clone, done):
    again(clone, done)
    assert again(clone, done, tests=True) == [TEST]
    assert again(clone, done) == again(clone, done, tests=True) == []


def test_a_changed_lock_is_installed_into_the_same_venv(clone, done):
    again(clone, done, tests=True)
    (clone / RUN).write_text("changed\n", encoding="utf-8")
    assert again(clone, done) == [RUN, OWN]
    assert again(clone, done, tests=True) == [TEST]


def test_a_changed_project_is_installed_alone(clone, done):
    again(clone, done)
    (clone / OWN).write_text("changed\n", encoding="utf-8")
    assert again(clone, done) == [OWN]


def test_a_moved_venv_is_made_again(clone, done):
    again(clone, done)
    assert again(clone.rename(clone.with_name("moved")), done) == ["make", RUN, OWN]


@pytest.mark.parametrize(
    "change",
    [(venv_setup, "works", lambda *_: False), (venv_setup.sysconfig, "get_platform", lambda: "other")],
    ids=["gone", "another"],
)
def test_a_venv_whose_python_is_gone_or_another_is_made_again(clone, done, monkeypatch, change):
    again(clone, done)
    monkeypatch.setattr(*change)
    monkeypatch.setattr(venv_setup, "check_machine", lambda **_: None)
    assert again(clone, done) == ["make", RUN, OWN]


@pytest.mark.parametrize("part", [RUN, OWN])
def test_a_set_up_that_was_killed_is_done_anew(clone, done, part):
    done.fail[part] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        venv_setup.set_up(str(clone))
    assert again(clone, done) == ["make", RUN, OWN]
    assert again(clone, done) == []


def test_a_failure_before_anything_changed_keeps_what_worked(clone, done):
    again(clone, done)
    done.fail[TEST] = venv_setup.Stop("The package index could not be reached.", "Check the network.")
    with pytest.raises(venv_setup.Stop, match="could not be reached"):
        venv_setup.set_up(str(clone), tests=True)
    assert again(clone, done) == []
    assert again(clone, done, tests=True) == [TEST]


def test_a_failure_while_packages_change_leads_to_a_new_venv(clone, done):
    again(clone, done)
    done.fail[TEST] = venv_setup.Stop("The disk is full.", "Free some space.", touched=True)
    with pytest.raises(venv_setup.Stop):
        venv_setup.set_up(str(clone), tests=True)
    assert again(clone, done) == ["make", RUN, OWN]


def test_a_venv_made_by_something_else_is_left_alone(clone, done):
    (clone / ".venv").mkdir()
    (clone / ".venv" / "pyvenv.cfg").write_text("mine", encoding="utf-8")
    with pytest.raises(venv_setup.Stop, match="was made by something else"):
        venv_setup.set_up(str(clone))
    assert [p.name for p in (clone / ".venv").iterdir()] == ["pyvenv.cfg"]
    assert done == []


def test_a_folder_that_cannot_be_written_is_told(clone, done):
    (clone / ".venv").write_text("a file", encoding="utf-8")
    with pytest.raises(venv_setup.Stop, match=r"The set-up failed: .*\.venv.*\n  -> This folder must be writable"):
        venv_setup.set_up(str(clone))
    assert done == []


def test_a_second_set_up_waits_for_the_first(tmp_path, monkeypatch, capsys):
    first = contextlib.ExitStack()
    first.enter_context(venv_setup.one_at_a_time(tmp_path / "lock"))
    monkeypatch.setattr(venv_setup.time, "sleep", lambda _: first.close())
    with venv_setup.one_at_a_time(tmp_path / "lock"):
        assert capsys.readouterr().out.count("waiting for it") == 1
