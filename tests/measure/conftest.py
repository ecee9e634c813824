"""A plan run against a scripted server."""

from dataclasses import replace

import pytest

from slmbench import store
from slmbench.measure import bench
from support.plans import Loader, settings, targets
from support.server import Server


@pytest.fixture
def measure(tmp_path):
    """Run a plan against a server in the folder `run`; gives (rows, the server's chat requests)."""

    def run(respond, *aliases, loader=None, more=(), resume=False, **given):
        asked = settings(**given)
        with Server(respond) as server:
            loadable = [replace(t, load_url=f"{server.root}/models") for t in targets(f"{server.root}/v1", *aliases)]
            wanted = [*loadable, *more]
            plan = asked.to_dict() | {"models": [t.alias for t in wanted]}
            with store.RunFolder.open(tmp_path / "run", plan, {}, resume=resume) as folder:
                rows = list(bench.run(wanted, asked, loader or Loader(), folder))
        return rows, server.posts

    return run
