"""A run folder as a run leaves it, to be altered."""

import pytest
from made_runs import opened, row


@pytest.fixture
def run(tmp_path):
    with opened(tmp_path / "run") as folder:
        folder.append(row(1, latency_s=1.0))
        folder.append_resource({"kind": "load", "model": "a", "load_s": 1.5})
    return folder.path
