"""Whether a word or phrase occurs in a reply, however its dates and numbers are written."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable

_ALIKE = (
    dict.fromkeys(map(ord, "*_`\u00ad\u200b\u200c\u200d\u2060\ufeff"))  # bold marks, and what can't be seen
    | dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
    | dict.fromkeys(map(ord, "’‘ʼ"), "'")
)
_THOUSANDS = re.compile(r"(?<=\d)[,'\u00a0\u202f](?=(?:\d\d,){0,4}\d{3}(?!\d))")  # 12,400 and 1,00,000
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)(?: of)?(?![^\W_])")
_LONG = 200  # characters: longer words are none, and putting their marks in order could take for ever
_ENDING = 30  # characters that a * stands for, at most
_ANY = "\ue000"  # stands for the * of a keyword: a private character, which no text has


def occur(alternatives: Iterable[str], text: str) -> bool:
    """Whether one of some words or phrases occurs in a text, as whole words.

    Capitals, kinds of spaces, dashes and apostrophes, bold marks and the script of digits make no difference; neither
    do the commas of thousands ("12,400") and English ordinals ("6th of March" is "6 March"). A * at the end of a word
    stands for any ending of up to 30 characters. A phrase that begins or ends with a digit may touch a letter there
    ("10am", "Rs480"), but no digit, and no decimal point.

    >>> occur(["6 Mar*"], "by **6th of March**"), occur(["6 Mar*"], "16 March"), occur(["१५"], "15 गते")
    (True, False, True)
    """
    plain = _plain(text)
    return any(_occurs(keyword, plain) for keyword in alternatives)


def _occurs(keyword: str, plain: str) -> bool:
    pattern = _pattern(keyword)
    at = pattern.search(plain)
    while at:
        if _alone(plain, at.start(), at.end(), keyword.rstrip().endswith("*")):
            return True
        at = pattern.search(plain, at.start() + 1)
    return False


@functools.lru_cache(maxsize=1000)
def _pattern(keyword: str) -> re.Pattern[str]:
    words = [word.removesuffix("*") + _ANY * word.endswith("*") for word in keyword.split()]
    wanted = re.escape(_plain(" ".join(words))).replace(re.escape(_ANY), rf"\S{{0,{_ENDING}}}")
    return re.compile(wanted if _plain(keyword) else r"(?!)")  # the second matches nothing


def _plain(text: str) -> str:
    """A text as it is compared: small letters, ASCII digits, one space between words, accents in one form (NFC)."""
    text = text.translate(_ALIKE)
    text = text.translate({ord(c): str(unicodedata.decimal(c)) for c in set(text) if c.isdecimal()})
    words = _THOUSANDS.sub("", text).casefold().split()
    return _ORDINAL.sub("", " ".join(unicodedata.normalize("NFC", w) if len(w) <= _LONG else w for w in words))


def _alone(plain: str, start: int, end: int, any_ending: bool) -> bool:
    """Whether plain[start:end] is no part of a longer word or number."""
    before, after = plain[max(start - 2, 0) : start], plain[end : end + 2]
    if plain[start].isdigit():
        left = not before[-1:].isdigit() and not (before[:1].isdigit() and before[1:] in (".", ","))
    else:
        left = not _in_word(before[-1:])
    if any_ending:
        return left
    if plain[end - 1].isdigit():
        return left and not after[:1].isdigit() and not (after[1:].isdigit() and after[:1] in (".", ","))
    return left and not _in_word(after[:1])


def _in_word(character: str) -> bool:
    return character != "" and unicodedata.category(character)[0] in "LMN"
