"""How a script ends: its exit code, one sentence for an error, and no traceback for Ctrl-C."""

import signal
import sys

import pytest

from slmbench.cli import script
from slmbench.errors import NothingMeasured, UsageError


@pytest.fixture(autouse=True)
def sigterm_as_before():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def ended(main, capsys):
    with pytest.raises(SystemExit) as end:
        script.run_script(main)
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_the_code_is_what_main_returns(returned, code, capsys):
    assert ended(lambda: returned, capsys) == (code, "", "")


def test_an_error_is_a_sentence_with_its_own_code(capsys):
    assert ended(raising(UsageError("--rounds: 0 was found", "raise it")), capsys) == (
        *(2, "", "--rounds: 0 was found\n  -> raise it\n"),
    )
    assert ended(raising(NothingMeasured("a: \x1b[2Jboo")), capsys) == (1, "", "a: �[2Jboo\n")


def test_ctrl_c_is_no_traceback(capsys):
    code, out, err = ended(raising(KeyboardInterrupt()), capsys)
    assert (code, out) == (130, "")
    assert err.split() == "Stopped. What was measured is kept in the run folder.".split()  # noqa: SIM905


def test_sigterm_ends_in_order(capsys):
    cleaned = []

    def main():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)

    assert ended(main, capsys)[0] == 143
    assert cleaned == [True]


def test_a_fault_of_the_script_itself_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        script.run_script(lambda: 1 // 0)


def test_text_of_strangers_goes_to_standard_error_without_control_characters(capsys):
    script.aloud("red \x1b[31m\x9b2J\nnext नेपाली")
    assert capsys.readouterr() == ("", "red �[31m�2J\nnext नेपाली\n")


def test_text_in_any_script_can_be_printed(tmp_path):
    import subprocess

    code = "from slmbench.cli.script import run_script; run_script(lambda: print('नेपाली'))"
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env={"PYTHONIOENCODING": "cp1252", "PATH": "", "SYSTEMROOT": ""},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.decode("utf-8").strip() == "नेपाली"
