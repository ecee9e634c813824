"""A run's replies judged by a model of an endpoint: finding and loading it, asking it, keeping what it says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slmbench import config, secret, store
from slmbench.endpoint import Endpoint, Target, connect, resolve, rest
from slmbench.errors import UsageError
from slmbench.models.embedded import EMBEDDED, NAME
from slmbench.quality.items import CUT, Item, Pair, items, pairs, sample
from slmbench.quality.judge import Judge, NoAnswer, Said, judge
from slmbench.quality.scores import Score

RECORDED = "recorded"  # in place of a judge's alias: what the run has already
TOKENS = 240  # of one answer: the longest in data/quality_run has 52
DEADLINE_S = 120.0
SEED = 0
NO_FORM = ("http_400", "http_415", "http_422", "http_500", "http_501")  # what servers answer that take no schema,
NAMES = ("response_format", "schema", "grammar", "guidance", "structured")  # and what one of these words then names


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
    raises: UsageError before anything is asked: no run, no replies, no pairs, an unknown or unavailable judge.
    """
    run, known = store.read(folder), models_file or config.read_models()
    of: Sequence[Item | Pair] = items(run)
    if compare and not (of := pairs(of)):
        raise UsageError(
            f"{run.path} holds no two different replies to one prompt, which a pair needs.",
            "leave pairs out, or judge a run of several models",
        )
    given = {"models": [alias], "endpoint": endpoint, "allow_remote": allow_remote}
    settings = config.settings(models_file, **given)
    service = connect(settings.endpoint, allow_remote=allow_remote, say=say)
    [target] = resolve(service, settings.models, known, say=say)
    if not target.available:
        raise UsageError(f"judge: {alias} can't be asked: {target.reason}", "slmbench models   (lists what can)")
    service.load(target)
    own, kin = related(target, run.plan, known)
    by = Judge(target.alias, asking(service, target), kin, own, secret.carried(service.headers))
    yield from judge(sample(of, replies), by, folder, again=again, say=say)


def judge_if_asked(folder: Path | str, alias: str, **how: Any) -> list[Score]:
    """For a notebook: nothing for "recorded", else all of `judge_run`, replies first, then pairs where there are any.
    endpoint "auto" is None."""
    if alias == RECORDED:
        return []
    how["endpoint"] = None if how.get("endpoint") in (None, "auto") else how["endpoint"]
    there = [False, True] if pairs(items(store.read(folder))) else [False]
    return [score for compare in there for score in judge_run(folder, alias, compare=compare, **how)]


def related(
    target: Target, plan: Mapping[str, Any], models_file: config.ModelsFile
) -> tuple[frozenset[str], frozenset[str]]:
    """Aliases of a run that are the judge itself, under whatever alias or id, and those of the same weights."""
    ids = {t["alias"]: t.get("id") for t in plan.get("targets", ())}
    aliases = {*ids, *(plan.get("models") or ())}
    mine = {_bare(target.alias), _bare(target.id)}
    own = frozenset(alias for alias in aliases if mine & {_bare(alias), _bare(ids.get(alias) or alias)})
    variants = {name: entry["variant_of"] for name, entry in plan.get("entries", {}).items() if entry.get("variant_of")}
    variants |= {name: entry.variant_of for name, entry in models_file.entries.items() if entry.variant_of}
    weights = {_weights(name, variants) for name in {target.alias, *mine, *own}}
    same = {alias for alias in aliases if weights & {_weights(name, variants) for name in (alias, _bare(alias))}}
    return own, frozenset(same) - own


def _bare(name: str) -> str:
    """A name without a version, in small letters: name:1 is name."""
    return re.sub(r":\d+$", "", name).lower()


def _weights(alias: str, variants: Mapping[str, str]) -> str:
    """One name for all formats and variants of the same weights."""
    alias = variants.get(alias, alias)
    return NAME if alias in EMBEDDED else alias


def asking(service: Endpoint, target: Target) -> Callable[[list[dict[str, str]], dict[str, Any]], Said]:
    """What asks the judge, at temperature 0, and holds it to the schema where the server takes one.

    Foundry Local takes the schema itself as json_schema (of the usual form, with the schema inside under a name, it
    makes any JSON value: seen with 2.2.1); others want it inside. Both are sent, as one object. A server that refuses
    it by name is asked once more, without, and from then on without. Whether one that says nothing heeds it can't be
    told. `rest` asks, as it holds each request to a deadline as a whole, and its reply to a size.
    """
    url, headers, takes_form = f"{target.base_url}/chat/completions", service.headers, True
    secrets = secret.carried(headers)

    def ask(messages: list[dict[str, str]], form: dict[str, Any]) -> Said:
        nonlocal takes_form
        request = {"model": target.id, "messages": messages, "max_tokens": TOKENS, "temperature": 0, "seed": SEED}
        shape = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": form, **form}}
        try:
            began = time.perf_counter()
            try:
                more = {"response_format": shape} if takes_form else {}
                reply = rest.post(url, request | more, DEADLINE_S, headers)
            except rest.RestError as e:
                if not takes_form or not _refuses_form(e):
                    raise
                takes_form, began = False, time.perf_counter()
                reply = rest.post(url, request, DEADLINE_S, headers)
        except rest.RestError as e:
            raise NoAnswer(secret.removed(f"{e.status}: {e.message}", secrets)[:500]) from None
        latency_s = time.perf_counter() - began
        text, ended = _text(reply)
        if text is None:
            raise NoAnswer("the reply has no text")
        used = reply.get("usage")
        used = used if isinstance(used, dict) else {}
        counts = [_count(used.get(name)) for name in ("prompt_tokens", "completion_tokens")]
        text = secret.removed(text, secrets)
        return Said(text, round(latency_s, 6), *counts, forced=takes_form, cut=ended == CUT)

    return ask


def _refuses_form(error: rest.RestError) -> bool:
    """Any other refusal (a prompt that is too long, no memory) would come again without the form, unseen."""
    return error.status in NO_FORM and any(name in error.told.lower() for name in NAMES)


def _text(reply: Any) -> tuple[str | None, Any]:
    """The reply's text, and why it ended; (None, None) for whatever else a server may have sent."""
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"]
    except (LookupError, TypeError):
        return None, None
    return (text, choice.get("finish_reason")) if isinstance(text, str) else (None, None)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 10**9 else None
