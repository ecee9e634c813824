import pytest

from slmbench.records import to_frame
from support.made_rows import sample_rows


@pytest.fixture(scope="session")
def rows():
    return sample_rows()


@pytest.fixture(scope="session")
def frame(rows):
    return to_frame(rows)
