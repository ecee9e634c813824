"""Settings as the options of `slmbench run` that give them."""

from __future__ import annotations

from typing import Any

from slmbench.config.limits import limits_text
from slmbench.config.models import ModelsFile
from slmbench.config.settings import Settings, option, unsaid

ALWAYS = ("rounds", "max_tokens", "temperature", "seed")  # said in any case: a reader of the command looks for them
TOLD = (
    *("rounds", "max_tokens", "temperature", "seed", "warmup", "loads", "deadline_s", "stream"),
    *("concurrency", "rate", "arrivals", "precision_pct", "budget_s", "slo", "retries", "nonce"),
)


def as_options(settings: Settings, models_file: ModelsFile) -> list[str]:
    """The words behind `slmbench run` that ask for these settings, without models, prompts and endpoint.

    models_file: what its "run" says need not be said again, but for the few that are always told.
    """
    known = unsaid(models_file)
    words: list[str] = []
    for name in TOLD:
        value = getattr(settings, name)
        if name not in ALWAYS and value in (known[name], None, ()):
            continue
        if isinstance(value, bool):
            words.append(option(name) if value else option(name).replace("--", "--no-", 1))
        else:
            words += [option(name), _word(name, value)]
    return words


def _word(name: str, value: Any) -> str:
    if name == "slo":
        return limits_text(value)
    if name == "concurrency":
        return ",".join(map(str, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
