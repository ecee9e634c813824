"""What the set-up installs is what the locks name: hashes, wheels only, nothing fetched to build slmbench itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from locks import ROOT, pins, pins_in

spec = importlib.util.spec_from_file_location("venv_setup", ROOT / "lib" / "venv_setup.py")
venv_setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(venv_setup)
RUN, OWN, TEST = venv_setup.RUN, venv_setup.OWN, venv_setup.TEST
TOLD = "import json, pathlib, sys; pathlib.Path('told.json').write_text(json.dumps(sys.argv[1:]))"


@pytest.fixture
def venv(tmp_path):
    """A clone with an empty .venv, and no pip in it."""
    made = venv_setup.Venv(tmp_path / "clone")
    made.here.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made.root], check=True)
    return made


def install(venv: object, part: str) -> None:
    with (venv.root / "lock").open("w") as lock:
        venv.install(part, [sys.executable, "-m", "pip", "--python", venv.python], lock.fileno())


def packages(venv: object) -> set[str]:
    return {p.name for p in venv.root.rglob("*.dist-info")}


@pytest.mark.parametrize("part", [RUN, TEST])
def test_every_package_is_checked_and_none_is_built(venv, monkeypatch, part):
    (venv.here / part).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / part, venv.here / part)
    steps = []
    monkeypatch.setattr(venv_setup.Venv, "step", lambda _, command, *__: steps.append([str(word) for word in command]))
    install(venv, part)
    for step in steps:
        assert {"install", "--no-deps", "--require-hashes"} <= set(step)
        assert step[step.index("--only-binary") + 1] == ":all:"
    named = [Path(step[step.index("--requirement") + 1]) for step in steps]
    assert {path.name for path in named} == ({"pip.lock", RUN} if part == RUN else {Path(TEST).name})
    if part == RUN:
        (pip,) = pins_in(named[0].read_text(encoding="utf-8"))
        assert pip in pins(RUN)
        assert pip.hashes


def test_a_file_of_another_hash_is_refused_and_nothing_installed(venv, wheels):
    wheels("pip", files={"pip/__main__.py": TOLD})
    (venv.here / RUN).write_text(f"pip==1.0 \\\n    --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with pytest.raises(venv_setup.Stop, match="A download is not the file that the lock names"):
        install(venv, RUN)
    assert packages(venv) == set()


def test_the_file_of_the_lock_is_installed(venv, wheels):
    digest = hashlib.sha256(wheels("pip", files={"pip/__main__.py": TOLD}).read_bytes()).hexdigest()
    (venv.here / RUN).write_text(f"pip==1.0 \\\n    --hash=sha256:{digest}\n", encoding="utf-8")
    install(venv, RUN)
    assert packages(venv) == {"pip-1.0.dist-info"}
    told = json.loads((venv.here / "told.json").read_text(encoding="utf-8"))  # what the new pip was asked to do
    assert told[:4] == ["install", "--no-input", "--no-deps", "--no-compile"]
    assert told[4:7] == ["--require-hashes", "--only-binary", ":all:"]


def test_a_line_without_a_hash_is_refused(venv, wheels):
    wheels("pip")
    (venv.here / RUN).write_text("pip==1.0 \n", encoding="utf-8")
    with pytest.raises(venv_setup.Stop):
        install(venv, RUN)
    assert "Hashes are required" in venv.log.read_text(encoding="utf-8")
    assert packages(venv) == set()


@pytest.mark.usefixtures("wheels")
@pytest.mark.parametrize("isolated", [False, True], ids=["as the set-up does it", "with isolation"])
def test_building_slmbench_fetches_nothing(venv, monkeypatch, isolated):
    """With a build isolated from .venv, it would: that fails here, where there is nothing to fetch."""
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, venv.here / name)
    shutil.copytree(ROOT / "lib", venv.here / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", venv.here / "data")
    shutil.copytree(ROOT / "notebooks", venv.here / "notebooks")
    steps = []
    monkeypatch.setattr(venv_setup.Venv, "step", lambda _, command, *__: steps.append([str(word) for word in command]))
    venv.install(OWN, [sys.executable, "-m", "pip"], 0)
    (command,) = steps
    command = [word for word in command if not isolated or word != "--no-build-isolation"]
    # looked at and built as far as its metadata, not installed: this Python's own slmbench stays
    done = subprocess.run([*command, "--dry-run"], cwd=venv.here, capture_output=True, text=True, check=False)
    assert ("Would install slmbench" in done.stdout, done.returncode) == (not isolated, int(isolated)), done.stderr
    assert ("hatchling" in done.stderr) == isolated


def test_what_builds_slmbench_is_locked():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    assert build["build-backend"].split(".")[0] in {pin.name for pin in pins(RUN)}
    assert all(pin.hashes for pin in pins())
