"""Command lines that can't be meant: exit code 2, a sentence that names the argument, a cure; never a traceback.

Whatever is written here, nothing is asked, fetched or started.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from slmbench import paths, runner, store
from slmbench.cli import here, main
from slmbench.cli.arguments import Parser
from slmbench.errors import NothingMeasured, UsageError
from support.replies import behaved
from support.server import Server

LONG = "9" * 5000
NOWHERE = "http://127.0.0.1:9"
# the words, then fragments of what is said
REFUSED = {
    "nothing": ([], ["verb: nothing was found", "one of doctor, models, fetch", "-> slmbench --help"]),
    "no verb": (["rn"], ['verb: "rn" was found', 'did you mean "run"?']),
    "an option for a verb": (["--rounds", "3"], ['verb: "--rounds" was found']),
    "an empty verb": (["", "run"], ['verb: "" was found']),
    "a verb with NUL": (["run\0"], ['verb: "run\\x00" was found', 'did you mean "run"']),
    "a verb that is no text": (["\udcff"], ['verb: "\\udcff" was found']),
    "a misspelt option": (["run", "--roundz", "3"], ['unknown option "--roundz"; did you mean "--rounds"?', "Known: "]),
    "two misspelt options": (
        ["run", "--modles", "a", "--prompst=x"],
        ['"--modles"; did', '"--prompst"; did you mean "--pr'],
    ),
    "an option of another verb": (["status", "--rounds", "3"], ['unknown option "--rounds"', "Known: --help, --json."]),
    "a word too many": (["run", "more"], ['"more" was found, nothing more was expected', "-> slmbench run --help"]),
    "aliases as words": (["run", "--models", "a", "b"], ['"b" was found', "several aliases are one word, as a,b"]),
    "a third run": (["compare", "a", "b", "c"], ['"c" was found']),
    "a beginning of two options": (["run", "--mo", "a"], ['option "--mo" was found, one of --models, --models-file']),
    "an option without its value": (["run", "--rounds"], ["--rounds: nothing was found behind it"]),
    "an option before an option": (["run", "--out", "--resume"], ["--out: nothing was found", "--out=VALUE"]),
    "a value where none belongs": (
        ["run", "--stream=no"],
        ['"no" was found behind it', "write --stream or --no-stream"],
    ),
    "no minutes": (["plan"], ["--minutes: nothing was found", "-> slmbench plan --help"]),
    "no run": (["report"], ["RUN: nothing was found"]),
    "one run": (["compare", "a"], ["RUN: nothing was found"]),
    "minutes below": (["plan", "--minutes", "-1"], ['--minutes: "-1" was found', "for example --minutes 10"]),
    "minutes that are none": (["plan", "--minutes", "nan"], ['--minutes: "nan" was found']),
    "minutes in words": (["plan", "--minutes", "abc"], ['--minutes: "abc" was found']),
    "the last of two minutes": (["plan", "--minutes", "1", "--minutes", ""], ['--minutes: "" was found']),
    "port 0": (["serve", "--port", "0"], ["--port (option): 0 was found", "from 1 to 65535"]),
    "a port too large": (["serve", "--port", "99999"], ["--port (option): 99999 was found"]),
    "a port below": (["serve", "--port", "-5"], ["--port (option): -5 was found"]),
    "a port in words": (["serve", "--port", "x"], ['--port (option): "x" was found']),
    "a port as Python has it": (["serve", "--port", "1_0"], ['--port (option): "1_0" was found']),
    "a port of a thousand digits": (["serve", "--port", LONG], ["--port (option)", "…"]),
    "an empty alias to fetch": (["fetch", ""], ["ALIAS (argument): an empty name in place 1"]),
    "an alias with NUL": (["fetch", "a", "b\0"], ["ALIAS (argument) [1]", "a NUL character"]),
    "an alias that is no text": (["fetch", "\udcff"], ["ALIAS (argument) [0]", "U+DCFF"]),
    "a long alias": (["fetch", "x" * 5000], ["ALIAS (argument)", "up to 200 visible characters"]),
    "an alias with spaces": (["fetch", "a b"], ['"a b" in place 1', "without spaces"]),
    "an empty alias to probe": (["probe", "--endpoint", NOWHERE, ""], ["ALIAS (argument): an empty name"]),
    "an alias twice": (["probe", "--endpoint", NOWHERE, "a", "b", "a"], ['ALIAS (argument): "a" twice']),
    "no prompt": (["probe", "--endpoint", NOWHERE, "--prompt", " "], ["--prompt (option)", "not only spaces"]),
    "half a prompt": (
        ["probe", "--endpoint", NOWHERE, "--prompt", "\udcff", "--shape"],
        ["--prompt (option)", "U+DCFF"],
    ),
    "an address to examine": (["doctor", "--endpoint", "x"], ["--endpoint (option)", "without http://"]),
    "an address with a password": (["doctor", "--endpoint", "http://u:pw@[::1]"], ["--endpoint (option)", "password"]),
    "a report of no name": (["report", ""], ['RUN (argument): "" was found']),
    "a report of NUL": (["report", "\0"], ["\\x00: it cannot be read"]),
    "a report of a long name": (["report", "x" * 5000], ["it cannot be read: File name too long"]),
    "a report of undecodable bytes": (["report", "\udcff"], ["\\udcff does not exist"]),
    "a report of what is above": (["report", "../../none"], ["../../none does not exist; a run folder was expected"]),
    "a report of a file": (["report", "file"], ["file is no run folder"]),
    "a report of a link to nowhere": (["report", "link"], ["link does not exist"]),
    "a comparison of a folder and nothing": (["compare", ".", " "], ['RUN (argument): " " was found']),
    "an unknown metric": (
        ["compare", "a", "b", "--metric", "foo"],
        ["--metric: unknown metric 'foo'", "Known: latency_s"],
    ),
    "no metric": (["compare", "a", "b", "--metric="], ["--metric: unknown metric ''"]),
    "a long metric": (["compare", "a", "b", "--metric", LONG], ["--metric: unknown metric '9999", "…"]),
    "rounds of a session": (["session", "--rounds", "1.5"], ["--rounds (option)", '"1.5" was found']),
    "a session nowhere": (["session", "--out", ""], ['--out (option): "" was found, the path of a folder']),
    "a session in NUL": (["session", "--out", "a\0"], ["--out (option): a NUL character"]),
    "a session in undecodable bytes": (["session", "--out", "\udcff"], ["--out (option)", "U+DCFF"]),
}
RUN = {  # behind `run --endpoint` of nobody
    "nowhere": (["--out", ""], ['--out (option): "" was found']),
    "in NUL": (["--resume", "--out", "\0"], ["--out (option): a NUL character"]),
    "in half a character": (["--out", "\udcff"], ["--out (option)", "U+DCFF"]),
    "in a name that is too long": (["--out", "x" * 5000], ["--out (option)", "File name too long"]),
    "in a file": (["--out", "file"], ["--out: ", "is a file"]),
    "below a file": (["--out", "file/run"], ["--out: ", "can't be written: Not a directory"]),
    "going on with nothing": (["--resume", "--out", "../none"], ["--resume: ", "is not there"]),
    "digits of elsewhere": (["--rounds", "٣"], ['--rounds (option): "٣" was found']),
    "many digits": (["--rounds", LONG], ["--rounds (option)", "…"]),
    "NUL for a number": (["--seed", "\0"], ["--seed (option): a NUL character"]),
    "a rate of nothing": (
        ["--rate", ""],
        ['--rate (option): "" was found', "a number above 0 and up to 10000 (open loop"],
    ),
    "limits of brackets": (["--slo", "{" * 100_000], ["--slo (option)", "…"]),
    "aliases with NUL": (["--models", "a,\0"], ["--models (option) [1]: a NUL character"]),
    "aliases with commas only": (["--models", ","], ["--models (option): an empty name in place 1"]),
    "no models file": (["--models-file", ""], ['--models-file (option): models file: "" was found']),
    "a models file with NUL": (["--models-file", "\0"], ["--models-file (option): \\x00", "no such file"]),
    "a folder of models": (["--models-file", "."], ["--models-file (option): .", "it is not a file"]),
    "a device of models": (["--models-file", "/dev/zero"], ["--models-file (option): /dev/zero: it is not a file"]),
    "a device of prompts": (["--prompts", "/dev/zero"], ["--prompts (option)", "a .json or .txt file"]),
    "prompts of undecodable bytes": (["--prompts", "\udcff.json"], ["--prompts (option)", "U+DCFF"]),
    "prompts with a name that is too long": (["--prompts", f"{'x' * 5000}.txt"], ["--prompts (option)", "too long"]),
    "another machine, behind ours": (
        ["--endpoint", "http://127.0.0.1.example.org"],
        ["--endpoint (option)", "add --allow-r"],
    ),
}
CASES = REFUSED | {f"run {name}": (["run", "--endpoint", NOWHERE, *words], said) for name, (words, said) in RUN.items()}


@pytest.fixture
def nothing_begins(monkeypatch, tmp_path):
    """An empty folder to work in, but for a file and a dangling link; whatever starts something fails the test."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "file").write_text("x", encoding="utf-8")
    (folder / "link").symlink_to(folder / "gone")
    for module, name in (
        (runner, "connect"),
        (here.service, "start"),
        (here.catalog, "listing"),
        (here.fetching, "ensure"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("something was begun"))
    yield folder
    assert {p.name for p in folder.iterdir()} == {"file", "link"}


@pytest.mark.skipif(os.name == "nt", reason="devices, links and limits of POSIX")
@pytest.mark.usefixtures("nothing_begins")
@pytest.mark.parametrize(("words", "said"), CASES.values(), ids=CASES)
def test_it_is_refused_by_name_with_a_cure(slmbench, words, said):
    ended = slmbench(*words)
    assert (ended.code, ended.out) == (2, "")
    for fragment in said:
        assert fragment in ended.err
    assert "\n  -> " in ended.err and "Traceback" not in ended.err and "usage:" not in ended.err
    assert all(line.isprintable() and len(line) < 700 for line in ended.err.splitlines())
    assert ended.err.startswith(f"slmbench {words[0]}: " if words and words[0] in ("run", "report") else "slmbench")


def test_undecodable_bytes_come_in_as_half_characters(tmp_path):
    """What the shell hands over, not what a test makes of it."""
    command = [os.fsencode(sys.executable), b"-m", b"slmbench.cli", b"run", b"--models", b"caf\xe9"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"--models (option) [0]: half a character (the lone surrogate U+DCE9)" in done.stderr


def test_a_run_is_not_compared_with_itself(slmbench, tmp_path):
    (tmp_path / "link").symlink_to(paths.run_folder("example"))
    for other in (paths.run_folder("example"), tmp_path / "link"):
        ended = slmbench("compare", paths.run_folder("example"), other)
        assert ended.code == 2
        assert "was found twice, two run folders were expected" in ended.err


def test_no_report_is_written_while_one_of_the_runs_is_none(slmbench, tmp_path):
    shutil.copytree(paths.run_folder("example"), tmp_path / "run")
    ended = slmbench("report", tmp_path / "run", tmp_path / "none")
    assert (ended.code, "none does not exist" in ended.err) == (2, True)
    assert not (tmp_path / "run" / "benchmark_report.md").exists()


@pytest.mark.parametrize("alias", ["../x", "a/../../b", "C:\\x", "con", "/etc/x"])
def test_a_model_that_is_called_like_a_path_is_one_and_no_file_is_called_so(slmbench, tmp_path, alias):
    run = tmp_path / "a" / "run"
    with Server(behaved(alias)) as server:
        ended = slmbench("run", "--endpoint", server.root, "--models", alias, "--rounds", "1", "--out", run)
    assert ended.code == 0, ended.err
    assert {r.model for r in store.read(run).rows} == {alias}
    assert slmbench("report", run).code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and [p.name for p in run.parent.iterdir()] == ["run"]


def test_scripts_say_it_in_the_same_way():
    parser = Parser(prog="measure.py")
    parser.add_argument("--rounds")
    for words, said in (
        (["--round", "1", "--out", "x"], '"--out"'),
        (["x"], '"x" was found'),
        (["--rounds"], "--rounds: "),
    ):
        with pytest.raises(UsageError) as refused:
            parser.parse_args(words)
        assert said in refused.value.message and refused.value.cure


OPTIONS = (
    *(
        "rounds",
        "precision",
        "budget-s",
        "endpoint",
        "models",
        "prompts",
        "models-file",
        "loads",
        "warmup",
        "max-tokens",
    ),
    *(
        "temperature",
        "seed",
        "deadline-s",
        "concurrency",
        "rate",
        "arrivals",
        "slo",
        "retries",
        "out",
        "stream",
        "nonce",
    ),
    *("no-stream", "no-memory", "resume", "json", "allow-remote", "round", "help", "m", "x"),
)
SAID = ("0", "1", "-1", "2.5", "1e999", "nan", "inf", "1,2", "1,1", "a", "a,a", "auto", "poisson", "ttft=1s", "../x")
SAID += ("rag4", NOWHERE, "http://u:p@localhost", "file:///x", "http://example.org", "{}", "[]", "true", "9" * 400)
VALUES = st.text(st.characters(), max_size=12) | st.sampled_from([*SAID, "\0", "\udcff"])
WORDS = st.lists(
    st.tuples(st.sampled_from(OPTIONS), VALUES).map(lambda both: [f"--{both[0]}", both[1]])
    | st.tuples(st.sampled_from(OPTIONS), VALUES).map(lambda both: [f"--{both[0]}={both[1]}"])
    | VALUES.map(lambda value: [value]),
    max_size=4,
)


@settings(max_examples=120, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
@example(words=[["--rounds", "1"], ["--models", "a"], ["--out", "x"]])
def test_any_words_behind_run_are_settings_or_refused(monkeypatch, tmp_path, words):
    def measured(asked, *_, **__):
        json.dumps(asked.to_dict(), allow_nan=False)
        raise NothingMeasured("accepted")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "run", measured)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["run", *(word for part in words for word in part)])
    said = err.getvalue()
    if ended.value.code == 0:
        assert out.getvalue().startswith("usage: slmbench run")
    else:
        assert said.startswith("slmbench run: ") and all(map(str.isprintable, said.splitlines()))
        assert (ended.value.code, "\n  -> " in said) in ((1, False), (2, True))
        assert (ended.value.code == 1) == (said == "slmbench run: accepted\n")
