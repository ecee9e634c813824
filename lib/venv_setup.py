"""Make and update the clone's .venv from the lock files; used by bootstrap.py before any package is installed.

Only the standard library is used. `.venv/bootstrap.json` (the stamp) says what .venv holds. It is written last and
taken away while packages change, so a set-up that was killed is seen, and .venv made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

RUN, OWN, TEST = "requirements.lock", "pyproject.toml", "tests/requirements.lock"
PACKAGES = "Lib/site-packages" if os.name == "nt" else "lib/python3.*/site-packages"
# MB, measured on Linux x64 with Python 3.11: in .venv; downloads (for a while in the temporary folder and pip's cache).
DISK_MB = {RUN: (880, 200), OWN: (1, 1), TEST: (240, 90)}
# What the wheels of the runtime (foundry-local-sdk, onnxruntime) ask for: the oldest glibc, macOS or Windows.
FIT = {"linux-x86_64": (2, 28), "linux-aarch64": (2, 34), "darwin-arm64": (14,), "win-amd64": (10,), "win-arm64": (10,)}
FAILURES = (  # what a step's output holds, what that means, what helps; the first that fits is told
    ("No space left|Errno 28|not enough space", "The disk is full.", "Free some space, then run this again."),
    ("Long Path", "Windows refused a path of over 260 characters.", "Move this folder nearer to the drive's root."),
    ("DO NOT MATCH THE HASHES", "A download is not the file that the lock names.", "A proxy or mirror changed it."),
    ("CERTIFICATE_VERIFY", "The package index has no certificate trusted here.", "Set PIP_CERT to your proxy's."),
    (
        "ConnectionError|Connect(ion)?Timeout|ReadTimeout|new connection|name resolution|getaddrinfo|ProxyError|"
        "IncompleteRead|[Cc]onnection (broken|refused|reset|aborted)|timed out|HTTP error 5",
        "The package index could not be reached.",
        "Check the network (a proxy: HTTPS_PROXY; a mirror: PIP_INDEX_URL), then run this again.",
    ),
    ("No matching distribution", "A package has no build for this machine and Python.", "Try Python 3.12 or 3.13."),
    (r"Permission denied|WinError (5|32)\b", "A file in .venv could not be replaced.", "Stop what runs from it."),
    ("", "A step of the set-up failed.", "Read the end of the log."),
)
started = time.monotonic()


class Stop(Exception):
    """The set-up ends: a sentence on what is wrong, what helps, and the exit code.

    touched: whether packages in .venv had begun to change.
    """

    def __init__(self, message: str, cure: str, code: int = 1, touched: bool = False):
        super().__init__(f"{message}\n  -> {cure}")
        self.code, self.touched = code, touched


def say(text: str, end: str = "\n") -> None:
    line = f"[{time.monotonic() - started:6.1f} s] {text}"
    print(line.ljust(60) if sys.stdout.isatty() else line, end=end, flush=True)


def check_machine(build: str, version: str, plain: bool = True, wide: bool = True) -> None:
    """Stop where the runtime has no wheel.

    build: a key of `FIT` where it has; version: of glibc ("" with another C library), macOS or Windows;
    plain: CPython with its lock; wide: a 64-bit build.
    """
    wrong = ""
    if not wide:
        wrong = "This Python is a 32-bit build; the runtime needs a 64-bit one."
    elif not plain:
        wrong = "This Python is PyPy or a free-threaded build; the runtime needs plain CPython."
    elif build not in FIT:
        wrong = f"The runtime has no build for {build} (Intel Macs included), only for {', '.join(FIT)}."
    elif tuple(int(number) for number in re.findall(r"\d+", version)) < FIT[build]:
        library = {"linux": "glibc", "darwin": "macOS"}.get(build.partition("-")[0], "Windows")
        least = ".".join(str(number) for number in FIT[build])
        wrong = f"The runtime needs {library} {least} or newer; here is {version or 'another C library (musl?)'}."
    if wrong:
        raise Stop(wrong, "Use 64-bit Python 3.13 from python.org (its arm64 build on ARM), or another machine.", 2)


def this_machine() -> dict[str, object]:
    """The arguments of `check_machine` for this Python."""
    build, version = sysconfig.get_platform(), platform.version()
    if sys.platform != "win32":  # there, the platform names the build even where the machine can run several
        build, version = f"{sys.platform}-{platform.machine()}", platform.mac_ver()[0]
    if sys.platform == "linux":
        version = platform.libc_ver()[1] if platform.libc_ver()[0] == "glibc" else ""
    plain = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    return {"build": build, "version": version, "plain": plain, "wide": sys.maxsize > 2**32}


def check_space(here: Path, parts: list[str]) -> None:
    """Stop if a disk has less free than the parts need, before anything is fetched."""
    needs: dict[int, tuple[int, Path]] = {}
    for place, column in ((here, 0), (Path(tempfile.gettempdir()), 1), (Path("~").expanduser(), 1)):
        if place.exists():
            need, first = needs.get(place.stat().st_dev, (0, place))
            needs[place.stat().st_dev] = (need + sum(DISK_MB[part][column] for part in parts), first)
    for need, place in needs.values():
        free = shutil.disk_usage(place).free // 10**6
        if free < need:
            raise Stop(f"{free} MB are free at {place}; the set-up needs {need} MB.", FAILURES[0][2])


def child_env(python: Path) -> dict[str, str]:
    """The environment without what would lead a child to other packages than .venv's, or pip to another target."""
    drop = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT")
    env = {name: value for name, value in os.environ.items() if name not in drop}
    path = os.pathsep.join([str(python.parent), env.get("PATH", "")])
    return env | {"PATH": path, "PYTHONUTF8": "1", "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def works(*command: object) -> bool:
    """Whether the command can be started and ends well."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[int]:
    """Hold the lock file; yields its descriptor, so that a child can hold it on should this process be killed."""
    with path.open("a+") as file:
        waiting = False
        while True:
            try:
                if fcntl:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                else:
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                break
            except (BlockingIOError, PermissionError):
                if not waiting:
                    say("another set-up is at work in this folder: waiting for it")
                waiting = True
                time.sleep(0.5)
        yield file.fileno()


class Venv:
    """The folder .venv of the clone `here`."""

    def __init__(self, here: Path):
        self.here, self.root = here, here / ".venv"
        self.python = self.root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp, self.log, self.lock = (self.root / f"bootstrap.{end}" for end in ("json", "log", "lock"))
        # No patch version, no kernel: their updates leave .venv sound.
        self.made_by = f"{sys.version_info[0]}.{sys.version_info[1]} {sysconfig.get_platform()}"

    def holds(self) -> dict[str, str]:
        """{part: hash} of a sound .venv; {} if it is not whole, was moved, or its Python is another one or gone."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        same = (stamp.get("venv"), stamp.get("python")) == (str(self.root), self.made_by)
        return stamp["parts"] if same and works(self.python, "-c", "") else {}

    def write_stamp(self, parts: dict[str, str]) -> None:
        new = self.stamp.with_suffix(".new")
        new.write_text(json.dumps({"venv": str(self.root), "python": self.made_by, "parts": parts}), encoding="utf-8")
        new.replace(self.stamp)

    def step(self, command: list[object], lock: int, watch: Callable[[str], None] | None = None) -> None:
        """Run one step with its output in the log, shown to `watch` as it grows; Stop if it fails."""
        options = {"stdin": subprocess.DEVNULL, "cwd": self.here, "env": child_env(self.python)}
        options |= {"pass_fds": (lock,)} if fcntl else {}
        with self.log.open("ab") as log, self.log.open(encoding="utf-8", errors="replace") as reader:
            begin = reader.seek(0, os.SEEK_END)
            process = subprocess.Popen(command, stdout=log, stderr=log, **options)
            try:
                while process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(0.2)
                    reader.seek(begin)
                    if watch:
                        watch(reader.read())
            finally:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)  # after Ctrl-C, which the child got as well
                process.kill()
            reader.seek(begin)
            output = reader.read()
        if process.returncode:
            meaning, cure = next(known[1:] for known in FAILURES if re.search(known[0], output))
            raise Stop(meaning, f"{cure} The log: {self.log}", touched="Installing collected packages" in output)

    def progress(self, lock_text: str) -> Callable[[str], None]:
        """A watcher of pip's output that tells how many packages are fetched, then installed: a line for each tenth."""
        listed = len(re.findall("^[a-z0-9].*==", lock_text, re.MULTILINE))
        before, shown = len(list(self.root.glob(f"{PACKAGES}/*.dist-info"))), set()

        def watch(output: str) -> None:
            names = re.search("^Installing collected packages: (.*)$", output, re.MULTILINE)
            if names:
                done = max(0, len(list(self.root.glob(f"{PACKAGES}/*.dist-info"))) - before)
                total = names[1].count(",") + 1
            else:
                total = listed - len(re.findall("^Ignoring ", output, re.MULTILINE))
                done = len(re.findall("^(?:Collecting|Requirement already)", output, re.MULTILINE))
            tenth = (names is None, 10 * done // total)
            if done and (sys.stdout.isatty() or tenth not in shown):
                end = "\r" if sys.stdout.isatty() else "\n"
                say(f"  {done:3d} of {total} packages {'installed' if names else 'fetched'}", end)
            shown.add(tenth)

        return watch

    def make(self, lock: int) -> list[object]:
        """Empty .venv and make it anew; returns the command of a pip for it."""
        say(f"Python {self.made_by}: making .venv")
        for path in self.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self.lock:
                path.unlink()
        base = getattr(sys, "_base_executable", sys.executable)
        if works(base, "-c", "import venv, ensurepip; ensurepip.version()"):
            self.step([base, "-m", "venv", self.root], lock)
            return [self.python, "-m", "pip"]
        if not works(base, "-c", "import venv") or not works(base, "-m", "pip", "--python", base, "--version"):
            cure = f"Run: sudo apt install python3.{sys.version_info[1]}-venv (elsewhere: the package of ensurepip)."
            raise Stop("This Python lacks its modules venv and ensurepip.", cure, 2)
        self.step([base, "-m", "venv", "--without-pip", self.root], lock)
        return [base, "-m", "pip", "--python", self.python]

    def install(self, part: str, pip: list[object], lock: int) -> None:
        """Install one part with the command `pip`."""
        say("installing " + ("slmbench itself" if part == OWN else f"the packages of {part}"))
        flags = ["install", "--no-input", "--no-deps", "--no-compile"]
        if part == OWN:
            self.step([*pip, *flags, "--no-index", "--no-build-isolation", "--editable", "."], lock)
            return
        text = (self.here / part).read_text(encoding="utf-8")
        flags += ["--require-hashes", "--only-binary", ":all:", "--requirement"]
        if part == RUN:  # pip itself first: older ones can't go on with a download that broke off
            pip_lock = self.root / "pip.lock"
            pip_lock.write_text(re.search(r"^pip==(?:.*\\\n)*.*", text, re.MULTILINE)[0], encoding="utf-8")
            self.step([*pip, *flags, pip_lock], lock)
        self.step([self.python, "-m", "pip", *flags, part, "--resume-retries", "20"], lock, self.progress(text))

    def compile(self, lock: int) -> None:
        """Everything, on all cores (pip has one), but for the packages' tests; what can't be is passed over."""
        words = ["-c", "import compileall; compileall.main()", "-qq", "-j0", "-x", r"[\\/]tests[\\/]"]
        self.step([self.python, *words, *self.root.glob(PACKAGES), "lib/slmbench"], lock)


def set_up(folder: str, tests: bool = False) -> Path:
    """Bring the .venv of the clone in `folder` up to its lock files; returns the path of its Python.

    raises: Stop, if this machine does not fit or a step fails.
    """
    check_machine(**this_machine())
    venv = Venv(Path(folder))
    parts = [RUN, OWN, TEST] if tests else [RUN, OWN]
    want = {part: hashlib.sha256((venv.here / part).read_bytes()).hexdigest() for part in parts}
    if want.items() <= venv.holds().items():
        say("the set-up is complete")
        return venv.python
    if venv.root.is_dir() and any(venv.root.iterdir()) and not venv.lock.exists():
        raise Stop(f"{venv.root} was made by something else.", "Rename or remove it, then run this again.")
    try:
        venv.root.mkdir(exist_ok=True)
        with one_at_a_time(venv.lock) as lock:
            bring_up(venv, want, lock)
    except OSError as error:
        raise Stop(f"The set-up failed: {error}", "This folder must be writable, on a disk with space.") from error
    say("set up")
    return venv.python


def bring_up(venv: Venv, want: dict[str, str], lock: int) -> None:
    """Install the parts whose hash differs, all if the first does, in .venv as it is or else made anew."""
    have = venv.holds()
    todo = [part for part in want if have.get(part) != want[part]]
    todo = list(want) if RUN in todo else todo
    check_space(venv.here, todo)
    pip = [venv.python, "-m", "pip"] if have else venv.make(lock)
    for part in todo:
        venv.stamp.unlink(missing_ok=True)
        try:
            venv.install(part, pip, lock)
        except Stop as stop:
            if have and not stop.touched:
                venv.write_stamp(have)  # nothing was changed
            raise
        venv.write_stamp(have := {part: want[part]} if part == RUN else have | {part: want[part]})
    venv.compile(lock)
