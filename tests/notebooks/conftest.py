"""The main notebook run by papermill on the tiny model in the real runtime, from a folder that is not the clone's."""

from pathlib import Path

import pytest

from support import notebooks

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_benchmark_oss_models.ipynb"
TINY = "tiny-a", "tiny-b"


@pytest.fixture(scope="module")
def tiny_home(tmp_path_factory):
    """A cache folder that holds two tiny models, and whose service is stopped in the end."""
    from slmbench import models
    from slmbench.endpoint import service

    home = tmp_path_factory.mktemp("home")
    for seed, name in enumerate(TINY):
        models.write_tiny(home / "models" / name, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_HOME", str(home))
        yield home
        service.stop()


@pytest.fixture
def papermill(tiny_home, tmp_path):  # noqa: ARG001  the home is set in the environment
    """Run papermill's command in a folder of its own: papermill(*arguments) -> (completed process, output notebook)."""

    return notebooks.papermill(NOTEBOOK, tmp_path)
