"""A room's report, written and read again."""

import json

import pytest

from slmbench.show import room_plots, room_report, theme
from support import blank
from support.made_rooms import room


def without_pictures(monkeypatch):
    """For what is about words and tables."""
    monkeypatch.setattr(room_plots, "stations", lambda *_: None)
    monkeypatch.setattr(theme, "both", lambda _: (blank.PNG, blank.PNG))


def written(path, runs, others=(), base=None, **given):
    """(the names of the files, the report, its JSON)."""
    paths = room_report.write(room(path, runs, others, **given), base)
    page, found = (path / "room_report.md").read_text(encoding="utf-8"), (path / "room_report.json").read_bytes()
    return (
        [p.name for p in paths],
        page,
        json.loads(found, parse_constant=lambda text: pytest.fail(f"{text} is no JSON")),
    )


def section(page, title):
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
