"""Where data is found: in a clone, in a wheel, and by a run's name."""

from pathlib import Path

from slmbench import paths

ROOT = Path(__file__).parents[1]


def test_in_a_clone_data_is_at_its_top():
    assert paths.data_file("prompts.json").samefile(ROOT / "data" / "prompts.json")


def test_in_a_wheel_data_is_beside_the_package(tmp_path, monkeypatch):
    (tmp_path / "slmbench" / "data" / "example_run").mkdir(parents=True)
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "slmbench" / "paths.py"))
    assert paths.run_folder("example") == tmp_path / "slmbench" / "data" / "example_run"


def test_the_boards_notebook_is_in_both(tmp_path, monkeypatch):
    assert paths.notebook("session03_live_board.ipynb").samefile(ROOT / "notebooks" / "session03_live_board.ipynb")
    (tmp_path / "slmbench" / "notebooks").mkdir(parents=True)
    (tmp_path / "slmbench" / "notebooks" / "one.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "slmbench" / "paths.py"))
    assert paths.notebook("one.ipynb") == tmp_path / "slmbench" / "notebooks" / "one.ipynb"


def test_a_run_is_the_example_or_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert paths.run_folder("example").samefile(ROOT / "data" / "example_run")
    assert paths.run_folder("runs/mine") == Path("runs", "mine")
    assert paths.run_folder(Path("example2")) == Path("example2")
    assert paths.run_folder("~/mine") == tmp_path / "mine"
