"""The verb choose: which model of a run to take, from its records and scores alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from slmbench import choosing, config
from slmbench.cli.bench import aloud, write_report
from slmbench.errors import NothingMeasured
from slmbench.quality.runs import working_copy
from slmbench.show import choice as telling
from slmbench.show.quality_sections import told
from slmbench.show.text import as_json, plain


def choose(given: argparse.Namespace) -> int:
    folder = working_copy(given.run)
    found = choosing.evidence(folder)
    selection = config.with_changes(
        config.read_selection(given.selection), limits=given.limits, weights=given.weights, cost=given.cost
    )
    decision = choosing.decide(found, selection)
    if given.json:
        print(as_json({"run": str(folder), **choosing.plain(decision)}))
    else:
        print(plain("\n".join(_in_words(found, decision)), keep="\n"))
    for path in [*choosing.keep(folder, decision), *write_report(folder)[:2]]:
        aloud(f"Written: {path}")
    if decision.choice.winner is None:
        cure = f"slmbench choose {folder} --limits … --weights …   (loosens what was asked)"
        raise NothingMeasured("No model can be chosen.", cure)
    return 0


def _in_words(found: choosing.Evidence, decision: choosing.Decision) -> Iterator[str]:
    choice = decision.choice
    yield told(telling.sentences(choice))
    yield ""
    yield from _lines(telling.table(choice, found.candidates))
    if len(choice.limits):
        yield ""
        yield from _lines(telling.limits_table(choice))
    if len(decision.costs):
        yield ""
        yield from _lines(telling.costs_table(decision.costs, decision.selection.cost["currency"]))
    if decision.routes and telling.departing(decision):
        yield ""
        yield told(telling.departing(decision))
    yield ""
    yield from _lines(telling.routing_table(decision.routes, telling.needs(found.run.plan)))
    if decision.saving:
        yield ""
        yield told([telling.saved(decision.saving)])


def _lines(table) -> Iterator[str]:
    """A table in columns, each as wide as its widest cell."""
    cells = [list(table.columns), *([str(cell) for cell in row] for row in table.itertuples(index=False))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
