"""Reports whose pictures are blank, for tests of their words, tables and files. Other tests draw every picture."""

from types import SimpleNamespace

import pytest

from slmbench.show import plots, theme

PNG = b"\x89PNG" + bytes(20)


def pictures(patch: pytest.MonkeyPatch) -> None:
    """From now on a report's pictures have their names and nothing on them."""
    patch.setattr(plots, "draw", lambda *_, **__: SimpleNamespace(figure=None))
    patch.setattr(theme, "both", lambda _: (PNG, PNG))
