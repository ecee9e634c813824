"""A run's replies judged by a model of an endpoint: finding and loading it, asking it, keeping what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from slmbench import config, secret, store
from slmbench.endpoint import Endpoint, Target, connect, resolve
from slmbench.errors import UsageError
from slmbench.models.embedded import EMBEDDED
from slmbench.quality.items import Item, Pair, items, pairs, sample
from slmbench.quality.judge import Judge, NoAnswer, Said, judge
from slmbench.quality.scores import Score

RECORDED = "recorded"  # in place of a judge's alias: what the run has already
TOKENS = 240  # of one answer: a sentence, six ticks and a score take about 120
DEADLINE_S = 120.0
SEED = 0
NO_FORM = (400, 404, 415, 422, 500, 501)  # what servers answer that can't hold a model to a schema


def judge_run(
    folder: Path | str,
    alias: str,
    *,
    compare: bool = False,
    replies: int | None = None,
    endpoint: str | None = None,
    allow_remote: bool = False,
    again: bool = False,
    models_file: config.ModelsFile | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Score]:
    """Judges the replies of a run, or with `compare` its pairs; yields each score when it is on disk.

    alias: the judge, as in models.json or as the endpoint lists it. replies: at most so many replies (or pairs), the
    same as an annotator gets. endpoint, allow_remote: as for a run. again: as for `quality.judge.judge`.
    raises: UsageError before anything is asked: no run, no replies, an unknown or unavailable judge.
    """
    of: Sequence[Item | Pair] = items(store.read(folder))
    of = sample(pairs(of) if compare else of, replies)
    given = {"models": [alias], "endpoint": endpoint, "allow_remote": allow_remote}
    settings = config.settings(models_file, **given)
    service = connect(settings.endpoint, allow_remote=allow_remote, say=say)
    [target] = resolve(service, settings.models, models_file or config.read_models(), say=say)
    if not target.available:
        raise UsageError(f"judge: {alias} can't be asked: {target.reason}", "slmbench models   (lists what can)")
    service.load(target)
    with service.client(base_url=target.base_url, timeout_s=DEADLINE_S) as client:
        by = Judge(target.alias, asking(client, service, target), kin(target.alias))
        yield from judge(of, by, folder, again=again, say=say)


def judge_if_asked(folder: Path | str, alias: str, **how: Any) -> list[Score]:
    """For a notebook: nothing for "recorded", else all of `judge_run`, replies first, then pairs. endpoint "auto" is
    None."""
    if alias == RECORDED:
        return []
    how["endpoint"] = None if how.get("endpoint") in (None, "auto") else how["endpoint"]
    return [score for compare in (False, True) for score in judge_run(folder, alias, compare=compare, **how)]


def kin(alias: str) -> frozenset[str]:
    """Aliases that are other formats of the same weights, as far as the kit knows."""
    return frozenset(EMBEDDED) - {alias} if alias in EMBEDDED else frozenset()


def asking(client: Any, service: Endpoint, target: Target) -> Callable[[list[dict[str, str]], dict[str, Any]], Said]:
    """What asks the judge, at temperature 0, and holds it to the schema where the server takes one.

    Foundry Local takes the schema itself as json_schema; others want it inside, under a name. Both are sent, as one
    object. A server that refuses it is asked once more, without.
    """
    import openai

    secrets = secret.carried(service.headers)

    def ask(messages: list[dict[str, str]], form: dict[str, Any]) -> Said:
        request = {"model": target.id, "messages": messages, "max_tokens": TOKENS, "temperature": 0, "seed": SEED}
        request["extra_headers"] = {"Connection": "close"}  # one that was kept may be gone when it is used again
        shape = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": form, **form}}
        forced = True
        began = time.perf_counter()
        try:
            try:
                reply = client.chat.completions.create(**request, response_format=shape)
            except openai.APIStatusError as e:
                if e.status_code not in NO_FORM:
                    raise
                forced, began = False, time.perf_counter()
                reply = client.chat.completions.create(**request)
        except (openai.OpenAIError, ValueError) as e:
            raise NoAnswer(secret.removed(f"{type(e).__name__}: {e}", secrets)[:500]) from None
        latency_s = time.perf_counter() - began
        text = _text(reply)
        if text is None:
            raise NoAnswer("the reply has no text")
        used = getattr(reply, "usage", None)
        counts = [_count(getattr(used, name, None)) for name in ("prompt_tokens", "completion_tokens")]
        return Said(secret.removed(text, secrets), round(latency_s, 6), *counts, forced=forced)

    return ask


def _text(reply: Any) -> str | None:
    """The reply's text; None for whatever else a server may have sent, which the openai package passes on unchecked."""
    try:
        text = reply.choices[0].message.content
    except (AttributeError, IndexError, TypeError):
        return None
    return text if isinstance(text, str) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 10**9 else None
