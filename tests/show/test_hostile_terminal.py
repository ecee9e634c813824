"""What a terminal gets from a run on a hostile endpoint: its words, and nothing that the terminal obeys."""

import io
import json

import pytest

from slmbench import cli
from slmbench.cli import script
from slmbench.show.progress import ConsoleProgress
from support import hostile
from support.made_hostile import CORPUS
from support.made_rows import request
from support.replies import behaved, good, head, message, plain
from support.server import Server

each = pytest.mark.parametrize("bad", [pytest.param(h.text, id=h.name) for h in CORPUS if "long" not in h.name])
OWN = "\n\r\t"  # a bar goes back to the start of its line


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
@each
def test_progress_shows_names_without_commands(bad, stream):
    out = stream()
    with ConsoleProgress(1, out) as progress:
        progress.update(request(bad, bad))
    assert hostile.commands(out.getvalue(), keep=OWN) == []
    if stream is not Terminal:  # a bar cuts what its line has no room for
        assert hostile.is_readable(f"{bad} {bad}", out.getvalue())


@each
def test_scripts_print_without_commands(bad, capsys):
    script.aloud(bad)
    said = capsys.readouterr().err
    assert hostile.commands(said) == []
    assert hostile.is_readable(bad, said)


PRINTABLE = [h for h in CORPUS if h.text.isprintable() and len(h.text) < 500]


def slmbench(capsys, *arguments):
    """Run a verb. returns: its exit code, and what it printed on each stream."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize("bad", [pytest.param(h.text, id=h.name) for h in CORPUS if h.name in hostile.TERMINAL])
def test_a_probe_shows_what_was_said_without_commands(bad, capsys):
    with Server(behaved("a", reply=lambda _: [plain(message(f"said: {bad}"))])) as server:
        code, out, err = slmbench(capsys, "probe", "--endpoint", server.root)
    assert code == 0
    assert hostile.commands(out + err) == []
    assert hostile.is_readable(bad, out)


def test_a_run_shows_names_and_faults_without_commands(capsys, tmp_path):
    faults = [h.text for h in CORPUS if h.name in hostile.TERMINAL]
    names = [h.text for h in PRINTABLE][: len(faults)]

    def reply(asked):
        told = faults[names.index(asked["model"])]
        if names.index(asked["model"]) == 0:
            return [head(), good(told)]
        return [plain({"error": {"message": told}}, "400 Bad Request")]

    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps(["Say something."]), encoding="utf-8")
    given = ["--prompts", str(prompts), "--rounds", "1", "--warmup", "0", "--out", str(tmp_path / "run")]
    with Server(behaved(*names, reply=reply)) as server:
        code, out, err = slmbench(capsys, "run", "--endpoint", server.root, *given)
    assert (code, out) == (0, "")
    assert hostile.commands(err) == []
    assert all(hostile.is_readable(name, err) for name in names)
    assert all(hostile.is_readable(fault, err) for fault in faults[1:])
