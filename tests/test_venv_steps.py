"""The parts of the set-up: the machine and its disk, one step and its failures, pip and its progress."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("venv_setup", ROOT / "lib" / "venv_setup.py")
venv_setup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(venv_setup)
RUN, OWN = venv_setup.RUN, venv_setup.OWN


FITTING = [("linux-x86_64", "2.28"), ("linux-aarch64", "2.39"), ("darwin-arm64", "14.5"), ("win-amd64", "10.0.22631")]


@pytest.mark.parametrize(("build", "version"), FITTING)
def test_machines_that_fit(build, version):
    venv_setup.check_machine(build, version)


@pytest.mark.parametrize(
    ("build", "version", "kind", "said"),
    [
        ("darwin-x86_64", "15.1", {}, "no build for darwin-x86_64 (Intel Macs included)"),
        ("darwin-arm64", "13.6", {}, "needs macOS 14 or newer; here is 13.6"),
        ("linux-x86_64", "", {}, "needs glibc 2.28 or newer; here is another C library (musl?)"),
        ("linux-aarch64", "2.31", {}, "needs glibc 2.34 or newer; here is 2.31"),
        ("linux-armv7l", "2.36", {}, "no build for linux-armv7l"),
        ("win32", "10.0", {"wide": False}, "32-bit build"),
        ("win-amd64", "10.0", {"plain": False}, "plain CPython"),
        ("win-amd64", "6.3.9600", {}, "needs Windows 10 or newer"),
        ("mingw_x86_64", "10.0", {}, "no build for mingw_x86_64"),
    ],
)
def test_machines_that_do_not(build, version, kind, said):
    with pytest.raises(venv_setup.Stop) as stop:
        venv_setup.check_machine(build, version, **kind)
    assert said in str(stop.value)
    assert stop.value.code == 2


def test_this_machine_is_described_in_those_terms():
    facts = venv_setup.this_machine()
    assert facts["build"] in venv_setup.FIT
    assert facts["plain"] is facts["wide"] is True
    venv_setup.check_machine(**facts)


def test_too_little_space_is_told_with_numbers(tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=500 * 10**6)
    monkeypatch.setattr(venv_setup.shutil, "disk_usage", lambda _: free)
    monkeypatch.setattr(venv_setup.tempfile, "gettempdir", lambda: str(tmp_path))
    venv_setup.check_space(tmp_path, [OWN])
    with pytest.raises(venv_setup.Stop, match=r"500 MB are free at .*; the set-up needs \d{3,4} MB"):
        venv_setup.check_space(tmp_path, [RUN, OWN])


def test_children_see_the_venv_and_nothing_that_leads_past_it(monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    env = venv_setup.child_env(Path("kit/.venv/bin/python"))
    assert "elsewhere" not in env.values()
    assert (env["PIP_USER"], env["PYTHONUTF8"], env["PIP_INDEX_URL"]) == ("0", "1", "http://127.0.0.1:9/simple")
    assert env["PATH"].split(os.pathsep)[0] == str(Path("kit/.venv/bin"))


@pytest.fixture
def venv(tmp_path):
    venv = venv_setup.Venv(tmp_path)
    venv.root.mkdir()
    (venv.here / OWN).write_text("", encoding="utf-8")
    return venv


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("ERROR: [Errno 28] No space left on device", "The disk is full."),
        ("NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused", "be reached"),
        ("[Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found", "be reached"),
        ("ERROR: No matching distribution found for onnxruntime==1", "no build for this machine"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the file that the lock names"),
        ("SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "no certificate trusted here"),
        ("HINT: This error might have occurred since ... Windows Long Path support", "over 260 characters"),
        ("[WinError 32] The process cannot access the file", "could not be replaced"),
        ("something new", "A step of the set-up failed."),
    ],
)
def test_a_failed_step_is_one_sentence_and_the_log(venv, output, said):
    with (venv.root / "lock").open("w") as lock, pytest.raises(venv_setup.Stop) as stop:
        venv.step([sys.executable, "-c", f"print({output!r}); raise SystemExit(1)"], lock.fileno())
    assert said in str(stop.value).splitlines()[0]
    assert str(stop.value).endswith(f"The log: {venv.log}")
    assert (stop.value.code, stop.value.touched) == (1, False)
    assert output in venv.log.read_text(encoding="utf-8")


def test_a_step_judges_its_own_output_only(venv):
    with (venv.root / "lock").open("w") as lock:
        venv.step([sys.executable, "-c", "print('Installing collected packages: a')"], lock.fileno())
        with pytest.raises(venv_setup.Stop) as stop:
            venv.step([sys.executable, "-c", "raise SystemExit(3)"], lock.fileno())
    assert stop.value.touched is False


def test_progress_counts_fetched_then_installed(venv, capsys):
    watch = venv.progress("a==1 \\\n    --hash=sha256:0\nb==1\nc==1 ; sys_platform == 'other'\n")
    output = "Ignoring c: markers don't match\nCollecting a==1\n"
    watch(output)
    watch(output)
    watch(output + "Collecting b==1\n")
    packages = venv.root / ("Lib" if os.name == "nt" else "lib/python3.12") / "site-packages"
    (packages / "b-1.dist-info").mkdir(parents=True)
    watch(output + "Collecting b==1\nInstalling collected packages: b, a\n")
    said = [line.split("] ")[1].split() for line in capsys.readouterr().out.splitlines()]
    assert [" ".join(words) for words in said] == [
        "1 of 2 packages fetched",
        "2 of 2 packages fetched",
        "1 of 2 packages installed",
    ]


def test_pip_comes_first_and_all_is_checked_against_hashes(venv, monkeypatch):
    shutil.copy(ROOT / RUN, venv.here / RUN)
    steps = []
    monkeypatch.setattr(venv_setup.Venv, "step", lambda _, command, *__: steps.append([str(word) for word in command]))
    venv.install(RUN, ["base", "-m", "pip", "--python", "venv"], lock=0)
    venv.install(OWN, ["base"], lock=0)
    venv.compile(lock=0)
    pip, all_, own, compiled = steps
    assert pip[:5] == ["base", "-m", "pip", "--python", "venv"]
    assert all({"--require-hashes", "--no-deps", "--only-binary"} <= set(step) for step in (pip, all_))
    assert "--resume-retries" in all_
    assert "--resume-retries" not in pip
    assert own[-3:] == ["--no-build-isolation", "--editable", "."]
    assert all("--no-compile" in step for step in (pip, all_, own))
    assert "compileall" in compiled[2] and compiled[-1] == "lib/slmbench"
    lock = Path(pip[-1]).read_text(encoding="utf-8")
    assert lock.startswith("pip==")
    assert (lock.count("=="), lock.count("--hash=sha256:")) == (1, 2)


def test_without_ensurepip_the_base_pythons_pip_is_used(venv, monkeypatch):
    steps = []
    monkeypatch.setattr(venv_setup, "works", lambda *command: "ensurepip" not in command[-1])
    monkeypatch.setattr(venv_setup.Venv, "step", lambda _, command, __: steps.append(command))
    (venv.root / "rest").mkdir()
    venv.lock.touch()
    pip = venv.make(lock=0)
    assert "--without-pip" in steps[0]
    assert pip[1:4] == ["-m", "pip", "--python"]
    assert [p.name for p in venv.root.iterdir()] == [venv.lock.name]


def test_without_ensurepip_and_pip_the_package_is_named(venv, monkeypatch):
    monkeypatch.setattr(venv_setup, "works", lambda *_: False)
    with pytest.raises(venv_setup.Stop, match=rf"sudo apt install python3\.{sys.version_info[1]}-venv") as stop:
        venv.make(lock=0)
    assert stop.value.code == 2
