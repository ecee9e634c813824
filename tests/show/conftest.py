import pytest

from slmbench.records import to_frame
from support import blank
from support.made_rows import sample_rows


@pytest.fixture(scope="session")
def rows():
    return sample_rows()


@pytest.fixture(scope="session")
def frame(rows):
    return to_frame(rows)


@pytest.fixture
def blank_pictures(monkeypatch):
    """A report's pictures are blank, under their own names: for tests of its words, tables and files."""
    blank.pictures(monkeypatch)
