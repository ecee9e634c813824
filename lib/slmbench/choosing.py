"""From a run folder and its scores to a choice, its costs and a routing table: what the command line, the notebook and
the report have in common. Nothing here asks a model or a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench import config, routing, runner, store
from slmbench.analyse import candidates, choose, cost, saving
from slmbench.errors import UsageError
from slmbench.quality import means, scores
from slmbench.store.files import without_nan, write_json

if TYPE_CHECKING:
    import pandas as pd

SELECTION = "selection.json"
CHOICE = "choice.json"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run says about its models: all that a choice is made from."""

    run: store.Run
    frame: pd.DataFrame
    entries: Mapping[str, Any]
    scores: pd.DataFrame
    candidates: candidates.Candidates


@dataclass(frozen=True, eq=False)
class Decision:
    """A choice with all that goes with it. routing: as routing.json has it. routes: prompt -> model, None for no model.
    saving: of these routes against always asking the biggest model; None where no model can be routed to."""

    selection: config.Selection
    choice: choose.Choice
    costs: pd.DataFrame
    routing: Mapping[str, Any]
    routes: Mapping[str, str | None]
    saving: saving.Saving | None


def evidence(folder: Path | str) -> Evidence:
    """Reads a run folder. raises: StoreError; UsageError if no model has a usable reply."""
    run = store.read(folder)
    frame, entries = run.frame(), runner.entries_of(run.plan)
    judged = means.by_prompt(scores.frame(scores.of_run(run)))
    weights = {prompt["id"]: float(prompt.get("weight", 1)) for prompt in run.plan.get("prompts") or ()}
    found = candidates.of_run(frame, run.resources, entries, judged, weights)
    if not found.models:
        raise UsageError(
            f"{run.path}: no timed request of this run has a usable reply, so there is nothing to choose from",
            f"slmbench report {run.path}   (says what went wrong)",
        )
    return Evidence(run, frame, entries, judged, found)


def decide(found: Evidence, selection: config.Selection | None = None) -> Decision:
    """Chooses. selection: by what; that of the run folder if it has one, else the kit's own."""
    selection = selection or selection_of(found.run.path)
    choice = choose.choose(found.candidates, selection.weights, selection.limits)
    costs = cost.costs(found.frame, found.run.resources, selection.cost)
    table = routing.table(found.candidates, choice.limits, found.entries, found.run.resources)
    routes = _routes(routing.Router.of(table), found.run.plan.get("prompts") or ())
    big = saving.biggest(found.candidates.table)
    saved = saving.saving(found.frame, routes, big, found.scores) if any(routes.values()) else None
    return Decision(selection, choice, costs, table, routes, saved)


def _routes(router: routing.Router, prompts: list[Mapping[str, Any]]) -> dict[str, str | None]:
    routes: dict[str, str | None] = {}
    for prompt in prompts:
        try:
            routes[prompt["id"]] = router.models(prompt.get("needs", ()))[0]
        except routing.NoRoute:
            routes[prompt["id"]] = None
    return routes


def chosen(folder: Path) -> tuple[Evidence, Decision] | None:
    """The choice that was made in a run folder, made again from what it holds now; None if none was."""
    if not (folder / SELECTION).exists():
        return None
    found = evidence(folder)
    return found, decide(found)


def selection_of(folder: Path) -> config.Selection:
    """By what a run's model was chosen last: selection.json in its folder, else the kit's own."""
    own = folder / SELECTION
    return config.read_selection(own if own.exists() else None)


def keep(folder: Path, decision: Decision) -> list[Path]:
    """Writes selection.json (so that the report tells of it), routing.json and choice.json into the run folder."""
    write_json(folder / SELECTION, decision.selection.to_dict())
    write_json(folder / CHOICE, plain(decision))
    return [folder / SELECTION, folder / CHOICE, routing.write(folder, decision.routing)]


def plain(decision: Decision) -> dict[str, Any]:
    """A decision as JSON values; None where there is no number."""
    choice = decision.choice
    value = {
        "winner": choice.winner,
        "weights": dict(choice.weights),
        "left_out": list(choice.left_out),
        "models": choice.table.to_dict("records"),
        "limits": choice.limits.to_dict("records"),
        "rivals": choice.rivals.to_dict("records"),
        "turns": choice.turns.to_dict("records"),
        "outside": {model: list(names) for model, names in choice.outside.items()},
        "costs": decision.costs.to_dict("records"),
        "currency": decision.selection.cost.get("currency"),
        "routes": dict(decision.routes),
        "saving": decision.saving and decision.saving._asdict(),
    }
    return without_nan(value)


def sizes(found: Evidence, pair: str = "") -> tuple[str, str] | None:
    """A small and a large model of a run. pair: two aliases as "a,b"; empty for the smallest and the biggest, by
    parameters, then disk, then memory.

    returns: None where the run has one model only. raises: UsageError for an alias that the run has not measured.
    """
    known, table = found.candidates.models, found.candidates.table
    if pair:
        one, other = pair.split(",")
        for alias in (one, other):
            if alias not in known:
                told = f"pair (parameter): {alias!r} was found, two of {', '.join(known)} were expected"
                raise UsageError(told, f"for example pair={','.join(known[:2])!r}")
        return one, other
    if len(known) < 2:
        return None
    big = saving.biggest(table)
    rest = table[(table["note"] == "") & (table["model"] != big)]
    return str(rest.sort_values(["parameters_m", "disk_mb", "memory_mb"], kind="stable")["model"].iloc[0]), big
