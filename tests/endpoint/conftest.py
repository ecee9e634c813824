"""A real service with the tiny model, one for each test module."""

import pytest

from support.tiny import service_with_tiny


@pytest.fixture(scope="module")
def tiny_service(tmp_path_factory):
    with service_with_tiny(tmp_path_factory.mktemp("home"), "tiny", "tiny-b") as running:
        yield running


@pytest.fixture
def silent():
    """A `say` that keeps its lines: silent.lines."""

    def say(text):
        say.lines.append(text)

    say.lines = []
    return say
