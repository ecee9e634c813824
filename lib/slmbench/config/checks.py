"""What code can tell of a reply: the `checks` of a prompt, as prompts.json and plan.json hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slmbench.config.checking import did_you_mean, shown
from slmbench.config.reading import clean

COUNTS = ("words", "characters", "sentences", "items")  # kinds that count something
KEYWORDS, SCRIPT, REPETITION = "keywords", "script", "repetition"
TAKES: Mapping[str, tuple[str, ...]] = {  # kind: what a check of it may say besides its kind
    **dict.fromkeys(COUNTS, ("min", "max", "aspect")),
    KEYWORDS: ("groups", "min", "max", "aspect"),
    SCRIPT: ("script", "aspect"),
    REPETITION: ("aspect",),
}
_LANGUAGES = {  # script: languages that are written in it and as a rule in no other; its ISO 15924 code, as in sr-Latn
    "Arabic": "ar fa ps ur arab",
    "Armenian": "hy armn",
    "Bengali": "as bn beng",
    "Cyrillic": "be bg kk ky mk mn ru tg uk cyrl",
    "Devanagari": "bho hi mai mr ne new sa deva",
    "Ethiopic": "am ti ethi",
    "Georgian": "ka geor",
    "Greek": "el grek",
    "Gujarati": "gu gujr",
    "Gurmukhi": "guru",
    "Han": "zh hani hans hant",
    "Hangul": "ko hang kore",
    "Hebrew": "he yi hebr",
    "Japanese": "ja jpan",
    "Kannada": "kn knda",
    "Khmer": "km khmr",
    "Lao": "lo laoo",
    "Latin": "af ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl pt ro sk sl sq sv sw "
    "tl tr vi latn",
    "Malayalam": "ml mlym",
    "Myanmar": "my mymr",
    "Sinhala": "si sinh",
    "Tamil": "ta taml",
    "Telugu": "te telu",
    "Thai": "th thai",
    "Tibetan": "bo dz tibt",
}
_NAMES = {"Han": ("CJK",), "Japanese": ("HIRAGANA", "KATAKANA", "CJK"), "Latin": ("LATIN", "FULLWIDTH LATIN")}
# script: how the Unicode names of its characters begin
SCRIPTS: Mapping[str, tuple[str, ...]] = {name: _NAMES.get(name, (name.upper(),)) for name in _LANGUAGES}
_SCRIPT_OF = {language: script for script, languages in _LANGUAGES.items() for language in languages.split()}
_INVISIBLE = "*_`\u00ad\u200b\u200c\u200d\u2060\ufeff"  # of a keyword, what says nothing by itself


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `quality.checks` says what each kind counts, and how."""

    kind: str  # words | characters | sentences | items | keywords | script | repetition
    min: int | None = None  # of keywords: how many groups must occur, all of them if neither min nor max is given
    max: int | None = None
    groups: tuple[tuple[str, ...], ...] = ()  # of keywords: in each the alternatives, of which one is enough
    script: str | None = None  # a name of `SCRIPTS`; None: that of the prompt's language
    aspect: str | None = None  # the prompt's aspect that it decides, word for word

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as they are read; what is not said is left out."""
        said = {f.name: value for f in dataclasses.fields(self) if (value := getattr(self, f.name)) not in (None, ())}
        if self.groups:
            said["groups"] = [group[0] if len(group) == 1 else list(group) for group in self.groups]
        return said


def checks_of(prompt: Mapping[str, Any]) -> tuple[Check, ...]:
    """The checks in a prompt's JSON, which its schema and `odd` have passed.

    Kinds and scripts that only another version knows are passed over, as a plan may have them.
    """
    return tuple(_check(fields) for fields in prompt.get("checks", ()) if _known(fields))


def _known(fields: Mapping[str, Any]) -> bool:
    return fields["kind"] in TAKES and fields.get("script", "Latin") in SCRIPTS


def _check(fields: Mapping[str, Any]) -> Check:
    groups = tuple((group,) if isinstance(group, str) else tuple(group) for group in fields.get("groups", ()))
    return Check(**{name: value for name, value in fields.items() if name in Check.__slots__} | {"groups": groups})


def script_of(language: str | None) -> str | None:
    """The script of a language tag; None where it is not known, or the language is written in several.

    >>> script_of("ne"), script_of("pt-BR"), script_of("sr"), script_of("sr-Latn")
    ('Devanagari', 'Latin', None, 'Latin')
    """
    first, *more = (language or "").lower().split("-")
    codes = (_SCRIPT_OF[tag] for tag in more if len(tag) == 4 and tag in _SCRIPT_OF)  # two letters are a region
    return next(codes, _SCRIPT_OF.get(first))


def odd(prompt: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first check in a prompt's JSON that fits the schema and yet can't be used.

    returns: its place in the prompt, and what was found and expected; None if all can be used.
    """
    for number, fields in enumerate(prompt.get("checks", ())):
        if fields["kind"] in TAKES and (found := _odd(fields, prompt)):
            place, sentence = found
            return f"checks[{number}]{place}", sentence
    return None


def _odd(fields: Mapping[str, Any], prompt: Mapping[str, Any]) -> tuple[str, str] | None:
    kind, low, high, aspect = (fields.get(name) for name in ("kind", "min", "max", "aspect"))
    takes, aspects = TAKES[kind], prompt.get("aspects", ())
    strange = next((name for name in fields if name in Check.__slots__ and name not in ("kind", *takes)), None)
    if strange:
        return f".{strange}", f'"{strange}" was found in a check of the kind {kind}, which takes {", ".join(takes)}'
    if kind in COUNTS and low is None and high is None:
        return "", f"neither min nor max was found, a check of the kind {kind} has at least one of them"
    if kind == KEYWORDS and not fields.get("groups"):
        return "", '"groups" is missing, a check of the kind keywords has at least one'
    if kind == KEYWORDS and (found := _odd_groups(fields)):
        return found
    if low is not None and high is not None and low > high:
        return ".min", f"{low} was found, at most {high} was expected, as max is {high}"
    if kind == SCRIPT and "script" not in fields and not script_of(prompt.get("language")):
        return "", '"script" is missing, and the prompt has no language that tells it'
    if aspect is not None and aspect not in aspects:
        return (
            ".aspect",
            f"{shown(aspect)} was found, one of the prompt's aspects was expected{did_you_mean(aspect, aspects)}",
        )
    return None


def _odd_groups(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    groups = fields["groups"]
    for name in ("min", "max"):
        if fields.get(name, 0) > len(groups):
            return f".{name}", f"{fields[name]} was found, at most {len(groups)} was expected, the number of groups"
    for number, group in enumerate(groups):
        for keyword in [group] if isinstance(group, str) else group:
            words = keyword.split()
            if not words or any("*" in word[:-1] or not word.strip(_INVISIBLE) for word in words):
                expected = "words were expected, each with a * at most as its last character"
                return f".groups[{number}]", f'"{clean(keyword, 60)}" was found, {expected}'
    return None
