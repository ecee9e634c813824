"""Set slmbench up in this folder, then make its report or run its tests; only the standard library is used.

A Python that is too old must still be able to read this file and say so: keep to syntax of Python 2.7 (no f-strings,
no annotations, ASCII only). What works at any moment is kept: `.venv/bootstrap.json` is written last, and a `.venv`
without it is made again.
"""

from __future__ import print_function

import contextlib
import errno
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time

USAGE = """usage: python3 bootstrap.py COMMAND [ARGS...]      (Windows: py bootstrap.py COMMAND [ARGS...])

  report [ARGS]  run the session once on this machine and write its report; ARGS go to `slmbench session`
  test [ARGS]    run the tests; ARGS go to pytest
  setup          only set up, which the other two do first (seconds when nothing changed)

Everything is installed into .venv beside this file. Commands run in this file's folder, so paths are relative to it.
Exit codes: the command's own; 1 the set-up failed, 2 wrong usage or an unfit Python or machine, 130 interrupted."""

OLDEST, NEWEST = (3, 11), (3, 14)
HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
STAMP, LOG, LOCK = (os.path.join(VENV, "bootstrap." + end) for end in ("json", "log", "lock"))
RUN_LOCK, TEST_LOCK, PACKAGE = "requirements.lock", "tests/requirements.lock", "pyproject.toml"
# Measured on Linux x64 with Python 3.11, in MB: the folder .venv, and what is downloaded (kept twice for a while: in
# the temporary folder and in pip's cache).
DISK_MB = {RUN_LOCK: (880, 200), TEST_LOCK: (240, 90), PACKAGE: (1, 1)}
FAILURES = (  # what pip's output holds, what that means, what helps; the first that fits is told
    (r"No space left|Errno 28|not enough space", "The disk is full.", "Free some space (or set TMPDIR), then run again."),
    (r"Long Path", "Windows refused a path of over 260 characters.", "Move this folder nearer to the drive's root."),
    (r"DO NOT MATCH THE HASHES", "A download is not the file that the lock names.", "A proxy or mirror changed it."),
    (r"CERTIFICATE_VERIFY|SSLError", "The package index has no certificate trusted here.", "Set PIP_CERT to the proxy's."),
    (
        r"ConnectionError|ConnectTimeout|ReadTimeout|new connection|name resolution|getaddrinfo|ProxyError"
        r"|IncompleteRead|connection broken|Connection refused|Connection reset|timed out|HTTP error 5",
        "The package index could not be reached.",
        "Check the network (proxy: set HTTPS_PROXY; mirror: set PIP_INDEX_URL), then run again; it goes on from there.",
    ),
    (r"No matching distribution", "A package has no build for this machine and Python.", "Try Python 3.12 or 3.13."),
    (r"Permission denied|WinError (5|32)\b", "A file in .venv could not be replaced.", "Stop what runs from it."),
)
started = time.time()


class Stop(Exception):
    """The end of the run: a sentence on what is wrong, what helps, and the exit code."""

    def __init__(self, message, cure="", code=1):
        Exception.__init__(self, message + ("\n  -> " + cure if cure else ""))
        self.code = code


def say(text):
    print("[{:6.1f} s] {}".format(time.time() - started, text))
    sys.stdout.flush()


def answers(command):
    """What a command prints, or None where it can't be started or fails."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_env())
    except OSError:
        return None
    output = process.communicate()[0]
    return output.decode("utf-8", "replace").strip() if process.returncode == 0 else None


def fitting_python():
    """The command of a Python on this machine that fits, or None. Asked, as a name on PATH may be an empty shim."""
    for minor in (13, 12, 14, 11):
        command = ["py", "-3.{}".format(minor)] if os.name == "nt" else ["python3.{}".format(minor)]
        if answers(command + ["-c", "import sys; print(sys.version_info[1])"]) == str(minor):
            return " ".join(command)
    return None


def check_version(version, oldest=OLDEST, where="slmbench"):
    if not oldest <= tuple(version[:2]) <= NEWEST:
        found = "This is Python {}.{} ({})".format(version[0], version[1], sys.executable)
        span = "{}.{} to {}.{}".format(*(oldest + NEWEST))
        fit = fitting_python()
        cure = "Install Python 3.13 (https://www.python.org/downloads), then start this with it."
        if fit:
            cure = "Run: " + " ".join([fit] + [sys.argv[0] if sys.argv[0] else "bootstrap.py"] + sys.argv[1:])
        raise Stop("{}; {} needs Python {}.".format(found, where, span), cure, 2)


def why_unfit(system, machine, bits, build, libc, release):
    """Why the runtime's wheels can't be installed here, as a sentence; None where they can.

    system: sys.platform; machine: platform.machine(); build: sysconfig.get_platform(), "" or a kind of Python that is
    not plain CPython; libc: platform.libc_ver(); release: macOS version.
    """

    def number(version):
        return tuple(int(part) for part in re.findall(r"\d+", version)[:2])

    if bits != 64:
        return "This Python is a 32-bit build; a 64-bit one is needed."
    if not build or build.startswith("mingw"):
        return "This is not plain CPython (PyPy, free-threaded and MSYS2 builds have no wheels of the runtime)."
    if system == "darwin" and machine != "arm64":
        return "This Python is built for Intel Macs, and the runtime exists only for Apple silicon (arm64)."
    if system == "darwin" and release and number(release) < (14,):
        return "This is macOS {}; the runtime needs macOS 14 or newer.".format(release)
    if system.startswith("linux"):
        least = {"x86_64": "2.28", "aarch64": "2.34"}.get(machine)
        if least is None:
            return "The runtime exists for x86_64 and aarch64 on Linux, not for {}.".format(machine)
        if libc[0] != "glibc" or number(libc[1]) < number(least):
            found = " ".join(libc).strip() or "another C library (musl?)"
            return "The runtime needs glibc {} or newer on {}; here is {}.".format(least, machine, found)
    elif system != "darwin" and build not in ("win-amd64", "win-arm64"):
        return "The runtime exists for Windows, macOS and Linux, not for {} ({}).".format(system, build)
    return None


def check_machine():
    plain = platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    build = sysconfig.get_platform() if plain else ""
    bits = 64 if sys.maxsize > 2**32 else 32
    wrong = why_unfit(sys.platform, platform.machine(), bits, build, platform.libc_ver(), platform.mac_ver()[0])
    if wrong:
        raise Stop(wrong, "A machine that fits can serve the model: see FOUNDRY_LOCAL_ENDPOINT in the README.", 2)
    if build == "win-arm64":  # PyYAML has no wheel for 3.11 there
        check_version(sys.version_info, oldest=(3, 12), where="slmbench on Windows for ARM")


def check_space(parts):
    """Stop if a disk has less free than the parts need, before anything is written."""
    needs = {}
    for place, column in ((HERE, 0), (tempfile.gettempdir(), 1), (os.path.expanduser("~"), 1)):
        if os.path.exists(place):
            need, _ = needs.get(os.stat(place).st_dev, (0, place))
            needs[os.stat(place).st_dev] = (need + sum(DISK_MB[part][column] for part in parts), place)
    for need, place in needs.values():
        free = shutil.disk_usage(place).free // 10**6
        if free < need:
            raise Stop("{} MB are free at {}, and the set-up needs {} MB.".format(free, place, need), FAILURES[0][2])


def child_env():
    """The environment without what would lead a child to other packages than .venv's, or pip to another target."""
    drop = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT")
    env = {name: value for name, value in os.environ.items() if name not in drop}
    path = os.path.dirname(PYTHON) + os.pathsep + env.get("PATH", "")
    return dict(env, PATH=path, PYTHONUTF8="1", PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")


def wanted(tests):
    """What the stamp of a complete .venv says: where it is, for which Python, and the hash of all it was made from."""
    parts = [RUN_LOCK, PACKAGE] + ([TEST_LOCK] if tests else [])
    hashes = {}
    for part in parts:
        with open(os.path.join(HERE, part), "rb") as file:
            hashes[part] = hashlib.sha256(file.read()).hexdigest()
    return {"venv": VENV, "python": "{} {}".format(sys.version, platform.platform()), "parts": hashes}


def missing(want):
    """The parts still to be installed, in order; None if .venv is to be made anew."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            have = json.load(file)
    except (OSError, ValueError):
        return None
    if any(have.get(key) != want[key] for key in ("venv", "python")) or answers([PYTHON, "-c", "print(1)"]) != "1":
        return None
    changed = [part for part in want["parts"] if have["parts"].get(part) != want["parts"][part]]
    return list(want["parts"]) if RUN_LOCK in changed else changed


@contextlib.contextmanager
def one_at_a_time():
    """Hold .venv's lock; yields its file descriptor, for children to hold it too if this process is killed."""
    with open(LOCK, "a+") as file:
        for attempt in range(10**6):
            try:
                if os.name == "nt":
                    import msvcrt

                    file.seek(0)
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    say("this disk can't lock files: run only one set-up at a time")
                    break
                if attempt == 0:
                    say("another set-up is at work in this folder: waiting for it")
                time.sleep(0.5)
        yield file.fileno()


def step(command, lock, watch=None):
    """Run one step with its output in the log; returns its exit code and output."""
    with open(LOG, "ab") as log:
        begin = log.seek(0, os.SEEK_END)
        inherit = {} if os.name == "nt" else {"pass_fds": (lock,)}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=HERE, env=child_env(), **inherit
        )
    with open(LOG, encoding="utf-8", errors="replace") as log:
        while True:
            try:
                code = process.wait(0.2)
            except subprocess.TimeoutExpired:
                code = None
            except KeyboardInterrupt:
                wait_for(process, 10)
                raise
            log.seek(begin)
            output = log.read()
            if watch:
                watch(output)
            if code is not None:
                return code, output


def wait_for(process, seconds):
    """Give an interrupted process the time to end by itself, then end it."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


class Progress:
    """How far pip is, read from its output: packages fetched, then packages installed."""

    def __init__(self, lock_text):
        self.listed = len(re.findall(r"^[a-z0-9].*==", lock_text, re.M))
        self.shown = (None, -1)
        self.before = self.installed()

    def installed(self):
        return len(glob.glob(os.path.join(VENV, "[Ll]ib*", "**", "site-packages", "*.dist-info"), recursive=True))

    def __call__(self, output):
        names = re.search(r"^Installing collected packages: (.*)$", output, re.M)
        if names:
            stage, total, done = "installed", names.group(1).count(",") + 1, self.installed() - self.before
        else:
            total = self.listed - len(re.findall(r"^Ignoring ", output, re.M))
            stage, done = "fetched", len(re.findall(r"^(?:Collecting|Requirement already)", output, re.M))
        share = max(0, min(done, total)) * 10 // max(total, 1)
        if sys.stdout.isatty():
            print("\r[{:6.1f} s]   {:3d} of {} packages {}   ".format(time.time() - started, done, total, stage), end="")
            sys.stdout.flush()
        elif (stage, share) != self.shown and total > 1:
            say("  {:3d} of {} packages {}".format(done, total, stage))
        self.shown = (stage, share)
