"""What a run folder keeps so that the run can be asked for again, and reported on as it was."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from slmbench import config, runner, store
from slmbench.cli import _parser
from slmbench.endpoint import connect, resolve
from support.replies import behaved
from support.server import Server

MODELS = config.ModelsFile(Path("models.json"), {}, {})


def settings(**given):
    return config.Settings(**{"prompts": (config.Prompt("p1", "One?"),), "prompts_from": "rag4"} | given)


def parsed(command):
    return _parser().parse_args(shlex.split(command)[1:])


def test_the_command_in_the_plan_asks_for_the_same_run():
    asked = settings(rounds=5, temperature=0.5, stream=False, endpoint="http://127.0.0.1:1", deadline_s=30.0)
    given = parsed(runner.command_of(asked, ["a b", "c"]))
    assert (given.models, given.prompts, given.rounds, given.temperature) == ("a b,c", "rag4", "5", "0.5")
    assert (given.stream, given.endpoint, given.deadline_s, given.max_tokens) == (
        False,
        "http://127.0.0.1:1",
        "30",
        "96",
    )
    assert (given.loads, given.models_file) == (None, None)  # what is as by default is left out


def test_the_command_names_the_models_file_and_overrides_what_it_says(tmp_path, monkeypatch):
    (tmp_path / "m.json").write_text('{"run": {"warmup": 3, "loads": 2, "stream": false}}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    models_file = config.read_models("m.json")
    given = parsed(runner.command_of(settings(loads=2), ["a"], models_file))
    assert given.models_file == str((tmp_path / "m.json").resolve())
    assert (given.warmup, given.stream, given.loads) == ("1", True, None)


GIVEN = {  # and whether the prompts are kept in the run folder, as nothing else holds them
    "a list": ({"prompts": ["One?", "नमस्ते?"]}, True),
    "the environment": ({"environ": {"BENCH_PROMPT": "Only this?"}}, True),
    "prompts": ({"prompts": [config.Prompt("x", "t", ("good",), 2.0, "en", "of-another-file")]}, True),
    "some of a set": ({"prompts": config.read_prompts("rag4")[:2]}, True),
    "a file": ({"prompts": "mine.txt"}, False),
    "a set": ({"prompts": "nepali"}, False),
}


@pytest.mark.parametrize(("given", "kept"), GIVEN.values(), ids=GIVEN)
def test_the_command_leads_to_the_prompts_from_any_folder(tmp_path, monkeypatch, given, kept):
    (tmp_path / "mine.txt").write_text("Mine?", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = config.settings(**{"environ": {}} | given, rounds=1, models="a")
    with Server(behaved("a:1")) as server:
        service = connect(server.root, say=lambda _: None)
        runner.open_run(asked, service, resolve(service, ["a"], MODELS, say=lambda _: None), out="run").close()
    plan = store.read("run").plan
    monkeypatch.chdir("elsewhere")
    again = config.read_prompts(parsed(plan["command"]).prompts)
    assert [(p.id, p.text, p.aspects, p.weight, p.checks) for p in again] == [
        (p.id, p.text, p.aspects, p.weight, p.checks) for p in asked.prompts
    ]
    assert (tmp_path / "run" / "prompts.json").exists() == kept


def test_a_run_from_before_its_prompts_had_checks_goes_on_and_takes_them_up(tmp_path):
    [prompt, *_] = config.read_prompts("rag4")
    bare = dataclasses.replace(prompt, checks=())
    with Server(behaved("a:1")) as server:

        def run(resume, **given):
            asked = settings(endpoint=server.root, models=("a",), warmup=0, **given)
            return runner.run(asked, MODELS, out=tmp_path / "run", resume=resume, say=lambda _: None)

        old = run(False, prompts=(bare,), rounds=1).plan
        done = run(True, prompts=(prompt,), rounds=1)
        assert (len(server.posts), len(done.rows)) == (1, 1)
        assert old["hash"] == done.plan["hash"]
        assert "checks" not in old["prompts"][0]
        assert config.prompt_from(done.plan["prompts"][0]) == prompt
        assert [r.round for r in run(True, prompts=(bare,), rounds=2).rows] == [0, 1]


def test_what_was_known_of_the_models_is_kept_with_the_plan(tmp_path):
    known = {"a": config.ModelEntry("a", capabilities=("chat",), licence="MIT"), "b": config.ModelEntry("b")}
    with Server(behaved("a:1")) as server:
        service = connect(server.root, say=lambda _: None)
        targets = resolve(service, ["a"], MODELS, say=lambda _: None)
        models_file = config.ModelsFile(tmp_path / "m.json", known, {})
        runner.open_run(settings(), service, targets, out=tmp_path / "run", models_file=models_file).close()
    plan = store.read(tmp_path / "run").plan
    assert runner.entries_of(plan) == {"a": known["a"]}
    del plan["entries"]  # a folder of an older version
    assert runner.entries_of(plan) == config.read_models().entries
