"""The set-up: what it says to an unfit Python or machine, and what a second run finds after any first one."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap = load("bootstrap.py")
venv_setup = load("lib/venv_setup.py")
RUN, OWN, TEST = venv_setup.RUN, venv_setup.OWN, venv_setup.TEST


# --- a Python that does not fit ---------------------------------------------------------------------------------------


def test_python_2_can_read_bootstrap():
    source = (ROOT / "bootstrap.py").read_text(encoding="utf-8")
    assert source.isascii()
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.AsyncFunctionDef, ast.Match)
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, newer), ast.dump(node)
        if isinstance(node, ast.arguments):
            assert not node.kwonlyargs + node.posonlyargs
            assert not [a for a in node.args if a.annotation]
        assert not getattr(node, "returns", None)
        if isinstance(node, ast.Raise):
            assert node.cause is None
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            assert not [e for e in node.elts if isinstance(e, ast.Starred)]
        if isinstance(node, ast.Call) and any(isinstance(a, ast.Starred) for a in node.args):
            assert not ast.get_source_segment(source, node).rstrip(")\n ").endswith(","), "a comma after *args"


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13), (3, 15, 0)])
def test_an_unfit_version_is_told_with_the_command_that_fits(version, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.sys, "version_info", version)
    monkeypatch.setattr(bootstrap.sys, "argv", ["my kit/bootstrap.py", "report", "--rounds", "1"])
    monkeypatch.setattr(bootstrap, "fitting_python", lambda: "python3.12")
    assert bootstrap.main(["report", "--rounds", "1"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"This is Python {version[0]}.{version[1]} ({sys.executable}); slmbench needs 3.11 to 3.14."
    assert said[1:] == ['  -> Run: python3.12 "my kit/bootstrap.py" report --rounds 1']


def test_without_a_fitting_python_the_cure_is_to_install_one(monkeypatch):
    monkeypatch.setattr(bootstrap, "fitting_python", lambda: None)
    assert "Install Python 3.13" in bootstrap.wrong_version((3, 9))


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_fitting_versions(minor):
    assert bootstrap.wrong_version((3, minor, 0)) is None


def test_a_name_on_path_that_is_an_empty_shim_is_not_offered(monkeypatch):
    answers = {"3.13": None, "3.12": "11", "3.14": "14", "3.11": "11"}
    monkeypatch.setattr(bootstrap, "answer", lambda command: answers[command[1 if os.name == "nt" else 0][-4:]])
    assert bootstrap.fitting_python().endswith("3.14")


def test_answer_of_a_command_that_is_missing_or_fails():
    assert bootstrap.answer([sys.executable, "-c", "print(' 7 ')"]) == "7"
    assert bootstrap.answer([sys.executable, "-c", "raise SystemExit(1)"]) is None
    assert bootstrap.answer(["no-such-command-here"]) is None


# --- usage and hand-over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code"), [([], 2), (["--help"], 0), (["-h"], 0), (["rapport"], 2), (["setup", "--x"], 2)]
)
def test_usage(args, code, capsys):
    assert bootstrap.main(args) == code
    out, err = capsys.readouterr()
    shown = out if not args or args[0].startswith("-") else err
    assert "bootstrap.py" in shown
    assert "Traceback" not in out + err


@pytest.mark.parametrize("code", [0, 1, 2, 5])
def test_the_commands_exit_code_is_passed_on(code):
    assert bootstrap.hand_over([sys.executable, "-c", f"raise SystemExit({code})"], dict(os.environ)) == code


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_lets_the_command_clean_up_and_gives_130(whole_group):
    child = "import time\ntry:\n print('up', flush=True)\n time.sleep(50)\nfinally:\n print('cleaned up', flush=True)"
    driver = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bootstrap, os\n"
        f"bootstrap.PATIENCE_S = {10 if whole_group else 0.1}\n"
        f"sys.exit(bootstrap.hand_over([sys.executable, '-c', {child!r}], dict(os.environ)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", driver], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout.readline() == b"up\n"
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (out, process.returncode) == (b"cleaned up\n", 130)
    assert b"bootstrap.py" not in err  # the traceback is the child's own


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_a_command_that_was_killed_gives_128_and_the_signal():
    code = bootstrap.hand_over([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], dict(os.environ))
    assert code == 128 + 9


# --- a machine that does not fit --------------------------------------------------------------------------------------

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


# --- what is done, and done again -------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    for part in (RUN, OWN, TEST):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).write_text(f"{part}\n", encoding="utf-8")
    return folder


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
    monkeypatch.setattr(venv_setup, "works", lambda *_: True)
    monkeypatch.setattr(venv_setup, "check_space", lambda *_: None)
    return done


def again(clone, done, tests=False):
    done.clear()
    venv_setup.set_up(str(clone), tests=tests)
    return list(done)


def test_a_second_set_up_does_nothing(clone, done):
    assert again(clone, done) == ["make", RUN, OWN]
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


# --- the steps --------------------------------------------------------------------------------------------------------


@pytest.fixture
def venv(clone):
    venv = venv_setup.Venv(clone)
    venv.root.mkdir()
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
    pip, all_, own = steps
    assert pip[:5] == ["base", "-m", "pip", "--python", "venv"]
    assert all({"--require-hashes", "--no-deps", "--only-binary"} <= set(step) for step in (pip, all_))
    assert "--resume-retries" in all_
    assert "--resume-retries" not in pip
    assert own[-3:] == ["--no-build-isolation", "--editable", "."]
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
