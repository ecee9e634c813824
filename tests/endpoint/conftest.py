"""A real service with the tiny model, one for each test module or for a test alone; a plan run on it."""

import pytest

from slmbench import config, runner, store
from slmbench.endpoint import connect, resolve
from support.reviving import TINY
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


@pytest.fixture
def tiny(tmp_path):
    """The kit's service with two tiny models, for one test."""
    with service_with_tiny(tmp_path / "home", *TINY) as running:
        yield running


@pytest.fixture
def measure(tmp_path):
    """Run a plan; `then(number, row)` is called between two rows. Gives (run folder read, what was said).

    measure.acknowledged: (cell, attempt) of every row that the run has said to be kept.
    """

    def run(then=lambda *_: None, *, resume=False, endpoint=None, models=TINY, **given):
        said = []
        settings = config.settings(models=list(models), prompts=["One?", "Two?"], endpoint=endpoint, **given)
        found = connect(settings.endpoint, say=said.append)
        targets = resolve(found, settings.models, config.read_models())
        with runner.open_run(settings, found, targets, out=tmp_path / "run", resume=resume) as folder:
            for number, row in enumerate(
                runner.measure(settings, found, targets, folder, memory=False, say=said.append)
            ):
                run.acknowledged.add((row.cell, row.attempt))
                then(number, row)
        return store.read(tmp_path / "run"), said

    run.acknowledged = set()
    return run
