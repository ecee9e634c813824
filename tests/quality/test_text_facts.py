"""Counts in real texts, by hand: sentences, list items, words, letters of a script."""

import random

import pytest
from hypothesis import given, settings, strategies as st

from slmbench.quality.text_facts import characters, list_items, repetition, script_share, sentences, words

QUICK = settings(max_examples=100, deadline=None, database=None)
SENTENCES = {
    # stops
    "Local models answer offline. They keep data at home.": 2,
    "Local models answer offline": 1,
    "Local models answer offline. They keep data at home": 2,
    "Is it fast? Yes! It is.": 3,
    "Really?! Yes!!! Fine.": 3,
    "Wait... Then it answered.": 2,
    "Wait… Then it answered.": 2,
    "It loads, waits ... and answers.": 1,
    "The model … answers.": 1,
    "": 0,
    " \n\t ": 0,
    "...": 0,
    "?!": 0,
    "🎉": 0,
    "Great! 🎉": 1,
    "Great! 🎉 Next one.": 2,
    # stops that end nothing
    "It takes 3.5 seconds on version 2.0.1 of the runtime.": 1,
    "It costs $4.50. That is little.": 2,
    "See example.org/a.html for more. It helps.": 2,
    "Some tasks, e.g. summaries, i.e. short texts, etc. are easy.": 1,
    "Summaries, lists, etc. These are easy.": 2,
    "Dr. Okafor met Mr. Brandt and Ms. Lindqvist vs. Prof. Li.": 1,
    "Data stays in the U.S. It is not sent abroad.": 2,
    "The U.S. Army tested it in the U.K. last year.": 1,
    "J. R. Smith wrote it with A. Turing.": 1,
    "Plan A failed. Plan B. The rest is known.": 3,
    "She has a Ph.D. in physics. He has none.": 2,
    "We meet at 10 a.m. tomorrow. We end at 5 p.m. Then we go.": 3,
    "See Fig. 3 and No. 5 on p. 7. They agree.": 2,
    "The answer is no. It never was.": 2,
    "Apple Inc. Board members met. They left.": 2,
    "He works at Nordlager Ltd. The firm is small.": 2,
    "Due by Mar. 6 or Feb. 4 at the latest.": 1,
    "The total is 480. The change is 520.": 2,
    "In 2024. In 2025.": 2,
    # quotes, brackets, marks
    'He said "Stop." Then he left.': 2,
    '"Why?" she asked.': 1,
    "“Is it safe?” Yes. (It is.) So use it.": 4,
    "It runs locally (no server!). It is private.": 2,
    "**Retrieval finds text.** *The model reads it.* Done.": 3,
    "It is `fast.` It is small.": 2,
    # lists
    "1. Local inference\n2. No logs\n3. Offline use": 3,
    "1. Local inference. It is private.\n2. No logs.": 3,
    "- Data stays\n- No logs": 2,
    "Here are the benefits:\n\n- Data stays\n- No logs": 2,
    "Benefits: 1. Data stays. 2. No logs.": 2,
    "1. Local inference: Local Inference\n\nLocal Inference is a method of data analysis": 2,
    "1. It works\n2. It\n3.": 2,
    # labels and headings
    "## Summary\nThe farm was chosen. The trip is in May.": 2,
    "**Summary**\n\nThe farm was chosen.": 1,
    "**Summary:** The farm was chosen.": 1,
    "Here is a summary in two sentences:\n\nThe farm was chosen. The trip is in May.": 2,
    "The SLM is ideal for situations where:": 0,
    # line ends
    "The farm was chosen\nThe trip is in May": 2,
    "The farm was\nchosen by the parents.": 1,
    "The farm was chosen.\nthen they left.": 2,
    "The farm was chosen.\r\n\r\nThe trip is in May.\r\n": 2,
    # Nepali and others
    "शनिबार सरसफाइ हुनेछ। पानी परेमा अर्को शनिबार हुनेछ।": 2,
    "शनिबार सरसफाइ हुनेछ।पानी परेमा अर्को शनिबार हुनेछ": 2,
    "शनिबार सरसफाइ हुनेछ | पानी परेमा": 1,
    "शनिबार सरसफाइ हुनेछ| पानी परेमा अर्को शनिबार|": 2,
    "शनिबार सरसफाइ हुनेछ. पानी परेमा अर्को शनिबार हुनेछ.": 2,
    "डा. रमेश र प्रा. विमला वि.सं. २०८१ मा आए।": 1,
    "के यो सुरक्षित छ? छ! राम्रो।": 3,
    "श्लोक एक॥ श्लोक दुई॥": 2,
    "१. गोपनीयता\n२. कम खर्च\n३. इन्टरनेट नचाहिने": 3,
    "本地运行很快。数据不会离开设备！好吗？": 3,
    "هل هو سريع؟ نعم. البيانات تبقى هنا.": 3,
}
ITEMS = {
    "": 0,
    "No list at all. Just prose.": 0,
    "First, data stays. Second, no logs. Third, offline.": 0,  # in prose: not counted, and said so
    "1. a\n2. b\n3. c": 3,
    "1) a\n2) b": 2,
    "(1) a\n(2) b\n(3) c": 3,
    "a) one\nb) two": 2,
    "- a\n- b": 2,
    "* a\n* b\n* c": 3,
    "• a\n• b": 2,
    "•a\n•b": 2,
    "+ a\n– b": 2,
    "**1. Data**: stays\n**2. Logs**: none": 2,
    "1. **Data**: stays\n2. **Logs**: none": 2,
    "1.**Data** stays\n2.**Logs** none": 2,
    "### 1. Data\nIt stays.\n### 2. Logs\nNone.": 2,
    "१. गोपनीयता\n२.कम खर्च\n३) इन्टरनेट": 3,
    "1️⃣ a\n2️⃣ b": 2,
    "Here are 3:\n\n1. a\n\n2. b\n\n3. c\n\nThat is all.": 3,
    "1. a\n   - detail\n   - detail\n2. b": 2,
    "- a\n  - detail\n- b\n\t- detail": 2,
    "1. a\n- detail\n- detail\n2. b\n- detail": 2,
    "1. a\nWhy:\n- detail\n- detail\n2. b": 2,
    "- A\n1. x\n2. y\n- B\n1. z": 2,
    "Decisions:\n- a\n- b\nOpen:\n- c": 3,
    "**Decisions**\n- a\n**Tasks**\n1. b\n2. c": 3,
    "1. a\n1. b\n1. c": 3,
    " 1. a\n 2. b\n3. c": 3,
    "- \n-\n---\n***\n* * *": 0,
    "1. a\n2. b\n3.": 2,
    "3.5 is a number\n2024. A year": 0,
    "*emphasis* is no item\n**neither** is this": 0,
    "-5 degrees": 0,
    "- [ ] open\n- [x] done": 2,
}


@pytest.mark.parametrize(("text", "n"), SENTENCES.items())
def test_sentences(text, n):
    assert len(sentences(text)) == n, sentences(text)


@pytest.mark.parametrize(("text", "n"), ITEMS.items())
def test_list_items(text, n):
    assert len(list_items(text)) == n, list_items(text)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("", 0),
        ("one two", 2),
        ("one — two—three", 3),
        ("a state-of-the-art, on-device model (3.5 GB)!", 6),
        ("- don't\n* it's", 2),
        ("आफ्नै कम्प्युटरमा चल्छ।", 3),
        ("... !? ***", 0),
    ],
)
def test_words(text, n):
    assert len(words(text)) == n


def test_characters_count_a_run_of_spaces_once():
    assert characters("  a \n\n b\tc ") == characters("a b c") == 5
    assert characters("नेपाली") == 6  # code points: three syllables, as a reader sees them


@pytest.mark.parametrize(
    ("text", "script", "share"),
    [
        ("local 123", "Latin", 1.0),
        ("नेपाली", "Devanagari", 1.0),
        ("नेपाली", "Latin", 0.0),
        ("नेपाली ok", "Devanagari", 0.75),
        ("Ünïcode e\u0301", "Latin", 1.0),
        ("日本語です", "Japanese", 1.0),
        ("日本語です", "Han", 0.6),
        ("Привет", "Cyrillic", 1.0),
        ("520 + 480 = १०००।", "Devanagari", None),
        ("\ud800\0🎉", "Latin", None),
        ("", "Latin", None),
    ],
)
def test_script_share(text, script, share):
    assert script_share(text, script) == share


def test_a_script_that_there_is_not():
    with pytest.raises(KeyError):
        script_share("a", "Klingon")


def test_repetition_counts_what_was_said_before():
    phrase = "the address is encoded twice here"
    assert repetition(phrase) == repetition("") == type(repetition(""))(0, 0.0)
    twice = repetition(f"{phrase.capitalize()}. **The** address is encoded twice, here!")
    assert (twice.again, twice.share) == (1, 0.5)
    assert repetition(" ".join([phrase] * 10)).share == 0.9  # without a stop it is one sentence
    assert repetition("again " * 100).share == pytest.approx(0.99)


def test_short_sentences_may_stand_twice_and_lists_may_have_one_form():
    listed = (
        "- Orders the rentals.\n  Owner: Elena.\n- Sends the scanners.\n  Owner: Ravi.\n- Writes it.\n  Owner: Elena."
    )
    assert repetition(listed) == repetition("")
    numbered = "\n".join(f"{n}. The same benefit as the others" for n in (1, 2, 3))
    assert (repetition(numbered).again, repetition(numbered).share) == (2, pytest.approx(2 / 3))


alphabet = st.sampled_from(
    [*"aB1 .!?…\n\t:;\"'()*_-#।|,़ा", "e.g. ", "U.S. ", "1. ", "- ", "**", "ने", "\0", "\ud800", "\u202e", "א"]
)
texts = st.lists(alphabet, max_size=60).map("".join) | st.text(st.characters(), max_size=60)


@QUICK
@given(texts)
def test_any_text_can_be_counted(text):
    assert len(sentences(text)) <= len(words(text)) + text.count("|") + sum(map(text.count, "।॥。！？｡"))
    assert all(any(c.isalnum() for c in s) for s in sentences(text))
    assert 0 <= len(list_items(text)) <= len(text.splitlines())
    assert 0 <= characters(text) <= len(text)
    assert script_share(text, "Latin") is None or 0 <= script_share(text, "Latin") <= 1
    found = repetition(text)
    assert 0 <= found.again <= len(sentences(text)) and 0 <= found.share < 1


@QUICK
@given(texts)
def test_another_sentence_is_one_more(text):
    assert len(sentences(text + "\nIt rains.")) == len(sentences(text)) + 1
    assert len(list_items(text + "\n\nNext:\n- One more.")) >= len(list_items(text))
    assert len(words(text + " more")) == len(words(text)) + 1


plain = st.lists(
    st.lists(st.sampled_from(["it", "rains", "3.5", "e.g.", "Ms.", "here"]), min_size=1, max_size=6),
    min_size=1,
    max_size=8,
)


@QUICK
@given(plain, st.sampled_from([".", "!", "?", "?!", ".”", ".)"]))
def test_sentences_of_plain_words_are_as_many_as_were_put_together(parts, stop):
    made = [f"The {' '.join(part)} end{stop}" for part in parts]
    assert sentences(" ".join(made)) == sentences("\n".join(made)) == made


@QUICK
@given(texts, st.integers(0, 99))
def test_further_spaces_change_nothing(text, seed):
    draw = random.Random(seed)
    wider = "".join(c + " " * draw.randint(0, 2) if c == " " else c for c in text)
    wider = wider.replace("\n", " \n\n") + "\n"
    for fact in (sentences, words, characters, repetition):
        assert fact(wider) == fact(text)


HOSTILE = {
    "stops": "." * 2**18,
    "stops and spaces": ". " * 2**17,
    "stops before a letter": "." * 2**18 + "x",
    "dotted": "a." * 2**17,
    "dotted words": "a.b. " * 2**16,
    "closers": "*" * 2**18 + "x",
    "dandas": "।" * 2**18,
    "pipes": "क" + "|" * 2**18,
    "marks": "a" + "\u0301\u0323" * 2**17,
    "spaces": " " * 2**18 + "x",
    "lines": "\n" * 2**18,
    "tabs": "\t" * 2**18 + "- a",
    "numbers": "1. " * 2**16,
    "a list": "1. a\n" * 2**15,
    "nested": "".join(" " * (n % 50) + "- a\n" for n in range(2**13)),
    "digits": "1" * 2**18,
    "hashes": "#" * 2**18,
    "one word": "a" * 2**18,
    "one loop": "a b " * 2**16,
    "no letters": "\0\ud800\u202e" * 2**16,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_much_of_anything_takes_no_time_that_grows_with_its_square(text):
    """A square of 256 kB would take many minutes; the 60 s of a test end it."""
    for fact in (sentences, list_items, words, characters, repetition):
        fact(text)
    script_share(text, "Latin")
