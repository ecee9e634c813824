"""What bootstrap.py says to an unfit Python, and how it runs a command."""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)


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
