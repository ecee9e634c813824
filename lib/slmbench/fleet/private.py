"""What leaves a station: written for its owner to read before joining, and held to here."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SENT = (
    "the name that you have chosen, and a random number for this joining",
    "this machine: kind and version of the operating system, processor, cores, memory, GPUs, whether it is on battery",
    "versions of Python and of the packages that measure; the language setting and the process id of the kit",
    "how busy the kit's own process is, and its memory: once a second",
    "what the plan asks: each request's times, its prompt's id, and the model's whole reply",
    "each model's name, size, licence, load time and memory, and the address of your local service",
    "what failed, in the words of the error, with your host, user and folder names taken out",
    "your network address, as every connection shows it",
)
NOT_SENT = "Not sent: host and user names, files, other prompts, environment variables, keys."
# Of plan.json: not the command, which names folders, nor where the prompts were read from.
PLAN = (
    *("run", "hash", "prompts", "models", "rounds", "loads", "warmup", "max_tokens", "temperature", "seed", "stream"),
    *("deadline_s", "concurrency", "rate", "arrivals", "precision_pct", "budget_s", "slo", "retries", "nonce"),
    *("started_at", "endpoint", "entries", "targets", "versions"),
)
WORDS = ("error", "reason", "problem")  # keys whose texts are the kit's or the system's words, and may name a folder


def listed(room: str, name: str) -> str:
    """What is sent, in lines for a terminal."""
    lines = [f'As "{name}" in the room {room}, this machine will send to the instructor\'s:']
    return "\n".join([*lines, *(f"  - {one}" for one in SENT), NOT_SENT])


def plan(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Of a plan what may be sent."""
    return {name: whole[name] for name in PLAN if name in whole}


def without_names(value: Any, station: str) -> Any:
    """The same JSON value; in the texts under `WORDS` this machine's names are replaced.

    Replies are left as they are: a name in one is a word that the model wrote.
    """
    if isinstance(value, Mapping):
        return {
            key: named(inner, station) if key in WORDS and isinstance(inner, str) else without_names(inner, station)
            for key, inner in value.items()
        }
    return [without_names(inner, station) for inner in value] if isinstance(value, list) else value


def named(text: str, station: str) -> str:
    """A text in which the home folder is ~, the host's name is the station's, and the user's is gone."""
    home = str(Path.home())
    for form in {home, home.replace("\\", "\\\\"), home.replace("\\", "/")}:
        if len(form) > 1:
            text = text.replace(form, "~")
    host = socket.gethostname()
    for name, instead in ((host, station), (host.partition(".")[0], station), (_user(), "[user]")):
        if name and name != "localhost":
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", instead, text, flags=re.IGNORECASE)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
