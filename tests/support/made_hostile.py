"""Runs in which models, prompts, replies and errors are hostile texts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from slmbench.quality.scores import Score
from slmbench.records import Row
from support import hostile
from support.made_rows import request, streamed

CORPUS = hostile.corpus()
NAME_MAX = 200  # characters; a list of models that has longer names is passed over


def batches(found: list[hostile.Hostile], size: int) -> list[list[str]]:
    """Texts, at most so many at a time."""
    texts, number = [h.text for h in found], -(-len(found) // size)
    return [texts[i::number] for i in range(number)]


def rows_of(texts: list[str]) -> list[Row]:
    """Each text as a model that answers each text as a prompt with one of them, and as why a request of it failed; the
    first of them also as one that failed, and one that was skipped.
    """
    rows, names = [], [text[:NAME_MAX] for text in texts]
    for place, model in enumerate(names):
        for number, prompt in enumerate(names):
            reply = texts[(place + number) % len(texts)]
            more = {"text": reply, "ttft": 0.1 * (1 + place), "order": len(rows), "finish_reason": reply}
            rows.append(streamed(model, prompt, 0, **more))
        failing = model if place else f"{model} failed"  # in one of its requests, and in all of them
        rows.append(request(failing, prompt, 1, status="server_error", error=texts[place], order=len(rows)))
    rows.append(request(f"{names[0]} gone", None, None, status="skipped", error=texts[-1], order=len(rows)))
    return rows


def told_of(texts: list[str]) -> dict:
    """What a run folder tells beside its rows."""
    names = [text[:NAME_MAX] for text in texts]
    entries = {n: SimpleNamespace(licence=n, size_mb=1.0, display_name=n, capabilities=(n,)) for n in names}
    prompts = [{"id": name, "text": text} for name, text in zip(names, texts, strict=True)]
    plan = {"prompts": prompts, "rounds": 1, "command": texts[0], "endpoint": texts[-1]}
    resources = [{"model": name, "kind": text, "error": text} for name, text in zip(names, texts, strict=True)]
    told = {"plan": plan, "machine": {n: [n] for n in names}, "resources": resources, "entries": entries}
    return told | {"scores": scores_of(texts)}


def scores_of(texts: list[str]) -> list[Score]:
    """Each text as a person who scores, as a judge without a judgement, and as a judge of pairs."""
    names, found = [text[:NAME_MAX] for text in texts], []
    for place, text in enumerate(texts):
        for number in (place, (place + 1) % len(names)):
            name = names[number]
            about = {"item": f"i{number}", "prompt_id": name, "models": [name], "explanation": text}
            person = Score(id=f"h{place}-{number}", task="score", kind="human", annotator=text, **about)
            found.append(replace(person, score=1 + (place + number) % 5, aspects=[True, False]))
        about = {"kind": "model", "annotator": text, "prompt_id": names[0], "models": [names[place]]}
        found.append(Score(id=f"m{place}", task="score", item="i0", status="unparsable", error=text, **about))
        for left in ("first", "second"):
            pair = {"others": [names[place - 1]], "choice": "first", "left": left}
            found.append(Score(id=f"p{place}{left}", task="pair", item=f"p{place}", **about, **pair))
    check = {"kind": texts[0], "name": texts[0], "passed": False, "found": texts[0], "expected": texts[-1]}
    code = {"kind": "code", "annotator": "checks", "item": "i0", "prompt_id": names[0], "models": names}
    return [*found, Score(id="c", task="score", checks=[{**check, "aspect": 0, "decides": True}], **code)]
