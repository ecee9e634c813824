"""Reports of made-up runs, with what a run folder tells beside its rows."""

import re
from types import SimpleNamespace

from slmbench.records import to_frame
from slmbench.show import report
from support.made_rows import PROMPTS

PLAN = {
    "models": ["qwen2.5-0.5b"],
    "prompts": [{"id": p, "text": f"Text of {p}"} for p in PROMPTS],
    "rounds": 3,
    "temperature": 0.0,
    "endpoint": {"url": "http://127.0.0.1:5273/v1", "own": True},
    "command": "slmbench run --models qwen2.5-0.5b",
}
MACHINE = {"os": "Linux", "cpu": None, "packages": {"numpy": "2.4.6"}, "gpus": []}
RESOURCES = [
    {"kind": "footprint", "model": "qwen2.5-0.5b", "load_s": 1.25, "rss_loaded_mb": 930.4, "disk_mb": 811.2},
    {"kind": "load", "model": "qwen2.5-0.5b", "load_s": 0.75},
    {"kind": "footprint", "model": "smollm2-135m-int4", "error": "access | denied"},
]
ENTRIES = {
    alias: SimpleNamespace(licence=licence, size_mb=size, display_name=alias.upper(), capabilities=("chat",))
    for alias, licence, size in (("qwen2.5-0.5b", "Apache-2.0", 822.0), ("smollm2-135m-int4", None, 113.0))
}
TOLD = {"plan": PLAN, "machine": MACHINE, "resources": RESOURCES, "entries": ENTRIES}


def write(folder, rows, **given):
    paths = report.write(folder, to_frame(rows), **(TOLD | given))
    return paths, paths[0].read_text(encoding="utf-8")


def page_of(rows, **given):
    return report.markdown(to_frame(rows), **(TOLD | given))


def pictures_in(page):
    return re.findall(r"!\[(?:[^\]\\]|\\.){40,}\]\((.+?)\)", page)


def section(page, title):
    return page.split(f"\n{title}\n", 1)[1].split("\n## ", 1)[0]
