"""The command line, called as a function: what it prints and the code it ends with."""

import contextlib
from dataclasses import dataclass

import pytest

from slmbench.cli import main
from support.server import Server


@dataclass(frozen=True)
class Ended:
    """How a verb ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def scripted():
    """Servers that stay on their port for the whole test."""
    with contextlib.ExitStack() as servers:
        yield lambda respond: servers.enter_context(Server(respond))


@pytest.fixture
def slmbench(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return Ended(ended.value.code, said.out, said.err)

    return call
