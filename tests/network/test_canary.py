"""The canaries themselves: a careless client is caught, and a key is found in whatever form it is written."""

import base64
import subprocess
import sys

import pytest
from canary import ACCOUNT, KEY, LOGIN, Canary, environment, hostile, where

CARELESS = "import urllib.request; urllib.request.urlopen('http://127.0.0.2:9/', timeout=5)"
BORROWING = "import openai; openai.OpenAI(max_retries=0).models.list()"


@pytest.mark.parametrize(("code", "sent"), [(CARELESS, b"http://127.0.0.2:9/"), (BORROWING, ACCOUNT.encode())])
def test_a_careless_client_calls_the_canary(tmp_path, code, sent):
    with Canary() as canary:
        env = environment(hostile(canary, tmp_path))
        env["SSL_CERT_FILE"] = env["SSL_CERT_DIR"] = ""
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False, timeout=60)
    assert canary.calls and sent in canary.calls[0]


def test_a_start_up_script_would_call_it(tmp_path):
    with Canary() as canary:
        env = environment({**hostile(canary, tmp_path), "http_proxy": ""})
        subprocess.run([sys.executable, "-i"], env=env, input="", capture_output=True, text=True, check=False)
    assert len(canary.calls) == 1


def test_nobody_has_called():
    with Canary() as canary:
        pass
    assert canary.calls == []


WRITTEN = {
    "the key": f"Bearer {KEY}",
    "the key in capitals": KEY.upper(),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "one half": KEY[len(KEY) // 2 :],
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_key_is_found_in_files_and_texts(tmp_path, text):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (inside / "log").write_bytes(b"\xff\x00" + text.encode())
    assert all(str(inside / "log") in line for line in where(KEY, tmp_path)) and where(KEY, tmp_path)
    assert where(KEY, text) and where(KEY, text.encode())
    assert where(ACCOUNT, tmp_path) == []


def test_a_key_in_a_files_name_is_found(tmp_path):
    (tmp_path / f"{LOGIN}.json").write_text("", encoding="utf-8")
    assert len(where(LOGIN, tmp_path)) >= 1
    assert where(KEY, tmp_path) == []
