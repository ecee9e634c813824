"""Scores: who judged which reply how. `scores.jsonl` of a run folder holds one line each, upserted by its id."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from slmbench.config.checking import check, in_file
from slmbench.config.reading import clean, parse_json
from slmbench.errors import UsageError
from slmbench.quality.items import Item, Pair, criteria, identifier, items, pairs
from slmbench.store import Run, StoreError, run_folder, write_bytes
from slmbench.store.reading import record

if TYPE_CHECKING:
    import pandas as pd

SCORES = "scores.jsonl"
MAX_BYTES = 64 * 1024 * 1024
WAIT_S = 10.0  # for another notebook that saves into the same folder; a save takes milliseconds
HUMAN, MODEL, CODE = "human", "model", "code"  # kinds of raters
OK, UNPARSABLE, FAILED = "ok", "unparsable", "failed"
TIE, BOTH_BAD = "tie", "both_bad"


@dataclass(frozen=True, slots=True)
class Score:
    """One judgement of one reply (task "score") or pair of replies (task "pair"). None: not given, or does not apply.

    `id` says what is judged and by whom: a score with the same id takes the place of the earlier one, which is kept
    in `earlier`.
    """

    id: str
    task: str  # score | pair
    kind: str  # human | model | code
    annotator: str  # a person's name, a judge model's alias, or the name of the checks
    item: str  # id of the item or pair
    prompt_id: str
    models: list[str]  # aliases whose reply it is; of a pair those of the reply called first
    others: list[str] | None = None  # of a pair: those of the reply called second
    status: str = OK  # ok | unparsable: the judge's reply is no judgement | failed: there is none
    error: str | None = None
    score: int | None = None  # 1 (worst) to 5 (best)
    choice: str | None = None  # of a pair: first | second | tie | both_bad
    left: str | None = None  # of a pair: which stood on the left, or came first: first | second
    aspects: list[bool] | None = None  # whether the reply has each of the prompt's aspects, in their order
    checks: list[dict[str, Any]] | None = None  # of code: what each check expected and found
    explanation: str | None = None
    position: int | None = None  # as how many-th this annotator was shown it, from 0
    criteria: str | None = None  # what it was held to (`items.criteria`)
    scored_at: str | None = None  # ISO 8601, UTC
    spent_s: float | None = None  # looking at it, until it was saved
    reply: str | None = None  # of a judge model: what it said
    latency_s: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    flags: list[str] = dataclasses.field(default_factory=list)  # cut_off: by the token limit; self_judged
    earlier: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # what was saved before, oldest first


FIELDS = tuple(f.name for f in dataclasses.fields(Score))
# what `earlier` keeps
JUDGEMENT = ("score", "choice", "aspects", "checks", "explanation", "status", "error", "scored_at")


def score_of(one: Item | Pair, kind: str, annotator: str, **fields: Any) -> Score:
    """A score of an item or pair, with what follows from it filled in.

    fields: of `Score`. A judge sees a pair twice, once in each order: there `left` is part of the id.
    """
    pair = isinstance(one, Pair)
    item = one.first if pair else one
    own = (fields.get("left") or "",) if pair and kind == MODEL else ()
    cut = [one.first.cut, one.second.cut] if pair else [one.cut]
    return Score(
        id=identifier("score", kind, annotator, one.id, *own),
        task="pair" if pair else "score",
        kind=kind,
        annotator=annotator,
        item=one.id,
        prompt_id=one.prompt.id,
        models=list(item.models),
        others=list(one.second.models) if pair else None,
        criteria=criteria(one.prompt, one.rubric),
        **{**fields, "flags": [*(["cut_off"] if any(cut) else []), *fields.get("flags", ())]},
    )


def read_scores(folder: Path | str) -> list[Score]:
    """All scores of a run folder, in the order in which each was first given; [] if there are none.

    raises: StoreError that names the line which is no score.
    """
    return list(_read(run_folder(folder) / SCORES))


def of_run(run: Run) -> list[Score]:
    """A run's scores, each with the models whose reply it is now: a run that went on may have brought another model
    that gave the same reply. raises: as `read_scores`."""
    texts = {item.id: item for item in items(run)} if (run.path / SCORES).exists() else {}
    sides = {pair.id: (pair.first, pair.second) for pair in pairs(list(texts.values()))}
    return [_renewed(score, texts, sides) for score in read_scores(run.path)]


def _renewed(score: Score, texts: Mapping[str, Item], sides: Mapping[str, tuple[Item, Item]]) -> Score:
    if score.item in texts:
        return dataclasses.replace(score, models=list(texts[score.item].models))
    if score.item in sides:
        one, other = sides[score.item]
        return dataclasses.replace(score, models=list(one.models), others=list(other.models))
    return score


def _read(path: Path) -> Iterator[Score]:
    cure = "move that line to another file"
    for number, line in enumerate(record(path, MAX_BYTES), 1):
        place = f"{clean(path)}, line {number}"
        try:
            value = parse_json(line)
        except ValueError as e:
            raise StoreError(f"{place}: not valid JSON ({e}).", cure) from None
        try:
            check(value, "score.schema.json", in_file(place), cure)
        except UsageError as e:
            raise StoreError(e.message, e.cure) from None
        yield Score(**{name: value[name] for name in FIELDS if name in value})


def save(folder: Path | str, scores: Iterable[Score]) -> list[Score]:
    """Put scores into a run folder, each in the place of the one with its id; on disk, whole, when this returns.

    May be called while a run writes into the folder, and by several notebooks: each waits for the other.
    returns: all scores of the folder. raises: StoreError; what was saved before stays as it is.
    """
    path = run_folder(folder) / SCORES
    try:
        with FileLock(path.with_name(".scores.lock"), timeout=WAIT_S):
            kept = {score.id: score for score in _read(path)}
            for score in scores:
                kept[score.id] = _after(kept.get(score.id), score)
            text = "".join(_line(score) for score in kept.values())
            write_bytes(path, text.encode("ascii"))
    except Timeout as e:
        raise StoreError(
            f"{clean(path)}: another program has kept it locked for {WAIT_S:.0f} s.", "close it, and save again"
        ) from e
    except OSError as e:
        raise StoreError(
            f"{clean(path)}: the score can't be written: {e.strerror or e}.",
            "free space, close other programs that have the file open, and save again",
        ) from e
    return list(kept.values())


def _line(score: Score) -> str:
    return json.dumps(dataclasses.asdict(score), ensure_ascii=True, allow_nan=False) + "\n"


def _after(old: Score | None, new: Score) -> Score:
    """`new`, with what it takes the place of; `old` itself if it says the same."""
    if old is None:
        return new
    was, now = ({name: getattr(score, name) for name in JUDGEMENT} for score in (old, new))
    if {**was, "scored_at": None} == {**now, "scored_at": None}:
        return old
    spent = None if None in (old.spent_s, new.spent_s) else old.spent_s + new.spent_s
    said = {name: value for name, value in was.items() if value is not None}
    return dataclasses.replace(new, earlier=[*old.earlier, said], spent_s=new.spent_s if spent is None else spent)


def frame(scores: Sequence[Score]) -> pd.DataFrame:
    """Scores as a DataFrame, one line each: the columns of `Score`, and rater = "kind: annotator".

    score, position and spent_s are float64 with NaN where there is none.
    """
    import pandas as pd

    table = pd.DataFrame([dataclasses.asdict(score) for score in scores], columns=list(FIELDS))
    for name in ("score", "position", "spent_s", "latency_s", "prompt_tokens", "output_tokens"):
        table[name] = table[name].astype(float)
    table["rater"] = [f"{score.kind}: {score.annotator}" for score in scores]
    return table
