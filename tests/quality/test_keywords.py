"""Words, dates and numbers that have to occur in a reply, in the ways in which people write them."""

import pytest
from hypothesis import given, settings, strategies as st

from slmbench.quality.keywords import occur

OCCUR = [  # keyword, text
    ("Li", "Li measures memory."),
    ("li", "**LI**: memory"),
    ("Okafor", "Ms Okafor's forms"),
    ("24 March", "moved to 24 March."),
    ("24 March", "moved to 24\u00a0March"),
    ("24 March", "moved to 24\nMarch"),
    ("24 March", "on the **24th** of March"),
    ("24 March", "24th March"),
    ("March 24", "March 24th, 2026"),
    ("24th of March", "24 March"),
    ("24 Mar*", "by 24 Mar"),
    ("Mar* 24", "by March 24"),
    ("12,400", "12400 a year"),
    ("12,400", "12,400 a year"),
    ("12400", "12'400 or 12\u202f400"),
    ("1,00,000", "१,००,००० रुपैयाँ"),
    ("५२०", "520 रुपैयाँ"),
    ("520", "फिर्ता ५२० रुपैयाँ।"),
    ("480", "Rs480, रु.४८०"),
    ("10", "at 10am"),
    ("10", "at 10:00"),
    ("5", "17-5 votes"),
    ("17-5", "17–5 votes"),
    ("5", "It is 5."),
    ("plus sign", "a plus\tsign"),
    ("scanner*", "broken scanners"),
    ("रमेश*", "रमेशले सूची"),
    ("शुक्रबार*", "शुक्रबारसम्म"),
    ("पुस्तकालय", "पुस्तकालय।"),
    ("café", "cafe\u0301"),
    ("can't", "they can’t"),
    ("सर्यो", "सर्\u200dयो"),
    ("(e.g.", "so (e.g. this)"),
]
MISSING = [
    ("Li", "The list of limits"),
    ("Li", ""),
    ("6 March", "16 March"),
    ("6 March", "6 Marching bands"),
    ("March 2", "March 24"),
    ("5", "3.5 or 5.3 or 1,5 or 15"),
    ("400", "12,400"),
    ("12,400", "12,4001"),
    ("छ", "छन् र छु"),
    ("है", "हैं"),
    ("scanner", "scanners"),
    ("24 March", "24. March"),
    ("plus sign", "plus-sign"),
    ("a*", "b c"),
    ("10 ten", "10"),
]


@pytest.mark.parametrize(("keyword", "text"), OCCUR)
def test_it_occurs(keyword, text):
    assert occur([keyword], text)
    assert occur(["nowhere in the text", keyword], f"Before: {text} After.")


@pytest.mark.parametrize(("keyword", "text"), MISSING)
def test_it_does_not_occur(keyword, text):
    assert not occur([keyword], text)


def test_a_later_place_counts_where_an_earlier_one_is_part_of_a_word():
    assert occur(["Li"], "A list for Li")
    assert occur(["5"], "15 or 5")


def test_a_keyword_of_nothing_never_occurs():
    assert not occur(["\u200b", "*", " "], "* \u200b anything")
    assert not occur([], "anything")


word = st.text("ab1.,-'्क\ud800", min_size=1, max_size=6)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(word, min_size=1, max_size=4), st.integers(0, 3))
def test_any_phrase_occurs_in_itself_and_among_other_words(parts, spaces):
    phrase = " ".join(parts)
    assert occur([phrase], phrase)
    assert occur([phrase], f"x{' ' * (1 + spaces)}{(' ' * (1 + spaces)).join(parts)} x")
    assert not occur([phrase + " zz"], phrase)


HOSTILE = {
    "the word itself": "march" * 2**18,
    "the word in words": "marches-" * 2**17,
    "the phrase but for its end": "mar 1" * 2**18,
    "digits": "1" * 2**20,
    "thousands": "1,000" * 2**18,
    "lakhs": "11," * 2**18,
    "ordinals": "1st of " * 2**17,
    "marks": "a" + "\u0301\u0323" * 2**19,
    "marks in words": ("a" + "\u0301\u0323" * 90 + " ") * 2**12,
    "no letters": "\0\ud800\u202e" * 2**18,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_megabyte_of_anything_takes_no_time_that_grows_with_its_square(text):
    """A square would take hours; the 60 s of a test end it."""
    assert not occur(["mar* 6", "march", "12,400", "march* mar*", "\u0301*x"], text)
