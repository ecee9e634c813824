"""Words of a command line: read by argparse, refused in the kit's own form."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from slmbench import config
from slmbench.config.checking import did_you_mean, shown
from slmbench.config.prompts import prompts_from_texts
from slmbench.config.reading import clean
from slmbench.config.values import Origin, folder, from_text, model_names
from slmbench.errors import UsageError

PORT_MAX, COUNT_MAX = 65535, 1_000_000


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are UsageErrors: what was found, what was expected, and what helps.

    verbs: name -> parser, where there are any.
    """

    verbs: Mapping[str, Parser] = MappingProxyType({})

    def error(self, message: str) -> NoReturn:
        """message: argparse's own, which says what it does not like, and sometimes which argument."""
        name, _, about = message.removeprefix("argument ").partition(": ")
        help_ = f"{self.prog} --help   (lists all that it takes)"
        if message.startswith("unrecognized arguments"):
            raise self.unknown(about.split(" "))
        if message.startswith("the following arguments are required"):
            raise UsageError(f"{about}: nothing was found, a value was expected", help_)
        if about.startswith("expected "):
            cure = f"write {name.rpartition('/')[2]}=VALUE where the value begins with -; {help_}"
            raise UsageError(f"{name}: nothing was found behind it, a value was expected", cure)
        if found := re.fullmatch(r"ignored explicit argument '(.*)'", about, re.DOTALL):
            cure = f"write {' or '.join(name.split('/'))}; {help_}"
            raise UsageError(f"{name}: {shown(found[1])} was found behind it, nothing was expected", cure)
        if found := re.fullmatch(r"ambiguous option: (.*) could match (.*)", message, re.DOTALL):
            raise UsageError(f"option {shown(found[1])} was found, one of {found[2]} was expected", help_)
        raise UsageError(clean(message), help_)

    def unknown(self, words: Sequence[str]) -> UsageError:
        """What to say of words that are none of this parser's. All options among them are named."""
        known = [o[2:] for action in self._actions for o in action.option_strings if o.startswith("--")]
        options = [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]
        if options:
            said = ", ".join(f"{shown(option)}{_did_you_mean(option, known)}" for option in options)
            return UsageError(f"unknown option {said}", f"Known: --{', --'.join(known)}.")
        said = ", ".join(map(shown, words))
        cure = f"{self.prog} --help   (lists all that it takes; several aliases are one word, as a,b)"
        return UsageError(f"{said} was found, nothing more was expected", cure)


def _did_you_mean(option: str, known: Sequence[str]) -> str:
    """The dashes, which all options have, make none of them alike."""
    close = config.nearest(option.lstrip("-"), known, 1)
    return f'; did you mean "--{close[0]}"?' if close else ""


def check_verb(words: Sequence[str], verbs: Iterable[str]) -> None:
    """Whether a command line begins with a verb, or asks for help or the version. raises: UsageError."""
    verbs, first = list(verbs), words[0] if words else ""
    if first in verbs or (first.startswith("-") and first in ("-h", "--help", "--version")):
        return
    found = shown(first) if words else "nothing"
    expected = f"one of {', '.join(verbs)} was expected"
    raise UsageError(f"verb: {found} was found, {expected}{did_you_mean(first, verbs)}", "slmbench --help")


def aliases(words: Sequence[str]) -> str | None:
    """Aliases that stand one by one, as a,b; None if there are none. raises: UsageError."""
    cure = "slmbench models   (lists them)"
    return ",".join(model_names(",".join(words), Origin("ALIAS", "argument", cure))) if words else None


def tags(given: str | None) -> list[str]:
    """--capabilities, as a,b."""
    return [word.strip() for word in given.split(",")] if given else []


# Types of arguments, as argparse calls them: it lets a UsageError through.


def out(given: str) -> Path:
    """--out. raises: UsageError for what is no path of a folder."""
    return folder(given, Origin("--out", "option", "Change --out, or leave it out; for example --out runs/monday"))


def run(given: str) -> str:
    """A run folder to be read; whether it is one is `store`'s to say. raises: UsageError for no name at all."""
    if not given.strip():
        raise Origin("RUN", "argument", "name a folder that slmbench run has made").refuse(shown(given), "a run folder")
    return given


def port(given: str) -> int:
    """--port. raises: UsageError for what is no port."""
    number = from_text(given, "integer")
    if isinstance(number, str) or not 1 <= number <= PORT_MAX:
        origin = Origin("--port", "option", "leave --port out: one that is free is taken")
        raise origin.refuse(shown(number), f"a whole number from 1 to {PORT_MAX}")
    return number


def count(given: str) -> int:
    """--replies. raises: UsageError for what is no number of replies."""
    number = from_text(given, "integer")
    if isinstance(number, str) or not 1 <= number <= COUNT_MAX:
        origin = Origin("--replies", "option", "Change --replies, or leave it out for all; for example --replies 8")
        raise origin.refuse(shown(number), f"a whole number from 1 to {COUNT_MAX}")
    return number


def prompt(given: str) -> str:
    """--prompt. raises: UsageError for a text that can't be sent."""
    cure = 'Change --prompt, or leave it out; for example --prompt "Say hello"'
    prompts_from_texts([given], lambda _: "--prompt (option)", cure)
    return given


def one_of(name: str, given: str, known: Sequence[str]) -> str:
    """An option that is one of a few words. raises: UsageError for another one."""
    if given in known:
        return given
    cure = f"Change {name}, or leave it out; for example {name} {known[-1]}"
    expected = f"one of {', '.join(known)} was expected{did_you_mean(given, known)}"
    raise UsageError(f"{name} (option): {shown(given)} was found, {expected}", cure)


def models_file(given: str | None) -> config.ModelsFile:
    """The file that --models-file names, else the kit's own. raises: UsageError."""
    try:
        return config.read_models(given)
    except UsageError as e:
        raise UsageError(f"--models-file (option): {e.message}" if given is not None else e.message, e.cure) from None


def where(given: argparse.Namespace) -> dict[str, Any]:
    """--endpoint and --allow-remote, as settings are given."""
    return {"endpoint": given.endpoint, "allow_remote": given.allow_remote}
