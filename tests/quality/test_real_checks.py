"""The checks on real replies, good and bad: the kit's own prompts, and what models say."""

import dataclasses
import json

import pytest
from hypothesis import given, settings, strategies as st

from slmbench import config
from slmbench.config import Prompt
from slmbench.quality import checks, items
from slmbench.quality.checks import decided, rate

RUBRIC = config.read_rubrics()["default"]


def says_nothing_again(text):
    [found] = [c for c in checks.check(items.Item("i", Prompt("p", "?"), RUBRIC, text)) if c.kind == "repetition"]
    return found.passed


REAL = {  # of SmolLM2-135M-Instruct (int4, int8), asked with the kit's prompts: reply, how much of it, loops
    "a good one": (
        "Retrieval augmented generation is a technique used in artificial intelligence to enhance the performance of "
        "machine learning models by allowing them to retrieve and generate new data from existing data sources, such "
        "as text data, in a way that mimics the process of natural language processing.",
        True,
    ),
    "a list": (
        "Here are three privacy benefits of local inference:\n\n1. **Data Collection and Analysis**: Local inference "
        "enables users to control the scope of their data collection and analysis.\n\n2. **Data Protection and "
        "Sensitive Data**: This is particularly important for sensitive data, such as personal identifiable "
        "information (PII).\n\n3. **Data Sharing**: Local inference allows users to share less.",
        True,
    ),
    "one sentence over and over": (
        "The meeting was about a new supplier, taken down by Kim, and a third offer from Bergmann. "
        + "The meeting was about the third offer, and Kim asked about the second offer. " * 9,
        False,
    ),
    "one sentence twice in a long text": (
        "1. Local inference: Local inference is a feature of the internet that allows users to access their own "
        "personal data, such as browsing behavior and location data, from their devices. This feature is designed to "
        "enhance the user experience by providing a more personal and private data.\n\n2. Privacy-preserving data: "
        "Local inference is designed to preserve the privacy of users by only storing data that is only relevant to "
        "the user's personal life. This feature is designed to prevent data breaches and ensure that users' personal "
        "data is only used for personal purposes.\n\n3. Data protection: Local inference is designed to protect users' "
        "personal data from being used for any purpose that could be considered to be a breach of privacy. This "
        "feature is designed to prevent data breaches and ensure that users' personal data is only used for personal "
        "purposes.",
        False,
    ),
    "no sentence ends": ("1. Elena: 24 November; " + "NoRavi: 3 November; 24 November; " * 20 + "NoR", False),
    "a number": ("Amara, Jonas, Li, Priya, 23 March, " + "2023, " * 30 + "20", False),
    "Nepali": ("आपकार में " + "बैठकको आपकार में " * 11, False),
    "phrases within sentences": (
        "In this context, SML is used to train people who are already in the workforce, and it is often used to train "
        "people who are already in the workforce.\n\nAnother scenario where SML is preferred is in the context of "
        "healthcare. In this context, SML is often used in the context of healthcare, where it is used to train people "
        "who are already in the healthcare industry. In this context, SML is used to train people who are already in "
        "the healthcare industry.",
        False,
    ),
}


@pytest.mark.parametrize(("text", "passed"), REAL.values(), ids=REAL)
def test_repetition_on_real_replies(text, passed):
    assert says_nothing_again(text) == passed


def test_the_notes_in_the_kits_own_prompts_do_not_repeat_themselves():
    for name in ("rag4", "meeting-notes", "nepali"):
        for prompt in config.read_prompts(name):
            assert says_nothing_again(prompt.text), prompt.id


GOOD = {
    "release-date": "- Release moved from 17 to 24 March\n- The feature is behind a switch, off by default\n- Li: "
    "measures memory with early loading by Friday 6 March\n- Priya: calls three pilot customers by March 9th\n- Jonas: "
    "updates the release notes once the date is confirmed",
    "support-handover": "The workaround is sent until the fix ships. Maya reviews Sofia's fix before noon. Tom "
    "writes to the customers today. Open: the credit, which Hannah decides on Thursday.",
    "school-trip": "The parents voted 17 to 5 for the farm at 145 euros a child, from 21 to 25 September. A deposit of "
    "40 euros is due by 10 June and the rest by 31 August. Ms Lindqvist collects the consent forms until 30 June. Mr "
    "Brandt or Ms Haddad may come as second adult and will say so by the end of May.",
    "change-of-mind": "- Repair the scanners and rent six: Elena orders the rentals by 16 October, Ravi sends the "
    "broken ones by 13 October\n- Night shift from 24 November: Noor writes the roster by 3 November",
    "no-decision": "No supplier was chosen: Nordlager costs 12,400 and delivers twice a week, Bergmann 15,100 and "
    "daily, and the budget is 13,000. Farid asks Nordlager about a third delivery on 4 February, Ines asks accounting "
    "by Wednesday, 5 February. They speak again on 6 February at ten.",
    "ne-baithak": "- पुस्तकालय हरेक दिन बिहान १० बजे खोल्ने\n- रमेश सर: पुराना किताबको सूची, शुक्रबारसम्म\n"
    "- नयाँ किताब: पचास हजार रुपैयाँ\n- विमला मिस: दराज मर्मत, असार १५ गतेभित्र\n- खाजाघर: निर्णय भएन",
    "ne-suchana": "आगामी शनिबार बिहान ७ बजेदेखि ११ बजेसम्म प्रत्येक घरबाट कम्तीमा एक जनाले टोलको सरसफाइमा भाग लिनुपर्नेछ। "
    "पानी परेमा त्यसपछिको शनिबार हुनेछ।",
    "ne-phaida": "१. गोपनीयता: डाटा आफ्नै कम्प्युटरमा रहन्छ।\n२. इन्टरनेट नभए पनि चल्छ।\n३. खर्च कम हुन्छ।",
    "ne-bajar": "आलु: ३ × ८० = २४० रुपैयाँ। गोलभेँडा: २ × १२० = २४० रुपैयाँ। जम्मा ४८० रुपैयाँ, फिर्ता ५२० रुपैयाँ।",
    "rag-principle": "First, text that fits is retrieved. Then the model answers from it, e.g. with newer facts.",
    "privacy-benefits": "1. Data stays.\n2. Nobody logs it.\n3. It works behind a firewall.",
}
SHIPPED = {p.id: p for n in ("rag4", "meeting-notes", "nepali") for p in config.read_prompts(n) if p.checks}


@pytest.mark.parametrize("prompt", SHIPPED.values(), ids=SHIPPED)
def test_a_good_reply_passes_every_shipped_check_and_a_bad_one_none(prompt):
    good = checks.check(items.Item("i", prompt, RUBRIC, GOOD[prompt.id]))
    assert [one for one in good if not one.passed] == []
    bad = checks.check(items.Item("i", prompt, RUBRIC, "Привет, это рассказ о есть, है में हैं और नहीं."))
    assert [one for one in bad[: len(prompt.checks)] if one.passed and one.kind != "sentences"] == []


texts = st.text(st.characters(), max_size=80) | st.lists(
    st.sampled_from(list("aB1.!\n -*।ने\0\ud800")), max_size=40
).map("".join)


@settings(max_examples=100, deadline=None, database=None)
@given(text=texts, prompt=st.sampled_from(list(SHIPPED.values())), cut=st.booleans())
def test_any_reply_is_rated_the_same_each_time_and_can_be_saved(text, prompt, cut):
    of = items.Item("i", prompt, RUBRIC, text, cut, ("a",))
    [score] = rate([of])
    assert [score] == rate([of])
    assert score.explanation == f"{sum(c['passed'] for c in score.checks)} of {len(score.checks)} checks passed"
    assert json.loads(json.dumps(dataclasses.asdict(score), allow_nan=False)) == dataclasses.asdict(score)
    assert all(isinstance(c["found"], str) and c["found"].isprintable() for c in score.checks)
    assert score.flags == (["cut_off"] if cut else [])
    assert all(0 <= aspect < len(prompt.aspects) for aspect in decided(score.checks))
