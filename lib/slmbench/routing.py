"""Which model for which prompt: the cheapest that can do what the prompt needs, and another one where it fails.

`routing.json` is made from a run (`table`); a `Router` reads it and needs nothing else, so that a product can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.analyse.keeping import NO
from slmbench.config.checking import check, in_file, nearest
from slmbench.config.models import capabilities
from slmbench.config.reading import as_path, clean, read_json
from slmbench.errors import KitError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from slmbench.analyse.candidates import Candidates

ROUTING = "routing.json"
SCHEMA = "routing.schema.json"
CURE = "slmbench choose RUN   (makes a new one)"


class NoRoute(KitError):
    """No model can do it, or none did (exit code 1)."""

    exit_code = 1


class Reply(NamedTuple):
    """What a router got. failed: alias -> why, of the models that were tried before."""

    model: str
    text: str
    failed: dict[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """A model that may be asked. price: what `cheap_by` says, the smallest is asked first: cpu_s_per_1k_tokens, CPU
    seconds per 1,000 output tokens; or s_per_1k_tokens, 1,000 / decode speed.

    kept_out: limits that it does not keep to; such a model is never asked.
    """

    model: str
    capabilities: tuple[str, ...]
    price: float
    quality: float | None = None
    kept_out: tuple[str, ...] = ()


def table(
    candidates: Candidates, limits: pd.DataFrame, entries: Mapping[str, Any], resources: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What stands in routing.json: the models of a run with what they can do and what they take, the cheapest first.

    candidates: `analyse.candidates.of_run`. limits: `analyse.keeping.kept`. entries: alias -> entry of models.json,
    whose capabilities are its publisher's claims. resources: as resources.jsonl has them.
    raises: UsageError if no model was measured.
    """
    measured = candidates.table[candidates.table["note"] == ""]
    if measured.empty:
        raise UsageError("routing: no model of the run has usable replies", "slmbench run   (measures some)")
    cpu = {r["model"]: r["cpu_s_per_1k_tokens"] for r in resources if r.get("cpu_s_per_1k_tokens")}
    if set(measured["model"]) <= cpu.keys():
        cheap_by, prices = "cpu_s_per_1k_tokens", cpu
    else:
        cheap_by = "s_per_1k_tokens"
        prices = dict(zip(measured["model"], 1000 / measured["decode_tps"], strict=True))
    refused = limits[limits["kept"] == NO].groupby("model")["limit"].agg(list)
    routes = [
        {
            "model": line["model"],
            "capabilities": list(getattr(entries.get(line["model"]), "capabilities", ())),
            "price": round(float(prices[line["model"]]), 6),
            "quality": None if line["quality"] != line["quality"] else round(line["quality"], 3),
            "kept_out": list(refused.get(line["model"], [])),
        }
        for line in measured.to_dict("records")
    ]
    return {"cheap_by": cheap_by, "routes": sorted(routes, key=lambda route: route["price"])}


class Router:
    """Finds the model for a prompt.

    >>> routes = [Route("small", ("chat",), 1.0), Route("big", ("chat", "code"), 5.0)]
    >>> Router(routes).models(["code"])
    ['big']
    """

    def __init__(self, routes: Iterable[Route], cheap_by: str = "s_per_1k_tokens"):
        self.routes = sorted(routes, key=lambda route: route.price)
        self.cheap_by = cheap_by

    @classmethod
    def read(cls, path: Path | str) -> Router:
        """From a routing.json, or the run folder that has one.

        raises: UsageError if it is not there, or is none.
        """
        file = as_path(path, "routing")
        file = file / ROUTING if file.is_dir() else file
        value = read_json(file, CURE)
        check(value, SCHEMA, in_file(file), CURE)
        return cls.of(value)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Router:
        """From what `table` made."""
        tuples = ("capabilities", "kept_out")
        routes = [Route(**{k: tuple(v) if k in tuples else v for k, v in one.items()}) for one in value["routes"]]
        return cls(routes, value["cheap_by"])

    def models(self, needs: Iterable[str] = ()) -> list[str]:
        """The models that have all capabilities that a prompt needs and keep to the limits, the cheapest first.

        raises: UsageError for a capability that nobody knows; NoRoute where no model has them.
        """
        needs = list(needs)
        known = capabilities()
        for need in needs:
            if need not in known:
                close = nearest(str(need), known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise UsageError(f"needs: {clean(str(need))!r} was found{hint}", f"Known: {', '.join(known)}.")
        able = [route for route in self.routes if set(needs) <= set(route.capabilities)]
        fit = [route.model for route in able if not route.kept_out]
        if fit:
            return fit
        what = f"no model of this table has {' and '.join(needs) or 'anything'}"
        if able:
            kept = "; ".join(f"{route.model} is kept out by {', '.join(route.kept_out)}" for route in able)
            raise NoRoute(
                f"{what} and keeps to the limits: {kept}", "loosen the limits: slmbench choose RUN --limits …"
            )
        raise NoRoute(what, f"measure one that has: {', '.join(_having(needs)) or 'none is known'}")

    def ask(
        self,
        prompt: str,
        needs: Iterable[str],
        ask: Callable[[str, str], str],
        failures: tuple[type[BaseException], ...] = (KitError,),
    ) -> Reply:
        """Have a prompt answered by the cheapest model that can; where it fails, by the next one.

        ask: (model, prompt) -> reply; one of `failures`, or an empty reply, means that the model failed.
        raises: as `models`; NoRoute when all have failed, with each reason.
        """
        failed: dict[str, str] = {}
        for model in self.models(needs):
            try:
                text = ask(model, prompt)
            except failures as e:
                failed[model] = f"{type(e).__name__}: {e}"
                continue
            if text.strip():
                return Reply(model, text, failed)
            failed[model] = "an empty reply"
        told = "; ".join(f"{model}: {clean(why, 120)}" for model, why in failed.items())
        raise NoRoute(f"every model failed. {told}", "slmbench probe   (asks each of them)")


def _having(needs: Sequence[str]) -> list[str]:
    """The smallest models of the kit's own models.json that have all of these capabilities."""
    from slmbench.config import read_models

    able = [entry for entry in read_models().entries.values() if set(needs) <= set(entry.capabilities)]
    return [entry.alias for entry in sorted(able, key=lambda entry: entry.size_mb or float("inf"))][:3]


def write(folder: Path, value: Mapping[str, Any]) -> Path:
    """routing.json in a run folder, whole or not at all."""
    from slmbench.store.files import write_json

    write_json(folder / ROUTING, value)
    return folder / ROUTING
