"""Which of parameter, environment, file and default wins; and what each of them refuses, by name."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from slmbench import config
from slmbench.errors import UsageError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "models.json"
    run = {
        "models": ["from-file"],
        "rounds": 7,
        "max_tokens": 70,
        "temperature": 0.7,
        "stream": False,
        "endpoint": "http://127.0.0.1:7777",
        "prompts": "own.txt",
        "seed": 77,
    }
    path.write_text(json.dumps({"models": {"from-file": {}}, "run": run}), encoding="utf-8")
    (tmp_path / "own.txt").write_text("from file", encoding="utf-8")
    return path


ENVIRON = {
    "BENCH_MODELS": "from-env, second",
    "BENCH_ROUNDS": "8",
    "BENCH_MAX_TOKENS": "80",
    "BENCH_TEMPERATURE": "0.8",
    "BENCH_STREAM": "1",
    "BENCH_PROMPT": "from env",
    "FOUNDRY_LOCAL_ENDPOINT": "http://localhost:8888/v1/",
}
# setting: value as a parameter, what that, the environment, the file and the default come to
PRECEDENCE = {
    "models": (["given"], ("given",), ("from-env", "second"), ("from-file",), None),
    "rounds": (9, 9, 8, 7, 3),
    "max_tokens": (90, 90, 80, 70, 96),
    "temperature": (0.9, 0.9, 0.8, 0.7, 0.0),
    "stream": (False, False, True, False, True),
    "endpoint": ("http://[::1]:9", "http://[::1]:9", "http://localhost:8888/v1", "http://127.0.0.1:7777", None),
}


@pytest.mark.parametrize("name", PRECEDENCE)
def test_parameter_then_environment_then_file_then_default(file, tmp_path, name):
    value, as_given, as_environ, as_filed, as_default = PRECEDENCE[name]
    bare = tmp_path / "bare.json"
    bare.write_text('{"models": {}}', encoding="utf-8")
    got = [
        config.settings(file, environ=ENVIRON, **{name: value}),
        config.settings(file, environ=ENVIRON),
        config.settings(file, environ={}),
        config.settings(bare, environ={}),
    ]
    assert [getattr(s, name) for s in got] == [as_given, as_environ, as_filed, as_default]


@pytest.mark.parametrize(
    ("given", "environ", "texts", "origin"),
    [
        ({"prompts": ["mine", "too"]}, ENVIRON, ["mine", "too"], "prompts"),
        ({}, ENVIRON, ["from env"], "BENCH_PROMPT"),
        ({}, {}, ["from file"], "FILE"),
    ],
)
def test_prompts_come_from_the_first_that_names_them(file, given, environ, texts, origin):
    got = config.settings(file, environ=environ, **given)
    origin = str(file.with_name("own.txt").resolve()) if origin == "FILE" else origin
    assert ([p.text for p in got.prompts], got.prompts_from) == (texts, origin)


@pytest.mark.parametrize("left", [None, "auto"])
def test_none_and_auto_leave_the_choice_to_the_next(file, left):
    got = config.settings(file, environ=ENVIRON, **dict.fromkeys(PRECEDENCE, left), prompts=left)
    assert got == config.settings(file, environ=ENVIRON)


def test_empty_and_auto_variables_are_as_if_unset(file):
    for text in ("", "  ", "auto"):
        assert config.settings(file, environ=dict.fromkeys(ENVIRON, text)) == config.settings(file, environ={})


def test_auto_in_the_file_means_auto():
    assert config.settings(environ={}).models is None


def test_the_processs_environment_is_read_when_asked_not_on_import(monkeypatch):
    monkeypatch.setenv("BENCH_ROUNDS", "11")
    assert config.settings().rounds == 11
    monkeypatch.setenv("BENCH_ROUNDS", "12")
    assert config.settings().rounds == 12


def test_a_models_file_that_was_read_already_and_auto(file):
    assert config.settings(config.read_models(file), environ={}).rounds == 7
    assert config.settings("auto", environ={}) == config.settings(environ={})


def test_prompts_as_set_file_or_prompts(tmp_path):
    (tmp_path / "p.txt").write_text("hi", encoding="utf-8")
    assert len(config.settings(environ={}, prompts="nepali").prompts) == len(config.read_prompts("nepali"))
    assert config.settings(environ={}, prompts=tmp_path / "p.txt").prompts == (config.Prompt("p1", "hi"),)
    prompts = config.read_prompts("rag4")[:2]
    assert config.settings(environ={}, prompts=prompts).prompts == prompts


@pytest.mark.parametrize("given", ["p.txt", "./p.txt", "sub/../p.txt", "set.json#a"])
def test_where_prompts_come_from_holds_in_any_folder(tmp_path, monkeypatch, given):
    (tmp_path / "sub").mkdir()
    (tmp_path / "p.txt").write_text("hi", encoding="utf-8")
    (tmp_path / "set.json").write_text('{"sets": {"a": [{"id": "p1", "text": "hi"}]}}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    got = config.settings(environ={}, prompts=given)
    monkeypatch.chdir("sub")
    assert config.read_prompts(got.prompts_from) == got.prompts == (config.Prompt("p1", "hi"),)


@pytest.mark.parametrize("text", ["a,b", " a , b ", ["a", "b"], ("a", "b")])
def test_models_as_a_list_or_with_commas(text):
    assert config.settings(environ={}, models=text).models == ("a", "b")


@pytest.mark.parametrize(
    ("text", "value"), [("0", False), ("1", True), ("true", True), ("False", False), (" TRUE ", True)]
)
def test_stream_in_the_environment(text, value):
    assert config.settings(environ={"BENCH_STREAM": text}).stream is value


def test_whole_numbers_are_ints_and_the_others_floats():
    got = config.settings(environ={}, temperature=1, deadline_s=30, rounds=4)
    assert [type(v) for v in (got.temperature, got.deadline_s, got.rounds)] == [float, float, int]


def test_options_of_a_command_line_may_be_texts():
    got = config.settings(environ={}, given_as="option", rounds="4", temperature="0.5", stream=False, allow_remote=True)
    assert (got.rounds, got.temperature, got.stream, got.allow_remote) == (4, 0.5, False, True)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("http://localhost:5273/v1/", "http://localhost:5273/v1"),
        ("http://localhost:5273", "http://localhost:5273"),
        ("  HTTPS://LOCALHOST//  ", "https://localhost"),
        ("http://127.8.9.1:1/catalogs/local/v1", "http://127.8.9.1:1/catalogs/local/v1"),
        ("http://[::1]:5273/v1", "http://[::1]:5273/v1"),
    ],
)
def test_an_endpoint_on_this_machine(given, normal):
    assert config.settings(environ={}, endpoint=given).endpoint == normal


def test_another_machine_must_be_allowed():
    for host in ("192.168.0.7", "localhost.example.org", "127.0.0.1.example.org", "0.0.0.0", "[fe80::1]", "2130706433"):
        with pytest.raises(UsageError, match="this machine") as caught:
            config.settings(environ={}, endpoint=f"http://{host}:5273/v1")
        assert "allow_remote=True" in caught.value.cure
    got = config.settings(environ={"FOUNDRY_LOCAL_ENDPOINT": "http://windows-host:5273/v1"}, allow_remote=True)
    assert got.endpoint == "http://windows-host:5273/v1"


SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@localhost:5273",
        f"http://{SECRET}@127.0.0.1",
        f"http://localhost:5273/?key={SECRET}",
        f"http://localhost:5273/#{SECRET}",
        f"http://localhost:{SECRET}/",
        f"http://user:{SECRET}@[::1/",
        f"http://localhost\\@{SECRET}.example.org",
    ],
)
def test_an_address_with_more_than_an_address_is_refused_without_repeating_it(url):
    with pytest.raises(UsageError) as caught:
        config.settings(environ={}, endpoint=url, allow_remote=True)
    assert SECRET not in str(caught.value)


def test_an_option_is_named_as_it_was_typed():
    with pytest.raises(UsageError, match=r'--max-tokens \(option\): "many" was found') as caught:
        config.settings(environ={}, given_as="option", max_tokens="many")
    assert caught.value.cure.endswith("for example --max-tokens 96")
    with pytest.raises(UsageError, match='unknown option "--max-token"; did you mean "--max-tokens"'):
        config.settings(environ={}, given_as="option", max_token=4)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(config.Settings) if f.name != "prompts_from"])
def test_every_setting_has_an_example_that_is_accepted(name):
    with pytest.raises(UsageError) as caught:
        config.settings(environ={}, **{name: object()})
    example = caught.value.cure.rpartition("for example ")[2]
    value = json.loads(example.partition("=")[2].replace("True", "true").replace("False", "false"))
    needed = {"budget_s": {"precision_pct": 5}}.get(name, {})
    config.settings(environ={}, **{name: value}, **needed)


def test_the_plan_is_plain_json_and_complete():
    got = config.settings(environ={}, models="a,b")
    plan = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert plan == got.to_dict()
    assert list(plan) == list(config.Settings.__slots__)
    assert (plan["models"], plan["slo"], plan["prompts"][0]["id"]) == (["a", "b"], {}, "rag-principle")


def test_the_hash_is_that_of_the_content_not_of_its_order():
    # sha256 of {"a":[1.0,"\u00e9"],"b":null}, by hand with sha256sum
    assert config.plan_hash({"b": None, "a": [1.0, "é"]}) == "8fbaca231d55"
    assert config.plan_hash({"a": 1}) != config.plan_hash({"a": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        config.plan_hash({"a": float("nan")})


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.settings(environ={}).rounds = 4


def test_importing_config_imports_nothing_heavy():
    code = "import slmbench.config, sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONUTF8": "1"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    heavy = {"pandas", "numpy", "matplotlib", "scipy", "openai", "onnx", "fastjsonschema", "jsonschema", "difflib"}
    assert heavy.isdisjoint(out.stdout.split())
