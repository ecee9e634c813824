"""What can be counted in a reply without understanding it: sentences, list items, words, letters of a script, repeats.

Everything takes any text, hostile ones too (NUL, lone surrogates, a megabyte without a space), in time that grows with
its length and no faster. What is not seen is said with each function.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from slmbench.config.checks import SCRIPTS


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPENERS = "\"'“‘„«‹([{*_`¿¡「『（"
_CLOSERS = "\"'”’»›)]}*_`」』）"
_WHEREVER = "।॥。！？｡"  # end a sentence without a space after them
_STOPS = ".!?…؟۔" + _WHEREVER
_AFTER_WHEREVER = re.compile(f"[{_WHEREVER}]+[{re.escape(_CLOSERS)}]*")
_PIPE = re.compile(r"(?<=[\u0900-\u097f])\|+")  # what keyboards without a danda give
_DOTTED = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})+|[^\W\d_]")  # U.S, Ph.D, J: without the last stop
# Abbreviations, without their last stop. What they stand for goes on after them, whatever comes.
_NEVER = _set(
    "dr mr mrs ms mx prof st mt rev capt lt gov gen sen sgt e.g i.e eg ie cf v vs viz approx "
    "डा डॉ श्री सुश्री श्रीमती प्रा प्रो इ ई वि.सं बि.सं रु मो कि.मी से.मी कि.ग्रा"
)
_NUMBERED = _set(  # goes on before a number
    "no nos nr fig figs eq p pp vol ch sec art ver max min para ref jan feb mar apr jun jul aug sep sept oct nov dec नं"
)
_NAMES = _set("inc ltd co corp jr sr")  # as initials: a capital after them is mostly of the same name
_CLOCK = ("a.m", "p.m")
_STARTERS = _set(  # words that begin a sentence, and no name
    "a after all also an and another any as at because before both but by each for from furthermore he hence her here "
    "his how however i if in instead it its many moreover most my no not on one only or other our she since so some "
    "such that the their then there therefore these they this those thus to under until we what when where which while "
    "with without yes yet you your"
)
_MARKER = re.compile(
    r"(?:#{1,6}\s+)?(?:\*\*|__)?"
    r"(?:(?P<bullet>[-*+•◦‣▪●–·○■□➢►✓✔](?=\s)|[-•●▪](?=[^\W\d_]))"
    r"|\(?(?P<number>\d{1,3})(?:[.)](?=\s|$|[^\W\d_]|\*|_)|\ufe0f?\u20e3)"
    r"|\(?(?P<letter>[A-Za-z])\)(?=\s))"
)
_HEADING = re.compile(r"#{1,6}\s")


def words(text: str) -> list[str]:
    """The words: what stands between spaces or em dashes and has a letter or digit in it.

    "state-of-the-art", "don't" and "3.5" are one word each. Languages that are written without spaces (Chinese,
    Japanese, Thai) have no words here.

    >>> words("It's 3.5 — not 4!")
    ["It's", '3.5', 'not', '4!']
    """
    return [word for word in text.replace("—", " ").split() if any(c.isalnum() for c in word)]


def characters(text: str) -> int:
    """How many Unicode code points; any run of spaces and line ends counts as one, and at the ends as none."""
    return len(" ".join(text.split()))


def sentences(text: str) -> list[str]:
    """The sentences, their inner line ends and spaces each as one space.

    What ends one: . ! ? … and their like in other scripts, alone or in a row, with closing quotes and brackets after
    them, before a space; । ॥ 。 ！ ？ also without one, as does a | right after a Devanagari letter. Not: a stop inside
    a word (3.5, example.org), after an abbreviation (Dr., e.g., U.S., No. 5), after the number of a list ("1. Local"),
    or before a small letter ("Why?" she asked).
    Lines: a line end ends a sentence, with a stop or without, but where the next line goes on with a small letter; each
    list item is at least one. Not counted: Markdown headings, lines that are bold as a whole and have no stop, what
    ends its line with a colon ("Here is a summary:"), and what has no letter or digit.
    Limits: made for English and Nepali. A stop without a space after it ("one.Two") is not seen; a name after an
    unknown abbreviation begins a sentence; "U.S." and initials end one only before a common first word (The, It, We …);
    numbers of a list within one line count as ends after words without a stop ("… device 2. No").

    >>> sentences("Dr. Ray paid 3.5 euros, e.g. for tea. Was it much?! No")
    ['Dr. Ray paid 3.5 euros, e.g. for tea.', 'Was it much?!', 'No']
    """
    found: list[str] = []
    waiting: list[str] = []  # tokens of the sentence under way
    for line in _lines(text):
        heading, marker = _HEADING.match(line), _MARKER.match(line)
        if heading or marker or not (waiting and line[0].islower()):
            _end(found, waiting)
        if not heading:
            body = _AFTER_WHEREVER.sub(r"\g<0> ", _PIPE.sub("।", _without_marker(line)))
            _split(body.split(), found, waiting)
            if waiting and not marker and _bold(line):
                waiting.clear()  # a heading in bold: had it a stop, nothing would be waiting
    _end(found, waiting)
    return found


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line]


def _bold(line: str) -> bool:
    return len(line) > 4 and line.startswith("**") and line.endswith("**") and line.count("**") == 2


def _split(tokens: list[str], found: list[str], waiting: list[str]) -> None:
    """The tokens of a line: whole sentences go to `found`, what is left to `waiting`."""
    for token, following in itertools.zip_longest(tokens, tokens[1:]):
        begins = not waiting or waiting[-1][-1] in ":;"
        waiting.append(token)
        if _ends(token, following, begins):
            _end(found, waiting)


def _end(found: list[str], waiting: list[str]) -> None:
    sentence = " ".join(waiting)
    waiting.clear()
    if sentence.rstrip(_CLOSERS)[-1:] != ":" and any(c.isalnum() for c in sentence):
        found.append(sentence)


def _ends(token: str, following: str | None, begins: bool) -> bool:
    """Whether a sentence ends with this token. following: the next one in the line. begins: the first of a sentence."""
    core = token.rstrip(_CLOSERS)
    word = core.rstrip(_STOPS)
    stops = core[len(word) :]
    if not stops:
        return False
    if any(c in _WHEREVER for c in stops):
        return True
    word = word.lstrip(_OPENERS)
    if stops == "." and begins and word.isdigit() and len(word) <= 3:
        return False  # the number of a list
    if following is None:
        return True
    after = following.lstrip(_OPENERS)
    if after[:1].islower():
        return False
    return stops != "." or not _abbreviated(word, after)


def _abbreviated(word: str, after: str) -> bool:
    """Whether the stop after `word` is that of an abbreviation, and no end."""
    folded = word.casefold()
    if folded in _NEVER:
        return True
    if folded in _NUMBERED and after[:1].isdigit():
        return True
    if folded in _NAMES or (folded not in _CLOCK and (len(word) > 1 or word.isupper()) and _DOTTED.fullmatch(word)):
        return after.replace("’", "'").partition("'")[0].rstrip(_STOPS + _CLOSERS + ",").casefold() not in _STARTERS
    return False


def list_items(text: str) -> list[str]:
    """What the items of the reply's lists say, without their markers; of nested lists the outer items only.

    An item is a line that begins with a bullet (- * + • …), a number (1. 1) (1), of any script's digits) or a letter
    with a bracket, before or after a bold mark or a heading's #. Bullets between number 1 and number 2 are details of
    number 1, as are deeper indented lines, and those of another kind than the first until a heading or a line that
    ends with a colon begins another list. Several lists are counted together.
    Limits: a list in prose (First … Second …; an item a line without markers; 1. and 2. in one line) has no items here.

    >>> list_items("Two:\\n1. one\\n   - a detail\\n2. **two**")
    ['one', '**two**']
    """
    found: list[str] = []
    outer = base = last = None  # kind and indentation of the outer list; the last number of a numbered one
    mark = 0  # of `found`, when `last` was
    for line in text.splitlines():
        body = line.strip()
        if not body:
            continue
        marker = _MARKER.match(body)
        indent = len(line) - len(line.lstrip()) + 3 * line[: len(line) - len(line.lstrip())].count("\t")
        if not marker:
            if _bold(body) or _HEADING.match(body) or body.rstrip(_CLOSERS)[-1:] == ":":
                outer = base = None
            continue
        said = body[marker.end() :].strip()
        if not any(c.isalnum() for c in said) or (base is not None and indent > base + 1):
            continue
        kind = marker.lastgroup
        number = int(marker["number"]) if kind == "number" else None
        if number is not None and last is not None and number == last + 1:
            del found[mark:]  # the list goes on: what came between were details
        elif outer not in (None, kind):
            continue
        found.append(said)
        outer, base = kind, indent if base is None else min(base, indent)
        if number is not None:
            last, mark = number, len(found)
    return found


def script_share(text: str, script: str) -> float | None:
    """Which share of the letters (with the vowel signs and other marks on them) is of a script; 0 to 1.

    script: a name of `config.checks.SCRIPTS`. Marks that serve several scripts are left out.
    returns: None if there are no letters. raises: KeyError for another script.
    source: Unicode character names, whose first word is the script.

    >>> script_share("नेपाली ok", "Devanagari")
    0.75
    """
    own = total = 0
    for character, n in Counter(text).items():
        name = unicodedata.name(character, "")
        if unicodedata.category(character)[0] in "LM" and not name.startswith(("COMBINING", "VARIATION", "ZERO")):
            total += n
            own += n if name.startswith(SCRIPTS[script]) else 0
    return own / total if total else None


@dataclass(frozen=True, slots=True)
class Repetition:
    """again: sentences of at least `SENTENCE` words that stand in the text before, word for word.
    share: of the words, those in runs of `RUN` words that stand in the text before; 0 to 1."""

    again: int
    share: float


RUN = 6
SENTENCE = 6


def repetition(text: str) -> Repetition:
    """How much of a text only says again what it said before.

    Capitals, punctuation and the markers of lists make no difference. A phrase that is said in a loop k times, and
    nothing else, has a share of about (k - 1)/k. Shorter sentences than `SENTENCE` words ("Owner: Li.") may stand
    twice in healthy text, and count by their share only.
    Limit: languages that are written without spaces have no words, and no repetition here.
    source: after the share in duplicate n-grams of Rae et al., Scaling Language Models (Gopher), 2021, table A1, which
    counts the first of the equal runs, too; here it is no repetition.
    """
    parts = [folded for sentence in sentences(text) if (folded := _folded(sentence))]
    long = [tuple(part) for part in parts if len(part) >= SENTENCE]
    said = [word for line in _lines(text) for word in _folded(_without_marker(line))]
    seen: set[tuple[str, ...]] = set()
    repeated = covered = 0  # words; `covered`: up to which word they are counted
    for end in range(RUN, len(said) + 1):
        run = tuple(said[end - RUN : end])
        if run in seen:
            repeated += end - max(covered, end - RUN)
            covered = end
        seen.add(run)
    return Repetition(len(long) - len(set(long)), repeated / len(said) if said else 0.0)


def _without_marker(line: str) -> str:
    marker = _MARKER.match(line)
    return line[marker.end() :] if marker else line


def _folded(text: str) -> list[str]:
    """Words without capitals and punctuation."""
    kept = ("".join(c for c in word if c.isalnum() or unicodedata.category(c)[0] == "M") for word in words(text))
    return [word.casefold() for word in kept]
