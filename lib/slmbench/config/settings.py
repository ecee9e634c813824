"""The settings of a run: parameters win over the environment, that over models.json, and that over the defaults."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.config.checking import did_you_mean, fits, misfit, schema, shown
from slmbench.config.limits import limits
from slmbench.config.models import ModelsFile, read_models
from slmbench.config.plans import asked
from slmbench.config.prompts import DEFAULT_SET, Prompt, looks_like_file, prompts_from_texts, read_prompts
from slmbench.config.reading import as_path, clean
from slmbench.config.together import refuse_clashes
from slmbench.config.values import Origin, endpoint_url, from_text, model_names, refuse_faults, streams
from slmbench.errors import UsageError

ENVIRONMENT: Mapping[str, str] = {
    "models": "BENCH_MODELS",
    "rounds": "BENCH_ROUNDS",
    "prompts": "BENCH_PROMPT",  # the text of one prompt, in place of a set
    "stream": "BENCH_STREAM",
    "max_tokens": "BENCH_MAX_TOKENS",
    "temperature": "BENCH_TEMPERATURE",
    "endpoint": "FOUNDRY_LOCAL_ENDPOINT",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a run is told, checked. Times in seconds."""

    prompts: tuple[Prompt, ...]
    prompts_from: str  # name of the set, whole path of the file, or where the texts were given
    models: tuple[str, ...] | None = None  # aliases; None: auto, what the endpoint has ready
    rounds: int = 3  # timed requests for each model, load and prompt
    loads: int = 1  # how often each model is loaded afresh
    warmup: int = 1  # untimed requests after each load
    max_tokens: int = 96
    temperature: float = 0.0
    seed: int = 0  # for the order of requests, and for the server's sampling
    stream: bool = True
    deadline_s: float = 120.0  # for one whole request
    concurrency: tuple[int, ...] = (1,)  # requests at once; several numbers are measured one after the other
    rate: float | None = None  # open loop: requests started each second, whether or not replies have come
    arrivals: str = "poisson"  # of an open loop: poisson (independent users) | constant (evenly spaced)
    precision_pct: float | None = None  # measure until the median's interval is this narrow to either side
    budget_s: float | None = None  # of measuring; ends what precision_pct asks for
    slo: tuple[tuple[str, float], ...] = ()  # limits of a good reply, as (("ttft_s", 0.5),)
    retries: int = 0  # further recorded attempts after a failed request
    nonce: bool = False  # begin every prompt differently, against prefix caches
    endpoint: str | None = None  # as given, without a slash at the end; None: to be found
    allow_remote: bool = False  # whether the endpoint may be another machine

    def __post_init__(self) -> None:
        """raises: UsageError for settings that do not go together, however they came here."""
        refuse_clashes({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for plan.json: models null for auto, prompts as objects, slo as {name: seconds},
        concurrency as a number where it is one."""
        plain = dataclasses.asdict(self)
        plain["prompts"] = [prompt.to_dict() for prompt in self.prompts]
        plain["models"] = None if self.models is None else list(self.models)
        plain["slo"] = dict(self.slo)
        plain["concurrency"] = self.concurrency[0] if len(self.concurrency) == 1 else list(self.concurrency)
        return plain


NAMES = tuple(f.name for f in dataclasses.fields(Settings) if f.name != "prompts_from")


def settings(
    models_file: str | Path | ModelsFile | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    given_as: str = "parameter",
    **given: Any,
) -> Settings:
    """The settings of a run, each from the first of these that names it: `given`, the environment (`ENVIRONMENT`),
    "run" in the models file, the defaults of `Settings`.

    models_file: a path or what `read_models` returned; the kit's own data/models.json if left out or "auto".
    given: fields of `Settings`. None and "auto" mean: not said here. `models` may be a list or "a,b"; `prompts` the
        name of a set, a file, a list of texts, or of `Prompt`s; `concurrency` a number, a list or "1,2,4"; `slo` as
        "ttft=500ms,tpot=100ms" or {"ttft_s": 0.5}.
    given_as: "option" if `given` are options of a command line: they are named --so, and numbers may be texts.
    raises: UsageError, naming the parameter, variable or file entry, for an unknown name or a value that doesn't fit.
    """
    known = {_as_given(name, given_as): name for name in NAMES}
    for name in given:
        if name not in NAMES:
            strange = _as_given(name, given_as)
            hint = did_you_mean(strange, known)
            raise UsageError(f'unknown {given_as} "{clean(strange)}"{hint}', f"Known: {', '.join(known)}.")
    models_file = None if models_file == "auto" else models_file
    file = models_file if isinstance(models_file, ModelsFile) else read_models(models_file)
    said = {name: found for name in NAMES if (found := _first(name, given, given_as, environ, file))}
    values: dict[str, Any] = {}
    if "allow_remote" in said:
        values["allow_remote"] = _truth(*said.pop("allow_remote"))
    for name, (value, origin) in said.items():
        if name not in ("models", "prompts"):
            values[name] = _plain(name, value, origin)
    if "endpoint" in said:
        hint = "add --allow-remote" if given_as == "option" else "allow it with allow_remote=True (--allow-remote)"
        remote = values.get("allow_remote", False)
        values["endpoint"] = endpoint_url(values["endpoint"], said["endpoint"][1], remote, hint)
    if "models" in said:
        values["models"] = model_names(*said["models"])
    refuse_clashes(
        _DEFAULTS | values,
        lambda name: said[name][1].label if name in said else name,
        lambda name: _as_given(name, given_as),
        arrivals_said="arrivals" in said and said["arrivals"][1].kind == "option",
    )
    values["prompts"], values["prompts_from"] = _prompts(*said.get("prompts", (DEFAULT_SET, _DEFAULT)))
    return Settings(**values)


def unsaid(models_file: ModelsFile) -> dict[str, Any]:
    """The settings that a run has if only the models file is asked: its "run", else the defaults.

    returns: field of `Settings` -> value; models, prompts and endpoint as they stand in the file.
    raises: UsageError for a value that doesn't fit.
    """
    said = {n: value for n, value in models_file.run.items() if value is not None}
    checked = [n for n in said if n not in ("models", "prompts")]
    return _DEFAULTS | said | {n: _plain(n, *_first(n, {}, "", {}, models_file)) for n in checked}


def plan_hash(settings_dict: Mapping[str, Any]) -> str:
    """First 12 hex digits of the SHA-256 of the canonical JSON (sorted keys, no spaces, ASCII) of what `plans.asked`
    leaves of the settings.

    raises: ValueError if it holds NaN or an infinity, TypeError if it holds what JSON has no form for.

    >>> plan_hash({"b": 1, "a": [2.0]}) == plan_hash({"a": [2.0], "b": 1})
    True
    """
    import hashlib

    text = json.dumps(asked(settings_dict), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]


_DEFAULT = Origin("prompts", "default", "")


def _first(
    name: str, given: Mapping[str, Any], given_as: str, environ: Mapping[str, str], file: ModelsFile
) -> tuple[Any, Origin] | None:
    """The value of one setting and where it comes from; None if nothing but the default names it."""
    value = given.get(name)
    if value is not None and not (isinstance(value, str) and value == "auto"):
        option = given_as == "option"
        label = _as_given(name, given_as)
        cure = f"Change {label}, or leave it out; for example {_example(name, label, given_as)}"
        return value, Origin(label, given_as, cure, is_text=option)
    variable = ENVIRONMENT.get(name)
    text = environ.get(variable, "").strip() if variable else ""
    if text and text != "auto":
        cure = f"Change {variable}, or unset it; for example {_example(name, variable, 'environment')}"
        # a text in this variable is the prompt itself, never the name of a set
        return [text] if name == "prompts" else text, Origin(variable, "environment variable", cure, is_text=True)
    if file.run.get(name) is not None and not (name == "models" and file.run[name] == "auto"):
        cure = f"Correct it in {clean(file.path)}."
        return file.run[name], Origin(f"run.{name}", clean(file.path), cure, folder=file.path.parent)
    return None


def _as_given(name: str, given_as: str) -> str:
    return option(name) if given_as == "option" else name


def option(name: str) -> str:
    """A setting's name on the command line.

    >>> option("deadline_s"), option("precision_pct")
    ('--deadline-s', '--precision')
    """
    return "--precision" if name == "precision_pct" else f"--{name.replace('_', '-')}"


_EXAMPLES: Mapping[str, Any] = {
    "models": "smollm2-135m-int4,qwen2.5-0.5b",
    "endpoint": "http://localhost:5273/v1",
    "concurrency": "1,2,4",
    "rate": 2,
    "precision_pct": 5,
    "budget_s": 600,
    "slo": "ttft=500ms,tpot=100ms",
}
_DEFAULTS: Mapping[str, Any] = {f.name: f.default for f in dataclasses.fields(Settings)} | {"prompts": DEFAULT_SET}


def _example(name: str, label: str, given_as: str) -> str:
    """A setting as it may be written where `given_as` says: its default, or an example if that is none."""
    value = _EXAMPLES.get(name, _DEFAULTS[name])
    if given_as == "environment":
        text = "Summarise this: …" if name == "prompts" else str(int(value) if isinstance(value, bool) else value)
        return f'{label}="{text}"' if " " in text else f"{label}={text}"
    if given_as == "option":
        return label if isinstance(value, bool) else f"{label} {value}"
    return f'{label}="{value}"' if isinstance(value, str) else f"{label}={value}"


def _plain(name: str, value: Any, origin: Origin) -> Any:
    """One value of the schema's "run", held to it, as int or float where the schema has integer or number."""
    if parse := {"concurrency": streams, "slo": limits}.get(name):
        refuse_faults(value, origin)
        return parse(value, origin)
    definition = schema("models.schema.json")["definitions"]["run"]["properties"][name]
    kind = definition["type"] if isinstance(definition["type"], str) else definition["type"][0]
    definition = {**definition, "type": kind}  # null, which a file may have, means "not said here"
    if origin.is_text and isinstance(value, str):
        value = from_text(value, kind)
    refuse_faults(value, origin)
    if not fits(value, definition):
        raise UsageError(f"{origin.label}: {misfit(value, definition)}", origin.cure)
    return float(value) if kind == "number" else value


def _truth(value: Any, origin: Origin) -> bool:
    value = from_text(value, "boolean") if origin.is_text and isinstance(value, str) else value
    if not isinstance(value, bool):
        raise origin.refuse(shown(value), "true or false")
    return value


def _prompts(value: Any, origin: Origin) -> tuple[tuple[Prompt, ...], str]:
    """The prompts, and in a few characters where they come from."""
    if isinstance(value, list | tuple):
        if value and all(isinstance(p, Prompt) for p in value):
            return _distinct(tuple(value), origin), origin.name
        return prompts_from_texts(value, lambda place: f"{origin.label} {place}".rstrip(), origin.cure), origin.name
    if not isinstance(value, str | Path):
        raise origin.refuse(shown(value), "the name of a set, a file, or a list of texts")
    refuse_faults(str(value), origin)
    spec = origin.folder / as_path(value, origin.label) if origin.folder and looks_like_file(value) else value
    try:
        prompts = read_prompts(spec)
    except UsageError as error:
        raise UsageError(f"{origin.label}: {error.message}", error.cure) from None
    return prompts, str(as_path(spec, origin.label).resolve() if looks_like_file(spec) else value)


def _distinct(prompts: tuple[Prompt, ...], origin: Origin) -> tuple[Prompt, ...]:
    ids = [p.id for p in prompts]
    if twice := next((i for n, i in enumerate(ids) if i in ids[:n]), None):
        raise origin.refuse(f"two prompts with the id {shown(twice)}", "an id of its own for each")
    return prompts
