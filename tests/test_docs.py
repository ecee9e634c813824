"""What the documents name exists: files, headings, commands, options. What docstrings show is what one gets."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import io
import re
import shlex
from pathlib import Path

import pytest

from slmbench import cli

ROOT = Path(__file__).parents[1]
SKIP = {".venv", ".git", "runs", "test-results", "node_modules"}
documents = sorted(p for p in ROOT.rglob("*.md") if not SKIP & set(p.relative_to(ROOT).parts))
modules = sorted(
    ".".join(p.relative_to(ROOT / "lib").with_suffix("").parts)
    for p in (ROOT / "lib" / "slmbench").rglob("*.py")
    if ">>> " in p.read_text(encoding="utf-8")
)
TOP = ("samples/", "notebooks/", "data/", "lib/", "tests/", ".ci/")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def commands(program: str) -> list[list[str]]:
    """What the documents show after the program's name, in blocks of code and in code spans."""
    found = []
    for text in (p.read_text(encoding="utf-8") for p in documents):
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        shown = [line for block in blocks for line in block.splitlines()]
        shown += re.findall(r"`([^`\n]+)`", re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for line in shown:
            match = re.match(rf"(?:\S*/)?(?:py(?:thon3?)? )?{re.escape(program)} (\S.*)", line.strip())
            if match:
                found.append(shlex.split(match[1].split(" #")[0].split(" | ")[0]))
    return found


def slmbench_help(*verb: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit) as end:
        cli.main([*verb, "--help"])
    assert end.value.code == 0
    return shown.getvalue()


def test_there_are_documents_and_examples():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {name(p) for p in documents}
    assert "slmbench.records" in modules


@pytest.mark.parametrize("document", documents, ids=name)
def test_links_within_the_repository_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        linked = (document.parent / path) if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("document", documents, ids=name)
def test_files_that_are_named_exist(document):
    if document.name == "CHANGELOG.md":  # tells of the past
        return
    text = re.sub(r"^```\w*\n.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    named = [span for span in re.findall(r"`([^`\s]+)`", text) if span.startswith(TOP)]
    named = [span.partition("::")[0] for span in named]  # a test in a file: tests/faults looks whether it is there
    assert [n for n in named if "<" not in n and "*" not in n and not (ROOT / n).exists()] == []


def test_bootstraps_commands_exist():
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    shown = {words[0] for words in commands("bootstrap.py")}
    assert {"report", "test"} <= shown <= {*bootstrap.COMMANDS, "--help"}


def test_slmbenchs_verbs_and_options_exist():
    shown = commands("slmbench")
    assert len(shown) > 5
    for words in shown:
        verb = words[0].rstrip(",")
        options = {word.split("=")[0].rstrip("],") for word in words[1:] if word.startswith("--")}
        verbs = [verb, words[1]] if verb == "fleet" and len(words) > 1 else [verb]  # which has verbs of its own
        text = slmbench_help() if verb.startswith("-") else slmbench_help(*verbs)
        assert options <= {*re.findall(r"--[a-z][a-z-]*", text)}, words


@pytest.mark.parametrize("module", modules)
def test_docstring_examples(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
