"""Set slmbench up in this folder, then make its report or run its tests; only the standard library is used.

A Python that is too old must still be able to read this file and say so: keep it to the syntax of Python 2.7 (no
f-strings, no annotations, ASCII only). What a fitting Python does next is in lib/venv_setup.py.
"""
# ruff: noqa: UP010, UP032, PTH100, PTH118, PTH120, RUF005

from __future__ import print_function

import os
import signal
import subprocess
import sys
import sysconfig

USAGE = """usage: python3 bootstrap.py COMMAND [ARGS...]      (Windows: py bootstrap.py COMMAND [ARGS...])

  report [ARGS]  run the session once on this machine and write its report; ARGS go to `slmbench session`
  test [ARGS]    run the tests; ARGS go to pytest
  bench [PART]   measure how exact the kit is, beside other clients; writes tests/bench/README.md
  setup          only set up, which the others do first (a second when nothing changed)

Everything is installed into .venv beside this file. Commands run in this file's folder, so paths are relative to it.
Exit codes: the command's own; 1 the set-up failed; 2 wrong usage or an unfit Python or machine; 130 interrupted."""
COMMANDS = {"report": ["-m", "slmbench.cli", "session"], "test": ["-m", "pytest"], "setup": None}
COMMANDS["bench"] = [os.path.join("tests", "bench", "run.py")]
# PyYAML has no wheel for Python 3.11 on Windows for ARM.
OLDEST, NEWEST = (3, 12) if sysconfig.get_platform() == "win-arm64" else (3, 11), (3, 14)
PATIENCE_S = 10  # after Ctrl-C, until the command is told once more
HERE = os.path.dirname(os.path.abspath(__file__))


def answer(command):
    """What a command prints, or None where it can't be started or fails."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError:
        return None
    output = process.communicate()[0]
    return output.decode("utf-8", "replace").strip() if process.returncode == 0 else None


def fitting_python():
    """The command of a Python on this machine that fits, or None. Asked, as a name on PATH may be an empty shim."""
    for minor in (13, 12, 14, 11):
        command = ["py", "-3.{}".format(minor)] if os.name == "nt" else ["python3.{}".format(minor)]
        if (3, minor) >= OLDEST and answer(command + ["-c", "import sys; print(sys.version_info[1])"]) == str(minor):
            return " ".join(command)
    return None


def wrong_version(version):
    """What to do where this Python's version does not fit, as a text; None where it does."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    found = "This is Python {}.{} ({}); slmbench needs ".format(version[0], version[1], sys.executable)
    cure = "Install Python 3.13 (https://www.python.org/downloads), then start this with it."
    fit = fitting_python()
    if fit:
        cure = "Run: " + " ".join([fit] + ['"{}"'.format(a) if " " in a else a for a in sys.argv])
    return found + "{}.{} to {}.{}.\n  -> ".format(*(OLDEST + NEWEST)) + cure


def hand_over(command, env):
    """Run a command in this folder to its end, also after Ctrl-C, which it got as well; returns its exit code."""
    child = subprocess.Popen(command, cwd=HERE, env=env)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    interrupted, patience = False, None
    while True:
        try:
            code = child.wait(patience)
        except KeyboardInterrupt:
            interrupted, patience = True, PATIENCE_S
        except subprocess.TimeoutExpired:  # so the signal came to this process alone
            child.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
            patience = None
        else:
            return 130 if interrupted else code if code >= 0 else 128 - code


def main(args):
    wrong = wrong_version(sys.version_info)
    if wrong:
        sys.stderr.write(wrong + "\n")
        return 2
    if not args or args[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if args else 2
    if args[0] not in COMMANDS or (args[0] == "setup" and args[1:]):
        sys.stderr.write("`{}` is not a command.\n  -> Run: python3 bootstrap.py --help\n".format(" ".join(args)))
        return 2
    sys.path.insert(0, os.path.join(HERE, "lib"))
    import venv_setup

    try:
        python = venv_setup.set_up(HERE, tests=args[0] in ("test", "bench"))
    except venv_setup.Stop as stop:
        sys.stderr.write("{}\n".format(stop))
        return stop.code
    run = COMMANDS[args[0]]
    return hand_over([str(python)] + run + args[1:], venv_setup.child_env(python)) if run else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
