"""A run folder whose replies a test chooses, to be judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from slmbench.store import RunFolder
from support.made_rows import request

ASPECTS = ("says what", "says why")


def run_with(folder: Path, replies: Mapping[tuple[str, str], str | dict], **prompt) -> Path:
    """replies: (model, prompt id) -> text, or fields of the row. prompt: further fields of every prompt."""
    ids = list(dict.fromkeys(name for _, name in replies))
    prompts = [{"id": i, "text": f"Tell me about {i}.", "aspects": list(ASPECTS), **prompt} for i in ids]
    plan = {"models": list(dict.fromkeys(m for m, _ in replies)), "prompts": prompts, "rounds": 1}
    with RunFolder.open(folder, plan, {}) as opened:
        for number, ((model, name), reply) in enumerate(replies.items()):
            fields = reply if isinstance(reply, dict) else {"text": reply}
            opened.append(request(**{"model": model, "prompt": name, "number": number, **fields}))
    return folder


def saved(folder: Path) -> list[dict]:
    """The lines of scores.jsonl, as they stand."""
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text(encoding="ascii").splitlines()]
