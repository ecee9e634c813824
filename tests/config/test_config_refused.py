"""A corpus of parameters, variables and run entries that are refused: by name, with what was found and expected."""

import json

import pytest

from slmbench import config
from slmbench.errors import UsageError

# parameters, then fragments of the message
REFUSED = {
    "three": ({"rounds": "three"}, ["rounds (parameter)", '"three" was found', "a whole number from 1 to 100000"]),
    "text of a number": ({"rounds": "3"}, ["rounds (parameter)", '"3" was found']),
    "zero": ({"rounds": 0}, ["rounds (parameter)", "0 was found"]),
    "negative": ({"rounds": -1}, ["rounds (parameter)", "-1 was found"]),
    "fraction": ({"rounds": 2.5}, ["rounds (parameter)", "2.5 was found", "a whole number"]),
    "float": ({"rounds": 3.0}, ["rounds (parameter)", "3.0 was found", "a whole number"]),
    "truth": ({"rounds": True}, ["rounds (parameter)", "true was found"]),
    "not a number": ({"rounds": float("nan")}, ["rounds (parameter)", "nan was found"]),
    "nan where floats are": ({"temperature": float("nan")}, ["temperature (parameter)", "a finite number"]),
    "infinite": ({"deadline_s": float("inf")}, ["deadline_s (parameter)", "inf was found"]),
    "too many": ({"rounds": 10**400}, ["rounds (parameter)", "more than 18 digits"]),
    "list of rounds": ({"rounds": [3]}, ["rounds (parameter)", "a list was found"]),
    "odd type": ({"rounds": object()}, ["rounds (parameter)", "the type object"]),
    "hot": ({"temperature": 2.5}, ["temperature (parameter)", "a number from 0 to 2"]),
    "no tokens": ({"max_tokens": 0}, ["max_tokens (parameter)", "from 1 to"]),
    "negative warm-up": ({"warmup": -1}, ["warmup (parameter)", "from 0 to"]),
    "stream as number": ({"stream": 0}, ["stream (parameter)", "0 was found", "true or false"]),
    "stream as text": ({"stream": "0"}, ["stream (parameter)", '"0" was found', "true or false"]),
    "remote as text": ({"allow_remote": "yes"}, ["allow_remote (parameter)", '"yes" was found']),
    "unknown": ({"round": 3}, ['unknown parameter "round"', 'did you mean "rounds"']),
    "unlike anything": ({"zzz": 3}, ['unknown parameter "zzz"']),
    "derived field": ({"prompts_from": "x"}, ['unknown parameter "prompts_from"']),
    "no models": ({"models": []}, ["models (parameter)", "an empty list", "at least one"]),
    "empty models": ({"models": ""}, ["models (parameter)", "an empty name"]),
    "empty name": ({"models": "a,,b"}, ["models (parameter)", "an empty name in place 2"]),
    "comma at the end": ({"models": "a,"}, ["models (parameter)", "an empty name in place 2"]),
    "model twice": ({"models": ["a", "b", "a"]}, ["models (parameter)", '"a" twice', "once"]),
    "auto beside": ({"models": "auto,a"}, ["models (parameter)", '"auto" beside']),
    "list as text": ({"models": "['a', 'b']"}, ["models (parameter)", "quotes and brackets"]),
    "model with a space": ({"models": ["a b"]}, ["models (parameter)", '"a b"']),
    "model is a number": ({"models": ["a", 2]}, ["models (parameter)", "2 in place 2"]),
    "models is a number": ({"models": 2}, ["models (parameter)", "2 was found"]),
    "no prompts": ({"prompts": []}, ["prompts (parameter)", "nothing in it"]),
    "blank prompt": ({"prompts": ["a", " "]}, ["prompts (parameter) [1]", '" " was found']),
    "half a character": ({"prompts": ["\ud83d"]}, ["prompts (parameter) [0]", "U+D83D"]),
    "unknown set": ({"prompts": "rag5"}, ["prompts (parameter)", 'no set "rag5"', 'did you mean "rag4"']),
    "prompts is a number": ({"prompts": 4}, ["prompts (parameter)", "4 was found", "a list of texts"]),
    "same prompts": (
        {"prompts": [config.Prompt("a", "x"), config.Prompt("a", "y")]},
        ["prompts (parameter)", 'two prompts with the id "a"'],
    ),
    "no scheme": ({"endpoint": "localhost:5273"}, ["endpoint (parameter)", "without http://", "http or https"]),
    "other scheme": ({"endpoint": "ftp://localhost"}, ["endpoint (parameter)", 'the scheme "ftp"']),
    "script": ({"endpoint": "file:///etc/passwd"}, ["endpoint (parameter)", 'the scheme "file"']),
    "no host": ({"endpoint": "http://:5273"}, ["endpoint (parameter)", "without a host"]),
    "port 0": ({"endpoint": "http://localhost:0"}, ["endpoint (parameter)", "port"]),
    "port too large": ({"endpoint": "http://localhost:99999"}, ["endpoint (parameter)", "port"]),
    "space in the address": ({"endpoint": "http://local host"}, ["endpoint (parameter)", "spaces"]),
    "letters like ours": ({"endpoint": "http://ⓛocalhost"}, ["endpoint (parameter)"]),
    "port only": ({"endpoint": 5273}, ["endpoint (parameter)", "5273 was found", "text"]),
    "models file is a number": ({"models_file": 5}, ["models file", "the path of a file"]),
}


@pytest.mark.parametrize(("given", "fragments"), REFUSED.values(), ids=REFUSED)
def test_a_bad_parameter_is_refused(given, fragments):
    with pytest.raises(UsageError) as caught:
        config.settings(environ={}, **given)
    for fragment in fragments:
        assert fragment in caught.value.message
    assert caught.value.cure


@pytest.mark.parametrize(
    ("variable", "text", "fragments"),
    [
        ("BENCH_ROUNDS", "three", ['"three" was found', "a whole number"]),
        ("BENCH_ROUNDS", "2.5", ['"2.5" was found', "a whole number"]),
        ("BENCH_ROUNDS", "-1", ["-1 was found"]),
        ("BENCH_ROUNDS", "9" * 6000, ["was found"]),
        ("BENCH_MAX_TOKENS", "1e3", ['"1e3" was found']),
        ("BENCH_TEMPERATURE", "nan", ['"nan" was found']),
        ("BENCH_TEMPERATURE", "0,5", ['"0,5" was found']),
        ("BENCH_STREAM", "yes", ['"yes" was found', "true or false"]),
        ("BENCH_MODELS", "a,a", ['"a" twice']),
        ("BENCH_MODELS", ",", ["an empty name"]),
        ("BENCH_PROMPT", "caf\udce9", ["U+DCE9"]),
        ("FOUNDRY_LOCAL_ENDPOINT", "http://windows-host:5273/v1", ['the host "windows-host"']),
        ("FOUNDRY_LOCAL_ENDPOINT", "localhost", ["without http://"]),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(variable, text, fragments):
    with pytest.raises(UsageError) as caught:
        config.settings(environ={variable: text})
    for fragment in [f"{variable} (environment variable)", *fragments]:
        assert fragment in caught.value.message
    assert caught.value.cure


def test_a_variable_that_a_parameter_overrides_is_not_looked_at():
    assert config.settings(environ={"BENCH_ROUNDS": "three"}, rounds=4).rounds == 4


@pytest.mark.parametrize(
    ("run", "fragments"),
    [
        ({"models": "a,,b"}, ["run.models (", "m.json)", "an empty name"]),
        ({"endpoint": "http://example.org"}, ["run.endpoint (", "m.json)", "this machine"]),
        ({"prompts": "rag5"}, ["run.prompts (", "m.json)", 'no set "rag5"']),
        ({"prompts": "none.txt"}, ["run.prompts (", "none.txt", "there is no such file"]),
        ({"prompts": [" "]}, ["run.prompts (", "[0]", '" " was found']),
    ],
)
def test_a_bad_run_is_refused_with_its_file(tmp_path, run, fragments):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"run": run}), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        config.settings(path, environ={})
    for fragment in fragments:
        assert fragment in caught.value.message
