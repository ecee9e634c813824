"""Every address that a command and all its children call, send to or listen at, as strace saw it (Linux).

`recorded` runs a command, `parse` reads the record, `foreign` says what in it left this machine, or asked for a name.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SLMBENCH = (sys.executable, "-m", "slmbench.cli")
CALLS = ("connect", "sendto", "sendmsg", "sendmmsg", "bind")
STRACE = ("strace", "-f", "-qq", "-s", "0", "-e", "signal=none", "-e", f"trace={','.join(CALLS)}")  # no contents
DNS = (53, 853, 5353, 5355)  # plain, over TLS, and the two ways to ask the neighbours
HARMLESS = {  # families whose other end is the kernel, or nobody
    "NETLINK": "asks the kernel for its own interfaces",
    "UNSPEC": "takes a connected address away again",
}
EXPLAINED = {  # paths of sockets on this machine, and why they may be called
    r"/(var/)?run/nscd/socket": "glibc looks for a cache of users and hosts; a host that it had asked for shows by DNS",
}

_STARTED = re.compile(r"(\d+) +(\w+)\(")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>")
_RESULT = re.compile(r"\) += (-?\w+(?: E\w+)?)")
_FAMILY = re.compile(r"\{sa_family=(?:AF_)?(\w+)")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_PATH = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Call:
    """One address in one system call. address: of the internet, or a path (@ for an abstract one)."""

    name: str
    family: str
    address: str = ""
    port: int | None = None
    result: str = ""

    def __str__(self) -> str:
        where = self.address if self.port is None else f"{self.address} port {self.port}"
        return f"{self.name} {self.family} {where}".rstrip() + (f" = {self.result}" if self.result else "")


def parse(text: str) -> list[Call]:
    """The calls that name an address, in their order. text: strace's output with -f."""
    found: list[Call] = []
    waiting: dict[str, int] = {}  # process -> index of the call that has not returned
    for line in text.splitlines():
        result = (_RESULT.findall(line) or [""])[-1]
        if again := _RESUMED.match(line):
            at = waiting.pop(again[1], None)
            if at is not None:
                found[at] = replace(found[at], result=result)
        elif (started := _STARTED.match(line)) and started[2] in CALLS:
            for call in _addresses(line, started[2]):
                if "<unfinished" in line:
                    waiting[started[1]] = len(found)
                found.append(replace(call, result=result))
    return found


def _addresses(line: str, name: str) -> Iterator[Call]:
    """Each address of a line; sendmmsg may have several."""
    marks = list(_FAMILY.finditer(line))
    for mark, end in zip(marks, [*(m.start() for m in marks[1:]), len(line)], strict=False):
        rest = line[mark.end() : end]
        port, address, path = _PORT.search(rest), _ADDRESS.search(rest), _PATH.search(rest)
        where = address[1] if address else path[1] + path[2] if path else ""
        yield Call(name, mark[1], where, int(port[1]) if port else None)


def foreign(calls: Iterable[Call]) -> list[str]:
    """What a command that stays on this machine does not do, each once."""
    return list(dict.fromkeys(f"{fault}: {call}" for call in calls if (fault := _fault(call))))


def _fault(call: Call) -> str | None:
    if call.family in ("INET", "INET6"):
        if not _is_loopback(call.address):
            return "listens to the network" if call.name == "bind" else "leaves this machine"
        return "asks for a name" if call.port in DNS and call.name != "bind" else None
    if call.family == "UNIX":
        explained = any(re.fullmatch(path, call.address) for path in EXPLAINED)
        return None if explained and call.result.endswith("ENOENT") else "asks another program"
    return None if call.family in HARMLESS else "is of a kind that nobody has explained"


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def in_turn(*commands: Sequence[str]) -> list[str]:
    """A script that runs them until one fails; the kit's service is ended in any case, or the recording would not."""
    lines = ["set -e", f"trap {shlex.quote(shlex.join([*SLMBENCH, 'stop']))} EXIT", *map(shlex.join, commands)]
    return ["sh", "-c", "\n".join(lines)]


def ports(calls: Iterable[Call], name: str) -> set[int]:
    """Of the internet's first family, in calls of that name."""
    return {c.port for c in calls if c.name == name and c.family == "INET" and c.port}


def recorded(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], list[Call]]:
    """Run a command in `folder` to its end, and the end of all that it started: (how it ended, the calls)."""
    log = folder / "strace.txt"
    done = subprocess.run(
        [*STRACE, "--seccomp-bpf", "-o", str(log), *command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done, parse(log.read_text(encoding="utf-8", errors="replace"))


@functools.cache
def works() -> bool:
    """Whether strace is there and may look at a process."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run([*STRACE, "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0
