"""The command line, called as a function: what it prints and the code it ends with."""

from dataclasses import dataclass

import pytest

from slmbench.cli import main


@dataclass(frozen=True)
class Ended:
    """How a verb ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def slmbench(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return Ended(ended.value.code, said.out, said.err)

    return call
