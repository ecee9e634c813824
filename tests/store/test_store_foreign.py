"""Run folders of strangers: what is not as the kit writes it is refused with its file and place; nothing hangs, and
nothing that a plan names is read or called."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import PLAN

from slmbench import paths, store
from support.server import Server

PLAIN = ("plan.json", "machine.json", "resources.jsonl")


def refusal(path):
    """The message for a run folder that can't be read; the same whoever asks."""
    with pytest.raises(store.StoreError) as refused:
        store.read(path)
    assert refused.value.message.isprintable() and refused.value.cure
    return refused.value.message


def replaced(path, make):
    path.unlink()
    make(path)
    return path.parent


PLACES = {
    "a folder": (lambda path: path.mkdir(), "it is not a file"),
    "a pipe, which would be waited for": (os.mkfifo, "it is not a file"),
    "a device without an end": (lambda path: path.symlink_to("/dev/zero"), "it is not a file"),
    "a link to itself": (lambda path: path.symlink_to(path), "it cannot be read: Too many levels"),
}


@pytest.mark.skipif(os.name == "nt", reason="no pipes, no devices")
@pytest.mark.parametrize("name", [*PLAIN, "rows.jsonl"])
@pytest.mark.parametrize(("make", "found"), PLACES.values(), ids=PLACES)
def test_what_is_no_file_is_not_waited_for(run, name, make, found):
    message = refusal(replaced(run / name, make))
    assert message.startswith(f"{run / name}: ") and found in message
    if name == "rows.jsonl":
        with pytest.raises(store.StoreError, match=found):
            store.frame(run)


@pytest.mark.parametrize("name", PLAIN)
def test_a_file_that_is_far_too_large_is_not_read(run, name):
    def sparse(path):
        with path.open("wb") as file:
            file.truncate(200 * 2**20)

    assert f"{run / name}: 209715200 bytes were found, at most 67108864 are read" in refusal(
        replaced(run / name, sparse)
    )


@pytest.mark.parametrize("name", [*PLAIN, "rows.jsonl"])
def test_a_file_that_may_not_be_read_is_told(run, name, monkeypatch):
    def denied(self, *arguments, **more):
        if self.name == name:
            raise PermissionError(13, "Permission denied")
        return unwrapped(self, *arguments, **more)

    unwrapped = Path.open
    monkeypatch.setattr(Path, "open", denied)
    assert f"{run / name}: it cannot be read: Permission denied" in refusal(run)


BYTES = {
    "UTF-16": ('{"model": "a"}\n'.encode("utf-16"), "UTF-16 or UTF-32 text was found"),
    "a NUL byte": (b'{"model": "\0"}\n', "a NUL byte was found at byte 11"),
    "Latin-1": (b'{"model": "\xe9"}\n', "byte 11 (0xE9) is not valid UTF-8"),
    "far too deep": (b"[" * 100_000 + b"\n", "nested too deeply"),
    "too deep": (b'{"a": ' * 30 + b"1" + b"}" * 30 + b"\n", "nested too deeply, at most 24 levels"),
    "NaN": (b'{"model": NaN}\n', "model: NaN was found, a finite number was expected"),
    "infinite": (b'{"model": 1e999}\n', "model: 1e999 was found, which is too large"),
    "thousands of digits": (b'{"model": ' + b"9" * 5000 + b"}\n", "which is too large a number"),
    "a key twice": (b'{"model": 1, "model": 2}\n', 'the key "model" stands twice'),
    "nothing but a line end": (b"\n", "it is empty"),
    "no JSON": (b"model: a\n", "column 1"),
    "a list": (b"[]\n", "a list was found, an object ("),
    "null": (b"null\n", "null was found, an object ("),
    "a text": (b'"hello"\n', '"hello" was found, an object ('),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(("data", "found"), BYTES.values(), ids=BYTES)
def test_bytes_that_the_kit_does_not_write_are_told_with_their_place(run, name, data, found):
    (run / name).write_bytes(data)
    message = refusal(run)
    assert message.startswith(str(run / name)) and found in message
    assert name != "resources.jsonl" or "line 1" in message
    assert len(message) < 400 + len(str(run))


def test_a_byte_order_mark_is_no_part_of_any_file(run):
    for name in (*PLAIN, "rows.jsonl"):
        (run / name).write_bytes(b"\xef\xbb\xbf" + (run / name).read_bytes())
    found = store.read(run)
    assert (found.plan, found.machine, len(found.rows), len(found.resources)) == (PLAN, {"os": "test"}, 1, 1)
    assert store.frame(run).latency_s.tolist() == [1.0]


def test_what_a_server_called_its_models_is_kept_however_odd(run):
    odd = "half \ud83d, NUL \0 and \x1b[2J"
    (run / "plan.json").write_text(json.dumps(PLAN | {"targets": [{"alias": "a", "id": odd}]}), encoding="ascii")
    assert store.read(run).plan["targets"][0]["id"] == odd


VALUES = {
    "prompts missing": ("plan.json", {"models": ["a"]}, 'top level: "prompts" is missing'),
    "no prompts": ("plan.json", PLAN | {"prompts": []}, "prompts: a list with nothing in it"),
    "a prompt without text": ("plan.json", PLAN | {"prompts": [{"id": "a"}]}, 'prompts[0]: "text" is missing'),
    "a prompt's id": ("plan.json", PLAN | {"prompts": [{"id": 1, "text": "t"}]}, "prompts[0].id: 1 was found"),
    "models": ("plan.json", PLAN | {"models": "a"}, 'models: "a" was found, a list or null'),
    "rounds": ("plan.json", PLAN | {"rounds": "2"}, 'rounds: "2" was found, a whole number'),
    "many rounds": ("plan.json", PLAN | {"rounds": 10**17}, "rounds: 100000000000000000 was found"),
    "tokens": ("plan.json", PLAN | {"max_tokens": 1.5}, "max_tokens: 1.5 was found"),
    "levels": ("plan.json", PLAN | {"concurrency": [1, "2"]}, 'concurrency[1]: "2" was found'),
    "rate": ("plan.json", PLAN | {"rate": 0}, "rate: 0 was found, a number above 0"),
    "limits": ("plan.json", PLAN | {"slo": {"ttft_s": "1s"}}, 'slo.ttft_s: "1s" was found'),
    "command": ("plan.json", PLAN | {"command": {"a": 1}}, "command: an object was found, text or a list"),
    "entries": ("plan.json", PLAN | {"entries": {"a": {"alias": "a", "size_mb": "1"}}}, 'entries.a.size_mb: "1"'),
    "targets": ("plan.json", PLAN | {"targets": [{"id": "a:1"}]}, 'targets[0]: "alias" is missing'),
    "versions": ("plan.json", PLAN | {"versions": {"slmbench": [1]}}, "versions.slmbench: a list was found"),
    "endpoint": ("plan.json", PLAN | {"endpoint": {"url": 5}}, "endpoint.url: 5 was found, text"),
    "calibration": ("machine.json", {"calibration": []}, "calibration: a list was found, an object or null"),
    "an error in words": (
        "machine.json",
        {"calibration": {"at": "", "where": {"python": ""}, "limits": [], "accuracy": [{"tpot_pct": "low"}]}},
        'calibration.accuracy[0].tpot_pct: "low" was found',
    ),
    "a model": ("resources.jsonl", {"model": ["a"]}, "line 1, model: a list was found, text"),
    "no model": ("resources.jsonl", {"kind": "load"}, 'line 1, top level: "model" is missing'),
    "memory": ("resources.jsonl", {"model": "a", "rss_loaded_mb": "1 GB"}, 'line 1, rss_loaded_mb: "1 GB"'),
    "half a precision": (
        "resources.jsonl",
        {"model": "a", "kind": "precision"},
        '"asked_pct", "stopped_by" is missing',
    ),
}


@pytest.mark.parametrize(("name", "value", "found"), VALUES.values(), ids=VALUES)
def test_values_that_the_kit_does_not_write_are_told_with_their_place(run, name, value, found):
    (run / name).write_text(json.dumps(value) + "\n", encoding="utf-8")
    message = refusal(run)
    assert message.startswith(f"{run / name}, ") and found in message


@pytest.mark.parametrize("spec", ["a\0b", "x" * 5000, "nowhere", "file/run"])
def test_paths_that_are_no_run_folder(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x", encoding="utf-8")
    assert spec[:100] in refusal(spec).replace("\\x00", "\0")


def test_a_link_that_leads_nowhere_is_no_run_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "link does not exist" in refusal(tmp_path / "link")


AUDIT = """
import sys
seen = []
def note(event, about):
    if event in ("open", "socket.connect", "subprocess.Popen"):
        seen.append((event, str(about[:2])))
sys.addaudithook(note)
from slmbench.cli import main
for words in (["report", sys.argv[2]], ["compare", *sys.argv[1:3], "--json"]):
    try:
        main(words)
    except SystemExit as e:
        assert not e.code, words
told = [s for s in seen if s[0] != "open" or "diary" in s[1]]
print("TOLD", told, len(seen) > 100)
"""


def test_a_plan_names_files_and_hosts_and_commands_that_nobody_touches(tmp_path):
    """Prompts, an address and a command of a stranger's: told in the report, neither read nor called nor run."""
    for name in ("mine", "theirs"):
        shutil.copytree(paths.run_folder("example"), tmp_path / name)
        lines = (tmp_path / name / "rows.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / name / "rows.jsonl").write_text("".join(lines[:30]), encoding="utf-8")
    secret = tmp_path / "diary.json"
    secret.write_text('["Dear friend"]', encoding="utf-8")
    with Server([b""]) as server:
        file = tmp_path / "theirs" / "plan.json"
        plan = json.loads(file.read_text(encoding="utf-8"))
        plan |= {
            "prompts_from": str(secret),
            "models_file": str(secret),
            "command": f"touch {tmp_path / 'run'} {secret}",
        }
        plan |= {"endpoint": {"url": f"{server.root}/v1", "source": str(secret), "own": True}}
        file.write_text(json.dumps(plan), encoding="utf-8")
        command = [sys.executable, "-c", AUDIT, tmp_path / "mine", tmp_path / "theirs"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=60)
        assert server.requests == []
    assert done.stdout.splitlines()[-1] == "TOLD [] True"
    report = (tmp_path / "theirs" / "benchmark_report.md").read_text(encoding="utf-8")
    assert str(secret) in report and "Dear friend" not in report
    assert not (tmp_path / "run").exists()
