"""prompts.json and its plainer forms: what the models are asked, and by what rubric replies are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench import paths
from slmbench.config.checking import check, cure_if_missing, did_you_mean, in_file, shown
from slmbench.config.checks import Check, checks_of, odd
from slmbench.config.plans import ABOUT
from slmbench.config.reading import MAX_BYTES, as_path, clean, faults, read_json, read_text
from slmbench.errors import UsageError

DEFAULT_SET = "rag4"
_FORM = "See data/prompts.json for an example; a JSON list of texts, or a .txt file with a prompt a line, does as well."
_OWN = (
    "A file of your own: its path, ending in .json or .txt. "
    "A prompt of your own: a list with its text, or the environment variable BENCH_PROMPT."
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a set."""

    id: str
    text: str  # sent as it stands
    aspects: tuple[str, ...] = ()  # what a good reply says or does
    weight: float = 1.0  # share in a mean quality score
    language: str | None = None  # language tag, as en or ne
    rubric: str | None = None  # a name for `read_rubrics`; None: default
    checks: tuple[Check, ...] = ()  # what code can tell of a reply
    needs: tuple[str, ...] = ()  # capabilities, as in models.json, that a model must have to be asked this

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as plan.json holds them; `checks` and `needs` are left out if there are none."""
        plain = {name: getattr(self, name) for name in Prompt.__slots__ if name not in ABOUT}
        more = {"checks": [check.to_dict() for check in self.checks], "needs": list(self.needs)}
        return {**plain, "aspects": list(self.aspects), **{name: value for name, value in more.items() if value}}


@dataclass(frozen=True, slots=True)
class Rubric:
    """How replies are scored: a question, and what each score means."""

    name: str
    question: str
    anchors: tuple[str, ...]  # of the scores 1, 2, 3, 4, 5


def read_prompts(spec: str | Path | None = None, path: str | Path | None = None) -> tuple[Prompt, ...]:
    """The prompts of a set, or of a file.

    spec: the name of a set (rag4 if left out); or the path of a .json file (with one set, or `file.json#name`), of a
        .json list of texts, or of a .txt file with a prompt a line, where empty lines are skipped. Prompts without
        ids get p1, p2, ….
    path: the prompts.json that holds the named sets; the kit's own data/prompts.json if left out.
    raises: UsageError with file, entry, what was found and what was expected.
    """
    if spec is None and path is not None:
        return _file(as_path(path, "prompts"))
    spec = DEFAULT_SET if spec is None else spec
    if not isinstance(spec, str | Path) or not str(spec).strip():
        raise UsageError(f"{shown(spec)} was found, the name of a set or a file was expected", _FORM)
    if path is not None or not looks_like_file(spec):
        return _set(as_path(path, "prompts") if path is not None else paths.data_file("prompts.json"), str(spec))
    return _file(as_path(spec, "prompts"))


def prompt_from(fields: Mapping[str, Any]) -> Prompt:
    """A prompt out of plain JSON values, as plan.json holds it; fields of other versions are passed over.

    raises: UsageError for a value of another kind than its field's, and for checks that can't be used.
    """
    cure = "Restore plan.json, or make the run again."
    check(fields, "plan.schema.json", lambda place: f"prompt of a plan, {place or 'top level'}", cure, part="prompt")
    if found := odd(fields):
        raise UsageError(f"prompt of a plan, {found[0]}: {found[1]}", cure)
    return _prompt({name: value for name, value in fields.items() if name in Prompt.__slots__})


def looks_like_file(spec: str | Path) -> bool:
    """Whether `spec` is meant as a file rather than as the name of a set."""
    if isinstance(spec, Path):
        return True
    endings = (".json", ".txt", ".csv", ".md", ".yaml", ".yml", ".jsonl", ".toml")
    return "/" in spec or "\\" in spec or ".json#" in spec.lower() or spec.lower().endswith(endings)


def prompts_from_texts(texts: Sequence[Any], label: Callable[[str], str], cure: str) -> tuple[Prompt, ...]:
    """Texts given in place of a file, as prompts p1, p2, …

    label, cure: as for `checking.check`.
    raises: UsageError if one of them is not a usable text.
    """
    for place, found in faults(list(texts)):
        raise UsageError(f"{label(place)}: {found}", cure)
    size = sum(len(text.encode()) for text in texts if isinstance(text, str))
    if size > MAX_BYTES:  # as of a file
        raise UsageError(f"{label('')}: {size} bytes of text were found, at most {MAX_BYTES} are sent", cure)
    check(list(texts), "prompts.schema.json", label, cure)
    return tuple(Prompt(id=f"p{i}", text=text) for i, text in enumerate(texts, 1))


def read_rubrics(path: str | Path | None = None) -> dict[str, Rubric]:
    """The rubrics by name: those of the kit's own data/prompts.json, and over them those of the file at `path`.

    raises: UsageError as `read_prompts`.
    """
    shipped = paths.data_file("prompts.json")
    files = [shipped] if path is None else [shipped, as_path(path, "rubrics")]
    rubrics: dict[str, Rubric] = {}
    for file in files:
        value = _checked(file)
        for name, r in value.get("rubrics", {}).items() if isinstance(value, dict) else ():
            rubrics[name] = Rubric(name, r["question"], tuple(r["anchors"][str(score)] for score in range(1, 6)))
    return rubrics


def _checked(file: Path) -> Any:
    value = read_json(file, cure_if_missing(file, _FORM))
    check(value, "prompts.schema.json", in_file(file), f"Correct it in {clean(file)}. {_FORM}")
    return value


def _file(file: Path) -> tuple[Prompt, ...]:
    if (mark := file.name.lower().rfind(".json#")) >= 0:
        return _set(file.with_name(file.name[: mark + 5]), file.name[mark + 6 :])
    if file.suffix.lower() == ".json":
        return _set(file, None)
    if file.suffix.lower() == ".txt":
        return _lines(file)
    raise UsageError(f'"{clean(file)}" was found, a .json or .txt file was expected', f"{_OWN} {_FORM}")


def _set(file: Path, name: str | None) -> tuple[Prompt, ...]:
    value = _checked(file)
    if isinstance(value, list):
        if name is not None:
            raise UsageError(f'{clean(file)}: a plain list was found, a set "{clean(name)}" was expected', _FORM)
        return prompts_from_texts(value, in_file(file), _FORM)
    sets = value["sets"]
    if name is None:
        if len(sets) > 1:
            first = next(iter(sets))
            raise UsageError(
                f"{clean(file)}: {len(sets)} sets were found ({', '.join(sets)}), the name of one was expected",
                f"Name it after a #, as in {clean(file)}#{first}",
            )
        name = next(iter(sets))
    if name not in sets:
        raise UsageError(
            f'there is no set "{clean(name)}" in {clean(file)}{did_you_mean(name, sets)}',
            f"The sets there: {', '.join(sets)}. {_OWN}",
        )
    _refuse_same_ids(sets, file)
    _refuse_unknown_rubrics(sets, value.get("rubrics", {}), file)
    _refuse_odd_checks(sets, file)
    return tuple(_prompt(fields) for fields in sets[name])


def _prompt(fields: dict[str, Any]) -> Prompt:
    more = {"aspects": tuple(fields.get("aspects", ())), "needs": tuple(fields.get("needs", ()))}
    more |= {"weight": float(fields.get("weight", 1))}
    return Prompt(**{**fields, **more, "checks": checks_of(fields)})


def _refuse_same_ids(sets: dict[str, list[dict[str, Any]]], file: Path) -> None:
    for name, prompts in sets.items():
        first: dict[str, int] = {}
        for i, prompt in enumerate(prompts):
            if prompt["id"] in first:
                place = f"sets.{name}[{i}].id"
                raise UsageError(
                    f'{clean(file)}, {place}: "{prompt["id"]}" was found, which sets.{name}[{first[prompt["id"]]}] '
                    "has already; an id of its own was expected",
                    f"Give one of the two prompts another id in {clean(file)}.",
                )
            first[prompt["id"]] = i


def _refuse_unknown_rubrics(sets: dict[str, list[dict[str, Any]]], own: Iterable[str], file: Path) -> None:
    known = set(own)
    for name, prompts in sets.items():
        for i, prompt in enumerate(prompts):
            wanted = prompt.get("rubric", "default")
            if wanted in known or wanted in (known := known | _shipped_rubrics(file)):
                continue
            raise UsageError(
                f'{clean(file)}, sets.{name}[{i}].rubric: there is no rubric "{wanted}"{did_you_mean(wanted, known)}',
                f"The known rubrics: {', '.join(sorted(known))}. Write others under rubrics in {clean(file)}.",
            )


def _refuse_odd_checks(sets: dict[str, list[dict[str, Any]]], file: Path) -> None:
    for name, prompts in sets.items():
        for i, prompt in enumerate(prompts):
            if found := odd(prompt):
                cure = f"Correct it in {clean(file)}; an aspect is written word for word as under aspects. {_FORM}"
                raise UsageError(f"{clean(file)}, sets.{name}[{i}].{found[0]}: {found[1]}", cure)


def _shipped_rubrics(file: Path) -> set[str]:
    shipped = paths.data_file("prompts.json")
    return set() if file == shipped else set(read_rubrics())


def _lines(file: Path) -> tuple[Prompt, ...]:
    text = read_text(file, cure_if_missing(file, _FORM))
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise UsageError(f"{clean(file)}: no prompt was found, at least one line of text was expected", _FORM)
    return prompts_from_texts(lines, in_file(file), _FORM)
