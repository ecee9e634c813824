"""How long a cell is asked on: until the interval of its median latency is as narrow as was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from slmbench.analyse.precision import ROUNDS_MAX, half_width_pct, reached
from slmbench.config import Settings
from slmbench.measure.asks import Ask, Target
from slmbench.records import OK, Row


@dataclass(slots=True)
class Cell:
    """One model and prompt in one load: the latencies of its usable replies, and how many rounds were asked."""

    latency_s: list[float] = field(default_factory=list)
    rounds: int = 0

    def half_width_pct(self) -> float | None:
        """Larger side of the 95 % interval of the median, percent of the median; None below n = 6."""
        return half_width_pct(self.latency_s)

    def reached(self, asked_pct: float) -> bool:
        """See `analyse.precision.reached`."""
        return reached(self.latency_s, asked_pct)

    def goes_on(self, asked_pct: float) -> bool:
        return self.rounds < ROUNDS_MAX and not self.reached(asked_pct)


def cells(rows: Iterable[Row], load_index: int) -> dict[tuple[str, str], Cell]:
    """The cells of one load, by (alias, prompt id), from the rows so far."""
    found: dict[tuple[str, str], Cell] = {}
    for row in rows:
        if row.phase != "timed" or row.prompt_id is None or row.load_index != load_index or row.round is None:
            continue
        cell = found.setdefault((row.model, row.prompt_id), Cell())
        cell.rounds = max(cell.rounds, row.round + 1)
        if row.status == OK and row.latency_s is not None and "clock_jump" not in row.flags:
            cell.latency_s.append(row.latency_s)
    return found


def further(rows: Iterable[Row], targets: Iterable[Target], settings: Settings, load_index: int) -> list[Ask]:
    """The next round of each cell whose median is not known as closely as the settings ask for."""
    asked, todo = cells(rows, load_index), []
    for target in targets:
        for prompt in settings.prompts:
            cell = asked.get((target.alias, prompt.id), Cell())
            if cell.goes_on(settings.precision_pct):
                todo.append(Ask(target, prompt, "timed", max(cell.rounds, settings.rounds), load_index))
    return todo
