"""Keys in texts, in replies and in variables: what is taken out, and what is left alone."""

import base64
import hashlib
import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from slmbench import secret
from slmbench.measure.shape import Shape
from slmbench.measure.stream import Reply

KEY = "fl-Key/0123+4567=89'ab\"c&d"  # made up, with all that an encoding changes
OTHER = "another-secret-9876"

FORMS = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "in lower case": KEY.lower(),
    "in a URL": quote(KEY, safe=""),
    "in a path": quote(KEY),
    "in JSON": json.dumps(KEY)[1:-1],
    "in JSON, slashes escaped": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "in a Python value": repr(KEY)[1:-1],
    "in HTML": "fl-Key/0123+4567=89&#x27;ab&quot;c&amp;d",
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 for URLs": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "in base64, more after it": base64.b64encode(f"{KEY}\n".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_taken_out_in_the_usual_encodings(form):
    clean = secret.removed(f"before {form} and {form}, after", [KEY])
    assert clean.startswith("before [key removed]") and clean.endswith(", after")
    assert clean.count("[key removed]") == 2
    assert form[: len(form) // 2] not in clean


def test_texts_without_it_stay_as_they_are():
    text = "The key fl-Key is not in here. नमस्ते [key removed]"
    assert secret.removed(text, [KEY, OTHER]) == text
    assert secret.removed(f"{KEY} {OTHER}", []) == f"{KEY} {OTHER}"
    assert secret.removed("", [KEY]) == ""


@pytest.mark.parametrize("length", range(len(KEY) + 1))
def test_what_the_end_of_a_text_cuts_off_is_taken_out_from_eight_characters_on(length):
    clean = secret.removed(f"bad key: {KEY[:length]}", [KEY])
    assert clean == ("bad key: [key removed]" if length >= 8 else f"bad key: {KEY[:length]}")


def test_a_dummy_that_is_a_word_is_no_key():
    """Servers that want none are told "ollama" or "none", and replies hold these words."""
    assert secret.removed("ollama runs here", ["ollama", "k", ""]) == "ollama runs here"


def test_several_are_taken_out():
    assert secret.removed(f"{OTHER}, {KEY}", [KEY, OTHER]) == "[key removed], [key removed]"


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_what_a_request_carries(name):
    assert secret.carried({"Accept": "*/*", name: f"Bearer {OTHER}"}) == (OTHER,)
    assert secret.carried({name: f"Bearer two words of {OTHER}"}) == (f"two words of {OTHER}",)
    assert secret.carried({}) == ()


def reply(**texts):
    return Reply(chunk_s=[0.1], chunk_chars=[99], chunk_channel=["answer"], flags=["clock_jump"], **texts)


@pytest.mark.parametrize("field", ["error", "text", "reasoning_text", "finish_reason"])
def test_no_text_of_a_reply_holds_it_and_the_flag_says_so(field):
    before = reply(**{field: f"it is {KEY}"})
    after = secret.without(before, [KEY])
    assert getattr(after, field) == "it is [key removed]"
    assert after.flags == ["clock_jump", "key_removed"]
    assert (after.chunk_s, after.chunk_chars, after.chunk_channel) == ([0.1], [99], ["answer"])
    assert getattr(before, field) == f"it is {KEY}" and before.flags == ["clock_jump"]  # the reply itself is left alone


def test_the_hash_is_of_the_text_that_is_kept():
    after = secret.without(reply(text=f"a {KEY}", text_sha256="of the text as it came"), [KEY])
    assert after.text_sha256 == hashlib.sha256(b"a [key removed]").hexdigest()
    other = secret.without(reply(error=KEY, text="a", text_sha256="of a"), [KEY])
    assert other.text_sha256 == "of a"


def test_a_reply_without_it_is_the_same_object():
    found = reply(text="Hello!", error=None)
    assert secret.without(found, [KEY]) is found
    assert secret.without(found, []) is found


def test_the_shape_of_a_stream_has_no_flags_and_is_cleaned_too():
    seen = Shape("http_401", error=f"Incorrect API key: {KEY}", model=f"model-of-{KEY}", chunks=3)
    clean = replace(seen, error="Incorrect API key: [key removed]", model="model-of-[key removed]")
    assert secret.without(seen, [KEY]) == clean


KEPT = {
    "PATH": "/bin",
    "HOME": "/root",
    "SLMBENCH_HOME": "/cache",
    "LD_LIBRARY_PATH": "/opt/cuda",
    "CUDA_VISIBLE_DEVICES": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "PWD": "/work",
    "HTTPS_PROXY": "http://user:password@proxy.example:3128",  # the way to the catalogue
    "no_proxy": "localhost",
    "FOUNDRY_LOCAL_ENDPOINT": "http://127.0.0.1:5273/v1",
}
TAKEN = (
    *("FOUNDRY_LOCAL_API_KEY", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_BASE_URL", "openai_custom_headers"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GITHUB_TOKEN", "ANTHROPIC_API_KEY", "GROQ_APIKEY", "TOKEN", "Api_Key"),
    *(
        "DB_PASSWORD",
        "PGPASSWORD",
        "MINIO_SECRET_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "MY_SECRET",
        "SSH_PRIVATE_KEY",
    ),
)


def test_a_process_that_needs_no_secret_gets_none():
    assert secret.stripped(KEPT | dict.fromkeys(TAKEN, OTHER)) == KEPT


def test_an_address_with_a_password_goes_unless_it_is_a_proxy():
    with_login = {"PIP_INDEX_URL": f"https://me:{OTHER}@example.test/simple", "DATABASE_URL": f"db+x://me:{OTHER}@h/d"}
    without = {"PIP_INDEX_URL_": "https://me@example.test/simple", "DISPLAY": "host:0"}
    assert secret.stripped(with_login | without) == without
