"""Where strace is, it may still not be allowed to look at a process, as in some containers."""

import pytest
import recorded


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("strace") and not recorded.works():
        pytest.skip("needs strace, and leave to trace")
