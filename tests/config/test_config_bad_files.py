"""A corpus of files that can't be used: each is refused with a sentence that says where, what and what instead."""

import json

import pytest

from slmbench import config
from slmbench.errors import UsageError


def prompt(**more):
    return {"id": "a", "text": "t"} | more


def checked(*checks, **more):
    return in_set(prompt(**({"aspects": ["in two sentences"], "checks": list(checks)} | more)))


def in_set(*prompts, **top):
    return {"sets": {"s": list(prompts)}} | top


def run(**values):
    return {"models": {}, "run": values}


ANCHORS = {str(i): "x" for i in range(1, 6)}
# content, then fragments that the message must have
BAD_PROMPTS = {
    "unknown top key": (in_set(prompt(), set={}), ["top level", 'unknown key "set"', 'did you mean "sets"']),
    "misspelt sets": ({"stes": {"s": [prompt()]}}, ['unknown key "stes"', 'did you mean "sets"']),
    "no sets": ({"rubrics": {}}, ['"sets" is missing']),
    "top level text": ("hello", ['"hello" was found', "an object or a list ("]),
    "top level null": (None, ["null was found"]),
    "empty list": ([], ["a list with nothing in it", "at least one entry"]),
    "empty object": ({}, ['"sets" is missing']),
    "number in list": (["a", 5], ["[1]", "5 was found", "text"]),
    "blank text in list": (["a", "  "], ["[1]", "not only spaces"]),
    "object in list": ([prompt()], ["[0]", "an object was found", "text"]),
    "no set at all": ({"sets": {}}, ["sets", "nothing in it"]),
    "sets is a list": ({"sets": [prompt()]}, ["sets: a list was found", "an object", "was expected"]),
    "empty set": ({"sets": {"s": []}}, ["sets.s", "nothing in it"]),
    "strange set name": ({"sets": {"a b": [prompt()]}}, ["sets:", '"a b" was found as a name', "letters"]),
    "prompt is a text": ({"sets": {"s": ["t"]}}, ["sets.s[0]", '"t" was found', "an object"]),
    "no id": (in_set({"text": "t"}), ["sets.s[0]", '"id" is missing', "with id, text"]),
    "no text": (in_set({"id": "a"}), ["sets.s[0]", '"text" is missing']),
    "misspelt text": (in_set({"id": "a", "txt": "t"}), ["sets.s[0]", 'unknown key "txt"', 'did you mean "text"']),
    "id is a number": (in_set(prompt(), prompt(id=17)), ["sets.s[1].id", "17 was found", "visible characters"]),
    "id with a space": (in_set(prompt(id="a b")), ["sets.s[0].id", '"a b" was found', "without spaces"]),
    "id with markup": (in_set(prompt(id="<script>")), ["sets.s[0].id", '"<script>" was found']),
    "id like a formula": (in_set(prompt(id="=1+1")), ["sets.s[0].id", "none of = + - @"]),
    "id that reverses the line": (in_set(prompt(id="a\u202eb")), ["sets.s[0].id", "a\\u202eb"]),
    "same id twice": (in_set(prompt(), prompt()), ["sets.s[1].id", '"a" was found', "sets.s[0] has already"]),
    "unknown prompt key": (in_set(prompt(aspect=[])), ["sets.s[0]", 'unknown key "aspect"', 'did you mean "aspects"']),
    "aspects is a text": (in_set(prompt(aspects="x")), ["sets.s[0].aspects", '"x" was found', "a list"]),
    "aspect is a number": (in_set(prompt(aspects=["x", 1])), ["sets.s[0].aspects[1]", "1 was found"]),
    "same aspect twice": (in_set(prompt(aspects=["x", "x"])), ["sets.s[0].aspects", '"x" stands twice']),
    "weight zero": (in_set(prompt(weight=0)), ["sets.s[0].weight", "0 was found", "a number above 0"]),
    "weight is true": (in_set(prompt(weight=True)), ["sets.s[0].weight", "true was found", "a number"]),
    "weight is null": (in_set(prompt(weight=None)), ["sets.s[0].weight", "null was found"]),
    "language is a name": (in_set(prompt(language="English")), ["sets.s[0].language", '"English"', "language tag"]),
    "unknown rubric": (in_set(prompt(rubric="defualt")), ["sets.s[0].rubric", '"defualt"', 'did you mean "default"']),
    "no checks": (checked(), ["sets.s[0].checks", "nothing in it"]),
    "check is a text": (checked("words"), ["sets.s[0].checks[0]", '"words" was found', "an object"]),
    "check without kind": (checked({"max": 9}), ["checks[0]", '"kind" is missing']),
    "check of no kind": (checked({"kind": "sentence", "max": 2}), ["checks[0].kind", 'did you mean "sentences"']),
    "unknown check key": (checked({"kind": "words", "maximum": 9}), ["checks[0]", '"maximum"', 'did you mean "max"']),
    "count without limits": (checked({"kind": "words"}), ["checks[0]:", "neither min nor max was found", "words"]),
    "at least none": (checked({"kind": "items", "min": 0}), ["checks[0].min", "0 was found", "from 1 to"]),
    "limit as text": (checked({"kind": "words", "max": "90"}), ["checks[0].max", '"90" was found', "whole number"]),
    "limits crossed": (checked({"kind": "words", "min": 9, "max": 3}), ["checks[0].min", "9 was found", "at most 3"]),
    "same check twice": (checked(*[{"kind": "words", "max": 9}] * 2), ["sets.s[0].checks", "stands twice"]),
    "aspect misspelt": (
        checked({"kind": "words", "max": 9}, {"kind": "sentences", "max": 2, "aspect": "in two sentence"}),
        ["sets.s[0].checks[1].aspect", '"in two sentence" was found', 'did you mean "in two sentences"'],
    ),
    "aspect of none": (
        checked({"kind": "repetition", "aspect": "x"}, aspects=[]),
        ["checks[0].aspect", '"x" was found', "one of the prompt's aspects was expected"],
    ),
    "aspect by its number": (checked({"kind": "words", "max": 9, "aspect": 0}), ["checks[0].aspect", "0 was found"]),
    "groups of words": (checked({"kind": "words", "max": 9, "groups": ["a"]}), ['"groups" was found', "kind words"]),
    "keywords without groups": (checked({"kind": "keywords"}), ["checks[0]:", '"groups" is missing']),
    "no groups": (checked({"kind": "keywords", "groups": []}), ["checks[0].groups", "nothing in it"]),
    "no alternatives": (checked({"kind": "keywords", "groups": [[]]}), ["groups[0]", "nothing in it"]),
    "a number as keyword": (checked({"kind": "keywords", "groups": [24]}), ["groups[0]", "24 was found", "a word or"]),
    "blank keyword": (checked({"kind": "keywords", "groups": [["a", " "]]}), ["groups[0][1]", "a word or phrase"]),
    "star in a word": (checked({"kind": "keywords", "groups": ["a", "b*c"]}), ["checks[0].groups[1]", '"b*c"', "a *"]),
    "star alone": (checked({"kind": "keywords", "groups": [["a", "b *"]]}), ["checks[0].groups[0]", '"b *" was found']),
    "more than the groups": (checked({"kind": "keywords", "groups": ["a"], "min": 2}), [".min", "2 was", "at most 1"]),
    "a script of no name": (checked({"kind": "script", "script": "latin"}), ["checks[0].script", 'mean "Latin"']),
    "a script of no language": (checked({"kind": "script"}), ["checks[0]:", '"script" is missing', "no language"]),
    "limits of repetition": (checked({"kind": "repetition", "max": 1}), ["checks[0].max", "which takes aspect"]),
    "rubric without anchors": (
        in_set(prompt(), rubrics={"r": {"question": "?"}}),
        ["rubrics.r", '"anchors" is missing'],
    ),
    "rubric with four anchors": (
        in_set(prompt(), rubrics={"r": {"question": "?", "anchors": {k: v for k, v in ANCHORS.items() if k != "5"}}}),
        ["rubrics.r.anchors", '"5" is missing'],
    ),
    "rubric with six anchors": (
        in_set(prompt(), rubrics={"r": {"question": "?", "anchors": ANCHORS | {"6": "x"}}}),
        ["rubrics.r.anchors", 'unknown key "6"', "1, 2, 3, 4, 5"],
    ),
    "lone surrogate": (b'{"sets": {"s": [{"id": "a", "text": "x\\ud800y"}]}}', ["sets.s[0].text", "U+D800"]),
    "lone surrogate in a key": (b'{"sets": {"\\udc00": []}}', ["sets", "in a key", "U+DC00"]),
    "NUL in a text": (b'["a\\u0000b"]', ["[0]", "NUL"]),
    "key twice": (b'{"sets": {"s": [{"id": "a", "id": "b", "text": "t"}]}}', ["sets.s[0]", '"id" stands twice']),
    "set twice": (b'{"sets": {"s": [], "s": []}}', ["sets:", '"s" stands twice']),
    "NaN": (b'{"sets": {"s": [{"id": "a", "text": "t", "weight": NaN}]}}', ["sets.s[0].weight", "NaN was found"]),
    "infinite": (b'{"sets": {"s": [{"id": "a", "text": "t", "weight": 1e999}]}}', ["1e999", "too large"]),
    "huge integer": (b"[" + b"9" * 6000 + b"]", ["[0]", "too large"]),
    "comma too many": (b'["a",\n"b",\n]', ["line ", ", column ", "not valid JSON"]),
    "single quotes": (b"['a']", ["line 1, column 2", "not valid JSON"]),
    "broken off": (b'{"sets": {"s": [', ["line 1, column 17", "not valid JSON"]),
    "more than one value": (b'["a"]\n["b"]', ["line 2, column 1", "not valid JSON"]),
    "empty file": (b"", ["it is empty"]),
    "only spaces": (b" \n ", ["it is empty"]),
    "too deep": (b"[" * 60 + b"]" * 60, ["nested too deeply"]),
    "far too deep": (b"[" * 200_000, ["nested too deeply"]),
    "UTF-16": ('["a"]'.encode("utf-16"), ["UTF-16", "UTF-8 was expected"]),
    "NUL byte": (b'["a\0b"]', ["a NUL byte was found at byte 3"]),
    "Latin-1": ('["a",\n"Zür"]'.encode("latin-1"), ["line 2", "0xFC", "not valid UTF-8"]),
}
BAD_MODELS = {
    "top level list": (["a"], ["a list was found", "an object"]),
    "empty object": ({}, ["an object with nothing in it"]),
    "misspelt models": ({"modles": {"a": {"size_mb": 1}}}, ['unknown key "modles"', 'did you mean "models"']),
    "misspelt run": ({"rn": {"rounds": 3}}, ['unknown key "rn"', 'did you mean "run"']),
    "unknown top key": ({"models": {}, "runs": {}}, ['unknown key "runs"', 'did you mean "run"']),
    "models is a list": ({"models": ["a"]}, ["models: a list was found", "an object"]),
    "entry is a text": ({"models": {"a": "b"}}, ["models.a:", '"b" was found', "an object"]),
    "strange alias": ({"models": {"a b": {}}}, ["models:", '"a b" was found as a name']),
    "strange alias, flat": ({"a\n": {}}, ["top level", '"a\\n" was found as a name']),
    "misspelt key": ({"models": {"q-0.5b": {"size": 3}}}, ["models.q-0.5b", 'unknown key "size"', '"size_mb"']),
    "misspelt key, flat": ({"a": {"license": "MIT"}}, ["a:", 'unknown key "license"', 'did you mean "licence"']),
    "size as text": ({"a": {"size_mb": "113 MB"}}, ["a.size_mb", '"113 MB" was found', "a number above 0"]),
    "negative size": ({"a": {"size_mb": -1}}, ["a.size_mb", "-1 was found"]),
    "unknown capability": ({"a": {"capabilities": ["summarize"]}}, ["capabilities[0]", 'did you mean "summarise"']),
    "capability twice": ({"a": {"capabilities": ["chat", "chat"]}}, ["a.capabilities", '"chat" stands twice']),
    "unknown source": ({"a": {"source": "hub"}}, ["a.source", '"hub" was found', "one of local, catalog"]),
    "licence address": ({"a": {"licence_url": "javascript:alert(1)"}}, ["a.licence_url", "http or https"]),
    "commercial use as text": (
        {"a": {"commercial_use": "yes"}},
        ["a.commercial_use", '"yes"', "true or false or null"],
    ),
    "half a thread": ({"a": {"threads": 0.5}}, ["a.threads", "0.5 was found", "a whole number from 1"]),
    "unknown run key": (run(round=3), ["run", 'unknown key "round"', 'did you mean "rounds"']),
    "remote cannot be allowed here": (run(allow_remote=True), ["run", 'unknown key "allow_remote"']),
    "rounds as text": (run(rounds="3"), ["run.rounds", '"3" was found', "a whole number from 1 to 100000"]),
    "no rounds": (run(rounds=0), ["run.rounds", "0 was found"]),
    "rounds true": (run(rounds=True), ["run.rounds", "true was found"]),
    "rounds 2.5": (run(rounds=2.5), ["run.rounds", "2.5 was found"]),
    "hot": (run(temperature=2.1), ["run.temperature", "2.1 was found", "from 0 to 2"]),
    "stream as number": (run(stream=1), ["run.stream", "1 was found", "true or false"]),
    "no time": (run(deadline_s=0), ["run.deadline_s", "0 was found", "above 0"]),
    "models empty": (run(models=[]), ["run.models", "nothing in it"]),
    "models with a number": (run(models=["a", 1]), ["run.models[1]", "1 was found", "text"]),
    "too many at once": (run(concurrency=513), ["run.concurrency", "513 was found", "a whole number from 1 to 512"]),
    "a number twice": (run(concurrency=[1, 1]), ["run.concurrency", "1 stands twice"]),
    "no numbers": (run(concurrency=[]), ["run.concurrency", "nothing in it"]),
    "zero of several": (run(concurrency=[1, 0]), ["run.concurrency[1]", "0 was found", "from 1 to 512"]),
    "many in words": (run(concurrency="many"), ["run.concurrency", '"many" was found', '[1, 2, 4] or "1,2,4"']),
    "no rate": (run(rate=0), ["run.rate", "0 was found", "a number above 0 and up to 10000 or null"]),
    "a rate in words": (run(rate="5/s"), ["run.rate", '"5/s" was found', "a number above 0"]),
    "other arrivals": (run(arrivals="posson"), ["run.arrivals", 'did you mean "poisson"']),
    "too precise": (run(precision_pct=0.01), ["run.precision_pct", "0.01 was found", "from 0.1 to 50"]),
    "no budget": (run(budget_s=0), ["run.budget_s", "0 was found", "above 0"]),
    "a limit of nothing": (run(slo={"ttf_s": 1}), ["run.slo", 'unknown key "ttf_s"', 'did you mean "ttft_s"']),
    "a limit with its unit": (run(slo={"ttft_s": "500ms"}), ["run.slo.ttft_s", '"500ms" was found', "a number from"]),
    "limits without a time": (run(slo="ttft"), ["run.slo", '"ttft" was found', "ttft=500ms"]),
    "too many retries": (run(retries=11), ["run.retries", "11 was found", "a whole number from 0 to 10"]),
    "a nonce of one's own": (run(nonce="abc"), ["run.nonce", '"abc" was found', "true or false"]),
    "key twice": (b'{"models": {"a": {}, "a": {}}}', ["models:", '"a" stands twice']),
}


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize(("content", "fragments"), BAD_PROMPTS.values(), ids=BAD_PROMPTS)
def test_a_bad_prompt_file_is_refused(tmp_path, content, fragments):
    file = write(tmp_path / "mine.json", content)
    with pytest.raises(UsageError) as caught:
        config.read_prompts(file)
    for fragment in ["mine.json", *fragments]:
        assert fragment in caught.value.message
    assert caught.value.cure


@pytest.mark.parametrize(("content", "fragments"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_models_file_is_refused(tmp_path, content, fragments):
    file = write(tmp_path / "mine.json", content)
    with pytest.raises(UsageError) as caught:
        config.read_models(file)
    for fragment in ["mine.json", *fragments]:
        assert fragment in caught.value.message
    assert caught.value.cure


def test_messages_are_one_printable_line_whatever_the_file_holds(tmp_path):
    hostile = "\x1b[31m\u202e\n" + "x" * 5000
    for content in ({"sets": {hostile: 1}}, {"sets": {"s": [{hostile: 1}]}}, {"sets": {"s": [prompt(id=hostile)]}}):
        with pytest.raises(UsageError) as caught:
            config.read_prompts(write(tmp_path / "p.json", content))
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 1000


@pytest.mark.parametrize("read", [config.read_models, config.read_prompts])
def test_a_missing_file_names_the_nearest_beside_it(tmp_path, read):
    (tmp_path / "models-lab.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="there is no such file") as caught:
        read(tmp_path / "model-lab.json")
    assert "models-lab.json" in caught.value.cure


def test_a_missing_file_with_nothing_like_it_says_what_is_expected(tmp_path):
    with pytest.raises(UsageError, match="there is no such file") as caught:
        config.read_prompts(tmp_path / "p.txt")
    assert "a prompt a line" in caught.value.cure


def test_a_relative_path_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="looked for from") as caught:
        config.read_models("m.json")
    assert tmp_path.name in caught.value.message


def test_a_folder_is_not_a_file(tmp_path):
    (tmp_path / "p.json").mkdir()
    with pytest.raises(UsageError, match="it is not a file"):
        config.read_prompts(tmp_path / "p.json")


@pytest.mark.parametrize("spec", ["a\0b.json", "~nobody-of-this-name/p.json", "x" * 5000 + ".json", "\udcff.txt"])
def test_paths_that_no_system_has(spec):
    with pytest.raises(UsageError):
        config.read_prompts(spec)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("slmbench.config.reading.MAX_BYTES", 10)
    with pytest.raises(UsageError, match="12 bytes were found, at most 10"):
        config.read_prompts(write(tmp_path / "p.json", b'["a", "bcd"]'))


def test_a_text_file_without_prompts(tmp_path):
    with pytest.raises(UsageError, match="no prompt was found"):
        config.read_prompts(write(tmp_path / "p.txt", b"\n  \n"))


@pytest.mark.parametrize(
    ("spec", "fragments"),
    [
        ("rag5", ['there is no set "rag5"', 'did you mean "rag4"']),
        ("prompts.csv", ['"prompts.csv" was found', "a .json or .txt file"]),
        ("Explain TCP/IP", ["a .json or .txt file"]),
        ("", ['"" was found', "the name of a set or a file"]),
        (4, ["4 was found", "the name of a set or a file"]),
    ],
)
def test_a_bad_name_for_prompts(spec, fragments):
    with pytest.raises(UsageError) as caught:
        config.read_prompts(spec)
    for fragment in fragments:
        assert fragment in caught.value.message


def test_a_prompt_given_as_the_name_of_a_set_is_told_where_it_belongs():
    with pytest.raises(UsageError) as caught:
        config.read_prompts("Tell me a joke")
    assert "BENCH_PROMPT" in caught.value.cure and "a list with its text" in caught.value.cure


def test_a_set_sought_in_a_plain_list(tmp_path):
    with pytest.raises(UsageError, match='a plain list was found, a set "s" was expected'):
        config.read_prompts("s", path=write(tmp_path / "p.json", ["a"]))
