"""The verb judge: have a model judge a run's replies."""

from __future__ import annotations

import argparse
from collections import Counter

from slmbench import judging
from slmbench.cli.bench import aloud
from slmbench.errors import NothingMeasured, UsageError
from slmbench.quality.runs import working_copy
from slmbench.quality.scores import FAILED, MODEL, OK, read_scores
from slmbench.show.text import as_json, number, plain

LIST = "slmbench models   (lists them)"


def judge(given: argparse.Namespace) -> int:
    if not given.model:
        raise UsageError("--model: nothing was found, the alias of a judge was expected", LIST)
    folder = working_copy(given.run)
    asked = []
    how = {"compare": given.pairs, "replies": given.replies, "again": given.again}
    how |= {"endpoint": given.endpoint, "allow_remote": given.allow_remote}
    say = aloud if given.json else (lambda line: print(plain(line)))
    for score in judging.judge_run(folder, given.model, **how, say=say):
        asked.append(score)
        verdict = score.choice or score.score or f"{score.status}: {score.error}"
        say(f"{len(asked)}  {score.prompt_id}  {verdict}")
    task = "pair" if given.pairs else "score"
    kept = [s for s in read_scores(folder) if (s.kind, s.annotator, s.task) == (MODEL, given.model, task)]
    found = {
        "run": str(folder),
        "judge": given.model,
        "asked": len(asked),
        "kept": len(kept),
        "by_status": dict(Counter(score.status for score in kept)),
        "seconds": round(sum(score.latency_s or 0 for score in kept), 3),
        "output_tokens": sum(score.output_tokens or 0 for score in kept),
    }
    if given.json:
        print(as_json(found))
    else:
        bad = len(kept) - found["by_status"].get(OK, 0)
        say(
            f"{len(kept)} answers of {given.model} are kept, {bad} of them no judgement; they took "
            f"{number(found['seconds'])} s and {found['output_tokens']:,} tokens. See: slmbench score {folder}"
        )
    if kept and OK not in found["by_status"]:
        failed = all(score.status == FAILED for score in kept)
        raise NothingMeasured(
            f"None of {len(kept)} answers of {given.model} was a judgement. The first: {kept[0].error}",
            f"slmbench probe {given.model}   (asks it)" if failed else f"take a larger judge: {LIST}",
        )
    return 0
