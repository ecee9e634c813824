"""What own code must not hold, found in its syntax tree: beside ruff's rules, which know no allowance by file and no
loopback, and which a comment can switch off.

It sees names however they are imported, and constants given to `getattr` and `import_module`. It can't see what is put
together at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

UNPICKLING = {"pickle", "_pickle", "dill", "marshal", "shelve", "cloudpickle", "joblib", "jsonpickle"}
NAMES = {  # pattern of a dotted name: why it is forbidden, wherever it is named
    **dict.fromkeys([f"builtins.{n}" for n in ("eval", "exec", "compile", "__import__")], "runs text as code"),
    **dict.fromkeys(["os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"], "is a shell"),
    **dict.fromkeys(["asyncio.create_subprocess_shell", "pty.spawn"], "is a shell"),
    **dict.fromkeys(["os.exec*", "os.spawn*", "os.posix_spawn*"], "starts a program past subprocess"),
    **dict.fromkeys(["yaml.load", "yaml.load_all", "yaml.unsafe_*", "yaml.full_*"], "makes objects out of text"),
    **dict.fromkeys(["*.read_pickle", "*.to_pickle", "torch.load"], "makes objects out of bytes"),
    **dict.fromkeys(["ssl._create_*", "ssl.CERT_NONE"], "takes any certificate"),
    "tempfile.mktemp": "is a name that another process can take",
}
URLS = {"urllib.request.urlopen": "takes any scheme and goes through proxies"}  # the library has rest.py
URLS["urllib.request.urlretrieve"] = URLS["urllib.request.urlopen"]
KEYWORDS = {  # name of an argument: the only value that it may have, and why
    "shell": (..., "is a shell"),
    "allow_pickle": (False, "makes objects out of bytes"),
    "trust_remote_code": (False, "runs what was downloaded"),
    "verify": (True, "takes any certificate"),
    "check_hostname": (True, "takes any certificate"),
}
METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "Client", "AsyncClient")
DEADLINES = {  # what waits for another process: which positional argument is its timeout, and keywords that bring one
    "http.client.HTTPConnection": (2, ("timeout",)),
    "http.client.HTTPSConnection": (None, ("timeout",)),
    "socket.create_connection": (1, ("timeout",)),
    "urllib.request.urlopen": (2, ("timeout",)),
    "openai.DefaultHttpxClient": (None, ("timeout",)),
    "openai.OpenAI": (None, ("timeout", "http_client")),
    **{f"{package}.{name}": (None, ("timeout",)) for package in ("httpx", "requests") for name in METHODS},
}
SERVERS = ("*.bind", "socket.create_server", "http.server.*Server", "socketserver.*Server", "asyncio.start_server")
SERVERS += ("*.start_server", "wsgiref.simple_server.make_server")


@dataclass(frozen=True)
class Finding:
    """what: the dotted name or the argument, "pickle", "builtins.eval", "shell="."""

    line: int
    what: str
    why: str


def found(source: str, library: bool = True) -> list[Finding]:
    """What of a file's text is forbidden, in order. library: whether the rules for the library apply, or for tests.

    raises: SyntaxError for what is no plain Python, such as a notebook's cell with a magic or a shell's line.
    """
    tree = ast.parse(source)
    names = _Names(tree)
    findings = {f for node in ast.walk(tree) for f in _at(node, names, library)}
    return sorted(findings, key=lambda f: (f.line, f.what))


class _Names:
    """Dotted names, as they were imported: `sp.run` is subprocess.run after `import subprocess as sp`."""

    def __init__(self, tree: ast.Module):
        self.meant = {name: f"builtins.{name}" for name in ("eval", "exec", "compile", "__import__", "getattr")}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.meant |= {a.asname or a.name.split(".")[0]: a.name for a in node.names if a.asname}
            elif isinstance(node, ast.ImportFrom):
                self.meant |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}

    def of(self, node: ast.AST) -> str:
        """ "" for what has no name; a part that can't be told is "?"."""
        if isinstance(node, ast.Name):
            return self.meant.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.of(node.value) or '?'}.{node.attr}"
        if isinstance(node, ast.Call) and self.of(node.func) == "builtins.getattr" and len(node.args) > 1:
            return f"{self.of(node.args[0]) or '?'}.{_constant(node.args[1])}"
        return ""


def _at(node: ast.AST, names: _Names, library: bool) -> Iterator[Finding]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for name in _imported(node):
            yield from _named(node.lineno, name, library)
    elif isinstance(node, ast.Name | ast.Attribute):
        yield from _named(node.lineno, names.of(node), library)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                yield from _argument(node.lineno, target.attr, node.value)
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            yield from _argument(node.lineno, keyword.arg or "", keyword.value)
        yield from _named(node.lineno, names.of(node), library)  # of a `getattr`
        yield from _called(node, names, library)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _named(line: int, name: str, library: bool) -> Iterator[Finding]:
    first = name.partition(".")[0]
    if first in UNPICKLING:
        yield Finding(line, first, "makes objects out of bytes")
    for pattern, why in (NAMES | URLS if library else NAMES).items():
        if fnmatchcase(name, pattern):
            yield Finding(line, name.removeprefix("?."), why)


def _argument(line: int, name: str, value: ast.expr) -> Iterator[Finding]:
    if name in KEYWORDS:
        only, why = KEYWORDS[name]
        constant = isinstance(value, ast.Constant)
        # a value that is told at run time may be an SSLContext for `verify`, but never is one for the others
        if not (constant and value.value is only) and (constant or name != "verify"):
            yield Finding(line, f"{name}=", why)


def _called(node: ast.Call, names: _Names, library: bool) -> Iterator[Finding]:
    name = names.of(node.func)
    if name.rpartition(".")[2] == "import_module" and node.args:
        yield from _named(node.lineno, str(_constant(node.args[0])), library)
    if name in DEADLINES:
        position, keywords = DEADLINES[name]
        given = [k.value for k in node.keywords if k.arg in keywords or k.arg is None]
        given += node.args[position : position + 1] if position else []
        if not any(not (isinstance(v, ast.Constant) and v.value is None) for v in given):
            yield Finding(node.lineno, name, "has no deadline")
    allowed = ("127.0.0.1",) if library else ("127.0.0.1", "::1")
    if any(fnmatchcase(name, pattern) for pattern in SERVERS) and _host(node) not in allowed:
        yield Finding(node.lineno, name.removeprefix("?."), "listens elsewhere than on 127.0.0.1")


def _host(node: ast.Call) -> object:
    """The host that a server is given: of an address, or as an argument of its own."""
    for value in (*node.args, *(k.value for k in node.keywords if k.arg in ("address", "server_address", "host"))):
        constant = _constant(value.elts[0]) if isinstance(value, ast.Tuple) and value.elts else _constant(value)
        if isinstance(constant, str):
            return constant
    return None


def _constant(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None
