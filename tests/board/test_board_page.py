"""What Voilà is given: a notebook with the values in it, whatever they are, and settings that keep to this machine."""

import ast
import json
import re
from pathlib import Path

import jinja2
import nbformat
import pytest

from slmbench import board, paths
from slmbench.board import page
from slmbench.show import theme
from support.boards import LIGHT

HOSTILE = ["a,b", 'quo"te', "quo'te", "line\nend", "back\\slash", "{braces}", "नेपाली", "'''", "#", "\u202e", "\u2028"]
TEMPLATES = sorted((page.SHARE / "voila" / "templates" / page.TEMPLATE).iterdir())


def values(notebook):
    cell = next(c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", []))
    lines = ast.parse(cell.source).body
    assert all(isinstance(line, ast.Assign) for line in lines)
    return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}


def test_values_land_below_the_parameters_cell(tmp_path):
    board.parameterised(tmp_path / "copy.ipynb", [Path("/runs/a"), Path("/runs/b")], LIGHT)
    copy = nbformat.read(tmp_path / "copy.ipynb", nbformat.NO_CONVERT)
    nbformat.validate(copy)
    tags = [c.metadata.get("tags", []) for c in copy.cells]
    assert tags.index(["parameters"]) + 1 == tags.index(["injected-parameters"])
    assert values(copy) == {"runs": ["/runs/a", "/runs/b"], "theme": "light", "scale": "normal"}
    assert copy.metadata.title == "slmbench: live board"


def test_without_a_run_the_notebook_looks_for_itself(tmp_path):
    board.parameterised(tmp_path / "copy.ipynb", [], LIGHT)
    copy = nbformat.read(tmp_path / "copy.ipynb", nbformat.NO_CONVERT)
    assert values(copy) == {"theme": "light", "scale": "normal"}
    original = nbformat.read(paths.notebook(board.NOTEBOOK), nbformat.NO_CONVERT)
    assert [c.source for c in copy.cells if c.metadata.get("tags") != ["injected-parameters"]] == [
        c.source for c in original.cells
    ]


@pytest.mark.parametrize("name", [*HOSTILE, "half\udcff"], ids=ascii)
def test_names_of_folders_are_texts_and_nothing_else(tmp_path, name):
    board.parameterised(tmp_path / "copy.ipynb", [Path("/runs", name)], LIGHT)
    copy = nbformat.read(tmp_path / "copy.ipynb", nbformat.NO_CONVERT)
    assert values(copy)["runs"] == [f"/runs/{name}"]
    assert len(copy.cells) == len(nbformat.read(paths.notebook(board.NOTEBOOK), nbformat.NO_CONVERT).cells) + 1


def test_the_settings_are_json_and_listen_here_only(tmp_path):
    door = page.Door(4711, "the token", "the nonce")
    told = json.loads(json.dumps(page.settings(tmp_path, door, LIGHT, 120)))
    assert door.url == "http://127.0.0.1:4711/?token=the token"
    voila, tornado = told["Voila"], told["Voila"]["tornado_settings"]
    assert (voila["ip"], voila["port"], voila["port_retries"], voila["token"]) == ("127.0.0.1", 4711, 0, "the token")
    assert tornado["allow_remote_access"] is False
    assert told["VoilaConfiguration"]["resources"]["slmbench"] == {
        "nonce": "the nonce",
        "theme": "light",
        "ground": "#ffffff",
        "text": "#1a1a1a",
    }


def test_each_board_has_a_token_and_a_nonce_of_its_own():
    doors = [page.Door(1) for _ in range(3)]
    secrets = {word for door in doors for word in (door.token, door.nonce)}
    assert len(secrets) == 6 and all(len(word) == 22 for word in secrets)  # 16 bytes each, in base64


def test_the_policy_names_no_other_host_and_no_inline_script():
    policy = dict(rule.split(" ", 1) for rule in page.policy(page.Door(4711, nonce="N")).split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'nonce-N' blob:"
    assert policy["connect-src"] == "'self' ws://127.0.0.1:4711"
    known = {"'none'", "'self'", "'nonce-N'", "'unsafe-inline'", "blob:", "data:", "ws://127.0.0.1:4711"}
    assert {word for rule in policy.values() for word in rule.split()} == known
    assert [name for name, rule in policy.items() if "'unsafe-inline'" in rule] == ["style-src"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_the_template_asks_nobody_else_and_its_scripts_have_the_nonce(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|//cdn", text)
    scripts = re.findall(r"<script(.*?)>", text)
    inline = [s for s in scripts if "src=" not in s and "application/json" not in s]
    assert all(s == ' nonce="{{ own.nonce }}"' for s in inline)
    assert not re.search(r"<[^>{]*\son\w+=", text)
    if path.suffix != ".json":
        jinja2.Environment(autoescape=True).parse(text)


def test_the_grounds_are_the_pictures_own():
    """The command takes them from there; and a colour can be nothing that ends a style."""
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for name in theme.THEMES for color in theme.INK[name])
