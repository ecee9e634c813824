"""No pickle, eval, shell, unchecked certificate, endless wait or open port in own code; and each would be seen."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import forbidden
import pytest
from locks import ROOT
from ruff import find_ruff_bin

LIBRARY = [ROOT / "bootstrap.py", *(ROOT / "lib").rglob("*.py"), *(ROOT / "samples").rglob("*.py")]
LIBRARY += (ROOT / "notebooks").glob("*.ipynb")
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# What a file holds nevertheless, each with its reason. An entry that is no longer needed fails.
ALLOWED = {
    "lib/slmbench/fleet/plain.py": {"pickle"},  # which it keeps from being read
    "lib/slmbench/fleet/scheduler.py": {"probe.bind"},  # the room's port, at the address that the instructor names
    "tests/fleet/test_fleet_hostile.py": {"pickle"},  # shows that it is refused
    "tests/fleet/test_fleet_parts.py": {"pickle"},  # the same
    "tests/support/hostile_station.py": {"builtins.eval"},  # what others must not do for it
    "tests/notebooks/test_distribution.py": {"builtins.exec", "builtins.compile"},  # run the notebook's own hints
    "tests/notebooks/test_choose_notebook.py": {"builtins.exec", "builtins.compile"},  # run the notebook's own hints
    "tests/support/notebooks.py": {"builtins.exec", "builtins.compile"},  # run the notebooks' own cells
    "tests/notebooks/test_quality_notebook.py": {"builtins.exec", "builtins.compile"},  # run the notebook's own hints
    "tests/notebooks/test_papermill_parameters.py": {
        "builtins.exec",
        "builtins.compile",
    },  # the notebooks' own first cells
    "tests/bench/bare.py": {"socket.create_connection"},  # the bare socket that others are measured beside: no more
    "tests/bench/typed.py": {"openai.OpenAI"},  # what somebody types, as it is; its process is ended from outside
    "tests/support/server.py": {"socket.create_connection"},  # to a listener of its own process
    "tests/test_truth_server.py": {"openai.OpenAI"},  # to a server of its own process; the test's 60 s end it
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    """A file's Python: of a notebook, that of its code cells."""
    said = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return said
    return "\n".join("".join(c["source"]) for c in json.loads(said)["cells"] if c["cell_type"] == "code")


@pytest.mark.parametrize("path", sorted(LIBRARY), ids=name)
def test_the_library_the_samples_and_the_notebooks(path):
    assert {f.what for f in forbidden.found(text(path))} == ALLOWED.get(name(path), set())


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_the_tests(path):
    assert {f.what for f in forbidden.found(text(path), library=False)} == ALLOWED.get(name(path), set())


def test_no_comment_switches_a_rule_off():
    """As ruff takes them; bootstrap.py has one for the syntax of Python 2.7."""
    for path in LIBRARY:
        off = re.findall(r"#.*\bnoqa\b(?:: *([A-Z0-9, ]+))?", text(path))
        assert [codes for codes in off if not codes or re.search(r"\bS\d", codes)] == [], name(path)


def test_ruffs_rules_on_security_apply_to_the_library():
    source = "import subprocess\n\nsubprocess.run('ls', shell=True)\neval('1')\nassert name == 'a'\n"
    command = [
        find_ruff_bin(),
        "check",
        "--no-cache",
        "--output-format",
        "json",
        "--stdin-filename",
        "lib/slmbench/a.py",
    ]
    done = subprocess.run([*command, "-"], input=source, capture_output=True, text=True, cwd=ROOT, check=False)
    assert {"S602", "S307", "S101"} <= {finding["code"] for finding in json.loads(done.stdout)}


FORBIDDEN = [  # what is found: sources in each of which it is
    *[(m, f"import {m}") for m in sorted(forbidden.UNPICKLING)],
    ("pickle", "from pickle import loads"),
    ("pickle", "def f():\n    import pickle as p"),
    ("pickle", "importlib.import_module('pickle')"),
    ("pickle", "from importlib import import_module\nimport_module('pickle')"),
    ("builtins.eval", "eval(text)"),
    ("builtins.eval", "run = eval"),
    ("builtins.eval", "import builtins\nbuiltins.eval(text)"),
    ("builtins.eval", "import builtins\ngetattr(builtins, 'eval')(text)"),
    ("builtins.exec", "exec(text)"),
    ("builtins.compile", "compile(text, '', 'exec')"),
    ("builtins.__import__", "__import__(name)"),
    ("shell=", "subprocess.run('ls', shell=True)"),
    ("shell=", "subprocess.run('ls', shell=wanted)"),
    ("os.system", "import os\nos.system('ls')"),
    ("os.system", "from os import system as run"),
    ("os.system", "import os\nrun = getattr(os, 'system')"),
    ("os.popen", "import os as o\no.popen('ls')"),
    ("os.execvp", "import os\nos.execvp('ls', [])"),
    ("os.spawnl", "import os\nos.spawnl(0, 'ls')"),
    ("subprocess.getoutput", "import subprocess as sp\nsp.getoutput('ls')"),
    ("asyncio.create_subprocess_shell", "import asyncio\nasyncio.create_subprocess_shell('ls')"),
    ("tempfile.mktemp", "import tempfile\ntempfile.mktemp()"),
    ("yaml.load", "import yaml\nyaml.load(file)"),
    ("yaml.unsafe_load", "import yaml\nyaml.unsafe_load(file)"),
    ("allow_pickle=", "np.load(file, allow_pickle=True)"),
    ("pandas.read_pickle", "import pandas as pd\npd.read_pickle(file)"),
    ("frame.to_pickle", "frame.to_pickle(file)"),
    ("trust_remote_code=", "load(name, trust_remote_code=True)"),
    ("ssl._create_unverified_context", "import ssl\nssl._create_unverified_context()"),
    ("ssl.CERT_NONE", "import ssl\ncontext.verify_mode = ssl.CERT_NONE"),
    ("verify=", "httpx.get(url, verify=False, timeout=1)"),
    ("check_hostname=", "context.check_hostname = False"),
    ("urllib.request.urlopen", "import urllib.request\nurllib.request.urlopen(url, timeout=1)"),
    ("urllib.request.urlopen", "from urllib.request import urlopen"),
]
ENDLESS = [
    ("http.client.HTTPConnection", "import http.client\nhttp.client.HTTPConnection(host, 80)"),
    ("http.client.HTTPSConnection", "from http.client import HTTPSConnection\nHTTPSConnection(host, timeout=None)"),
    ("socket.create_connection", "import socket\nsocket.create_connection(address)"),
    ("urllib.request.urlopen", "from urllib.request import urlopen\nurlopen(url)"),
    ("requests.get", "import requests\nrequests.get(url)"),
    ("httpx.Client", "import httpx\nhttpx.Client(trust_env=False)"),
    ("openai.OpenAI", "import openai\nopenai.OpenAI(base_url=url)"),
]
OPEN = [
    ("http.server.ThreadingHTTPServer", "import http.server as h\nh.ThreadingHTTPServer(('', 0), Handler)"),
    ("http.server.HTTPServer", "from http.server import HTTPServer\nHTTPServer((host, 0), Handler)"),
    ("socket.create_server", "import socket\nsocket.create_server(('0.0.0.0', 0))"),
    ("socket.create_server", "import socket\nsocket.create_server(address)"),
    ("sock.bind", "sock.bind(('', 0))"),
    ("asyncio.start_server", "import asyncio\nasyncio.start_server(answer, None, 80)"),
]


@pytest.mark.parametrize(("what", "source"), FORBIDDEN)
def test_what_is_forbidden_is_found(what, source):
    assert what in {f.what for f in forbidden.found(source)}


@pytest.mark.parametrize(("what", "source"), ENDLESS)
@pytest.mark.parametrize("library", [True, False])
def test_a_wait_without_an_end_is_found(what, source, library):
    found = forbidden.found(source, library)
    assert (what, "has no deadline") in {(f.what, f.why) for f in found}


@pytest.mark.parametrize(("what", "source"), OPEN)
@pytest.mark.parametrize("library", [True, False])
def test_a_server_for_others_is_found(what, source, library):
    assert [(f.what, f.why) for f in forbidden.found(source, library)] == [
        (what, "listens elsewhere than on 127.0.0.1")
    ]


@pytest.mark.parametrize("pattern", [*forbidden.NAMES, *forbidden.URLS])
def test_every_name_on_the_list_is_found(pattern):
    dotted = pattern.replace("*", "x")
    module, _, last = dotted.rpartition(".")
    assert {f.what for f in forbidden.found(f"from {module} import {last} as a")} == {dotted}
    assert {f.what for f in forbidden.found(f"import {module} as a\na.{last}()")} == {dotted}


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "from re import compile as pattern",
        "model.eval()",
        "import subprocess\nsubprocess.run(['ls'], timeout=5)",
        "import yaml\nyaml.safe_load(file)",
        "np.load(file)\nnp.load(file, allow_pickle=False)",
        "httpx.get(url, verify=context, timeout=1)",
        "import http.client\nhttp.client.HTTPConnection(host, port, timeout=limit_s)",
        "import socket\nsocket.create_connection(address, 10)",
        "import openai\nopenai.OpenAI(http_client=client)",
        "import socket\nsocket.create_server(('127.0.0.1', port), backlog=9)",
        "from http.server import HTTPServer\nHTTPServer(('127.0.0.1', 0), Handler)",
        "import asyncio\nasyncio.start_server(answer, '127.0.0.1', 80)",
    ],
)
def test_what_is_allowed_is_not_found(source):
    assert forbidden.found(source) == []


def test_where_it_is_and_why_is_told():
    (finding,) = forbidden.found("import os\n\nos.system('ls')")
    assert (finding.line, finding.what, finding.why) == (3, "os.system", "is a shell")


def test_a_line_of_a_shell_in_a_notebook_is_no_python():
    with pytest.raises(SyntaxError):
        forbidden.found("!pip install something")
