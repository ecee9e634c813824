"""The corpus of bad input as a whole: every class of mistake, at every door, with the message it has to meet."""

import json

import pytest
from test_config_bad_files import BAD_MODELS, BAD_PROMPTS
from test_config_load_shapes import REFUSED as REFUSED_LOADS
from test_config_refused import REFUSED

from slmbench import config
from slmbench.errors import UsageError

MB = 2**20
BOM, UTF16 = b"\xef\xbb\xbf", b"\xff\xfe"
HERE = "this machine (localhost, 127.0.0.1 or [::1])"


def prompts_file(folder, content):
    (folder / "mine.json").write_bytes(content)
    config.read_prompts(folder / "mine.json")


def text_file(folder, content):
    (folder / "mine.txt").write_bytes(content)
    config.read_prompts(folder / "mine.txt")


def models_file(folder, content):
    (folder / "mine.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    config.settings(folder / "mine.json", environ={})


def parameter(_, given):
    config.settings(environ={}, **given)


def option(_, given):
    config.settings(environ={}, given_as="option", **given)


def variable(_, given):
    config.settings(environ=given)


def entry(_, given):
    config.entry_from(given)


def prompt(_, given):
    config.prompt_from(given)


def url(text):
    return {"endpoint": text}


# class of mistake, then name: door, what comes in, fragments of the message
CORPUS = {
    "types": {
        "a list for a number": (option, {"rounds": ["3"]}, ["--rounds (option)", "a list was found", "a whole number"]),
        "a truth in words": (variable, {"BENCH_STREAM": "on"}, ["BENCH_STREAM", '"on" was found', "true or false"]),
        "a number as models": (models_file, {"run": {"models": 5}}, ["run.models", "5 was found", "text or a list"]),
        "an entry's tags": (
            entry,
            {"alias": "a", "capabilities": "chat"},
            ["capabilities", '"chat" was found', "a list"],
        ),
        "an entry's name": (entry, {"alias": 5}, ["alias", "5 was found", "text"]),
        "an entry without name": (entry, {"licence": "MIT"}, ["entry of a plan", '"alias" is missing']),
        "an entry that is none": (entry, ["alias"], ["top level", "a list was found", "an object"]),
        "a prompt's text": (prompt, {"id": "a", "text": None}, ["prompt of a plan, text", "null was found"]),
        "a prompt's aspects": (prompt, {"id": "a", "text": "t", "aspects": [1]}, ["aspects[0]", "1 was found", "text"]),
    },
    "ranges": {
        "more than any seed": (option, {"seed": "4294967296"}, ["--seed (option)", "4294967296", "0 to 4294967295"]),
        "a deadline of days": (option, {"deadline_s": "86401"}, ["--deadline-s (option)", "up to 86400"]),
        "an exponent too far": (option, {"temperature": "1e999"}, ["--temperature (option)", "a finite number"]),
        "an entry's size": (entry, {"alias": "a", "size_mb": -1}, ["size_mb", "-1 was found", "above 0"]),
        "an entry's threads": (entry, {"alias": "a", "threads": 0}, ["threads", "0 was found", "from 1 to 1024"]),
        "more models than a run has": (
            parameter,
            {"models": [f"m{n}" for n in range(1001)]},
            ["1001 names", "at most 1000"],
        ),
        "a long alias": (parameter, {"models": "x" * 201}, ["models (parameter)", "up to 200 visible characters"]),
        "a long address": (parameter, url(f"http://localhost/{'x' * 2000}"), ["2017 characters", "at most 2000"]),
    },
    "duplicates": {
        "a variable with a model twice": (variable, {"BENCH_MODELS": "a,b, a"}, ["BENCH_MODELS", '"a" twice']),
        "an option with a level twice": (option, {"concurrency": "2,4,2"}, ["--concurrency (option)", "2 twice"]),
        "a setting twice": (models_file, b'{"run": {"rounds": 1, "rounds": 2}}', ["run:", '"rounds" stands twice']),
    },
    "checks": {
        "of no kind": (
            prompts_file,
            b'{"sets": {"s": [{"id": "a", "text": "t", "checks": [{"kind": "length", "max": 3}]}]}}',
            ["sets.s[0].checks[0].kind", '"length" was found', "one of words, characters, sentences"],
        ),
        "a limit in words": (
            prompt,
            {"id": "a", "text": "t", "checks": [{"kind": "words", "max": "nine"}]},
            ["prompt of a plan, checks[0].max", '"nine" was found', "a whole number"],
        ),
        "an aspect that there is not": (
            prompt,
            {"id": "a", "text": "t", "aspects": ["b"], "checks": [{"kind": "repetition", "aspect": "c\n"}]},
            ["prompt of a plan, checks[0].aspect", '"c\\n" was found', "one of the prompt's aspects"],
        ),
        "a keyword that is none": (
            prompt,
            {"id": "a", "text": "t", "checks": [{"kind": "keywords", "groups": ["b", ["\u200b"]]}]},
            ["prompt of a plan, checks[0].groups[1]", '"\\u200b" was found', "words were expected"],
        ),
        "that are none": (
            prompt,
            {"id": "a", "text": "t", "checks": {"kind": "words"}},
            ["prompt of a plan, checks:", "an object was found", "a list"],
        ),
    },
    "unknown keys": {
        "a prompt with the schema's name of another": (
            prompts_file,
            b'{"sets": {"s": [{"id": "a", "text": "t", "prompt": "u"}]}}',
            ["sets.s[0]", 'unknown key "prompt"'],
        ),
        "a setting that only an option has": (models_file, {"run": {"out": "x"}}, ["run", 'unknown key "out"']),
        "an option that there is not": (option, {"max_token": 1}, ['unknown option "--max-token"', '"--max-tokens"']),
    },
    "encodings": {
        "UTF-16 without a mark": (text_file, "hi".encode("utf-16-le"), ["mine.txt", "a NUL byte was found at byte 1"]),
        "Windows-1252": (text_file, b"na\xefve", ["mine.txt, line 1", "byte 2 (0xEF)", "not valid UTF-8"]),
        "a cut character": (text_file, "ok\nनेपाली".encode()[:-1], ["mine.txt, line 2", "not valid UTF-8"]),
        "an overlong slash": (prompts_file, b'["\xc0\xaf"]', ["not valid JSON", "line 1", "0xC0"]),
        "half a character in bytes": (prompts_file, b'["\xed\xa0\x80"]', ["not valid JSON", "0xED"]),
        "an address beyond ASCII": (parameter, url("http://localhost/é"), ["endpoint (parameter)", "not ASCII"]),
        "an address that turns around": (parameter, url("http://localhost/\u202ea"), ["endpoint", "not ASCII"]),
    },
    "a byte order mark": {
        "of UTF-16": (prompts_file, UTF16 + '["a"]'.encode("utf-16-le"), ["UTF-16", "UTF-8 was expected"]),
        "of UTF-16, text": (text_file, "\ufeffhi".encode("utf-16-be"), ["mine.txt", "UTF-16 or UTF-32"]),
        "of UTF-32": (models_file, "\ufeff{}".encode("utf-32-le"), ["mine.json", "UTF-16 or UTF-32"]),
        "twice": (prompts_file, BOM + BOM + b'["a"]', ["not valid JSON", "line 1, column 1"]),
        "and nothing else": (models_file, BOM, ["mine.json", "it is empty"]),
    },
    "10 MB prompts": {
        "in a text file": (text_file, b"x" * (10 * MB), ["10485760 bytes were found", "at most 8388608"]),
        "in a JSON file": (prompts_file, b'["' + b"x" * (10 * MB) + b'"]', ["10485764 bytes", "at most 8388608"]),
        "as a parameter": (
            parameter,
            {"prompts": ["x" * (10 * MB)]},
            ["prompts (parameter)", "10485760 bytes of text"],
        ),
        "as many": (parameter, {"prompts": ["é" * MB] * 5}, ["prompts (parameter)", "10485760 bytes of text"]),
        "as a variable": (variable, {"BENCH_PROMPT": "x" * (10 * MB)}, ["BENCH_PROMPT", "10485760 bytes of text"]),
    },
    "NUL": {
        "in an alias": (parameter, {"models": ["a\0b"]}, ["models (parameter) [0]", "a NUL character"]),
        "in a list of aliases": (variable, {"BENCH_MODELS": "a,\0"}, ["BENCH_MODELS", "[1]", "a NUL character"]),
        "in a prompt": (parameter, {"prompts": ["a", "\0"]}, ["prompts (parameter) [1]", "a NUL character"]),
        "in the name of a set": (option, {"prompts": "rag4\0"}, ["--prompts (option)", "a NUL character"]),
        "in an address": (option, url("http://localhost\0"), ["--endpoint (option)", "a NUL character"]),
        "in limits": (parameter, {"slo": {"ttft_s\0": 1}}, ["slo (parameter)", "in a key: a NUL character"]),
        "in a text file": (text_file, b"a\0b", ["mine.txt", "a NUL byte was found at byte 1"]),
    },
    "lone surrogates": {
        "in an alias": (option, {"models": "a\udcff"}, ["--models (option) [0]", "U+DCFF"]),
        "in a variable": (variable, {"BENCH_MODELS": "\udc80"}, ["BENCH_MODELS", "U+DC80"]),
        "in a path": (option, {"prompts": "caf\udce9.txt"}, ["--prompts (option)", "U+DCE9"]),
        "in an address": (option, url("http://localhost/\ud800"), ["--endpoint (option)", "U+D800"]),
        "in an entry of the models": (models_file, b'{"a": {"note": "\\ud83d"}}', ["a.note", "U+D83D"]),
    },
    "paths with ..": {
        "a file that is not there": (
            option,
            {"prompts": "../none/a.json"},
            ["../none/a.json", "there is no such file"],
        ),
        "a folder": (parameter, {"prompts": "../../"}, ['"../.." was found', "a .json or .txt file"]),
        "of another kind": (option, {"prompts": "../../etc/passwd"}, ["../../etc/passwd", "a .json or .txt file"]),
        "a set beside the file": (parameter, {"prompts": "../p.json#../x"}, ["../p.json#../x", "a .json or .txt file"]),
        "from a file of models": (models_file, {"run": {"prompts": "../no.txt"}}, ["run.prompts (", "../no.txt"]),
        "an alias of a file": (models_file, {"../x": {}}, ["top level", '"../x" was found as a name']),
        "a name of a set": (
            prompts_file,
            b'{"sets": {"../x": [{"id": "a", "text": "t"}]}}',
            ["sets:", '"../x" was found as a name'],
        ),
    },
    "addresses with a user": {
        "and a password": (
            parameter,
            url("http://u:pw@localhost"),
            ["endpoint (parameter)", "a user name or password"],
        ),
        "alone": (option, url("http://u@127.0.0.1:5273/v1"), ["--endpoint (option)", "a user name or password"]),
        "that is empty": (parameter, url("http://@localhost"), ["endpoint (parameter)", "a user name or password"]),
        "that looks like the host": (parameter, url("http://localhost:80@example.org"), ["a user name or password"]),
        "in a variable": (
            variable,
            {"FOUNDRY_LOCAL_ENDPOINT": "https://:k@localhost"},
            ["FOUNDRY_LOCAL_ENDPOINT", "user"],
        ),
        "in a file": (models_file, {"run": url("http://u:p@localhost")}, ["run.endpoint (", "mine.json", "user"]),
    },
    "other schemes": {
        "of files": (option, url("file:///etc/passwd"), ["--endpoint (option)", 'the scheme "file"']),
        "of pages": (parameter, url("javascript://localhost/%0aalert(1)"), ['the scheme "javascript"']),
        "of sockets": (parameter, url("ws://localhost:5273"), ['the scheme "ws"', "http or https"]),
        "of data": (parameter, url("data:text/plain,hi"), ["without http://"]),
        "none, and two slashes": (parameter, url("//localhost:5273"), ["endpoint (parameter)", "http or https"]),
        "of unix sockets": (variable, {"FOUNDRY_LOCAL_ENDPOINT": "unix:///run/x"}, ['the scheme "unix"']),
    },
    "other machines": {
        "of the house": (option, url("http://10.0.0.5:5273"), ["--endpoint (option)", 'the host "10.0.0.5"', HERE]),
        "of the world": (variable, {"FOUNDRY_LOCAL_ENDPOINT": "https://api.openai.com/v1"}, ["api.openai.com", HERE]),
        "of clouds": (parameter, url("http://169.254.169.254/latest"), ['the host "169.254.169.254"', HERE]),
        "any": (parameter, url("http://0.0.0.0:5273"), ['the host "0.0.0.0"', HERE]),
        "by a name with ours in it": (parameter, url("http://localhost.example.org"), ["localhost.example.org", HERE]),
        "in other digits": (parameter, url("http://0x7f000001/"), ['the host "0x7f000001"', HERE]),
        "in a file": (models_file, {"run": url("http://example.org")}, ["run.endpoint (", HERE]),
    },
}
CASES = {f"{kind}: {name}": case for kind, cases in CORPUS.items() for name, case in cases.items()}


@pytest.mark.parametrize(("door", "given", "fragments"), CASES.values(), ids=CASES)
def test_it_is_refused_with_what_was_found_and_expected(tmp_path, door, given, fragments):
    with pytest.raises(UsageError) as caught:
        door(tmp_path, given)
    for fragment in fragments:
        assert fragment in caught.value.message
    assert caught.value.message.isprintable() and len(caught.value.message) < 1000
    assert caught.value.cure


def test_the_corpus_has_every_class_at_more_than_one_door_and_is_large():
    doors = {kind: {door for door, _, _ in cases.values()} for kind, cases in CORPUS.items()}
    assert len(CORPUS) == 14
    assert {kind: len(at) for kind, at in doors.items() if len(at) < 2} == {}
    assert min(map(len, CORPUS.values())) >= 3
    elsewhere = [*BAD_PROMPTS.values(), *BAD_MODELS.values(), *REFUSED.values(), *REFUSED_LOADS.values()]
    distinct = {(door, repr(given)) for door, given, _ in CASES.values()}
    assert len(distinct) == len(CASES) >= 75
    assert len(distinct) + len({repr(given) for given, *_ in elsewhere}) >= 250


@pytest.mark.parametrize("alias", ["../x", "a/../../b", "C:\\x", "con", "nul", "..", "org/model", "a%2e%2e", "-x", "~"])
def test_an_alias_may_look_like_a_path_as_no_file_is_named_after_it(alias):
    """Models are called so by foreign servers; `test_cli_refused.py` sees that nothing is written by such a name."""
    assert config.settings(environ={}, models=[alias]).models == (alias,)


def test_a_path_with_dots_that_leads_to_a_file_is_a_path(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "p.txt").write_bytes(BOM + b"hi")
    got = config.settings(environ={}, prompts=str(tmp_path / "a" / ".." / "p.txt"))
    assert [p.text for p in got.prompts] == ["hi"]  # and the mark is no part of it
