import pytest
from made_rows import sample_rows

from slmbench.records import to_frame


@pytest.fixture(scope="session")
def rows():
    return sample_rows()


@pytest.fixture(scope="session")
def frame(rows):
    return to_frame(rows)
