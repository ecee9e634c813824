"""Asking a model once, and keeping the row of it; when a model is given up."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from slmbench import secret
from slmbench.config import Settings
from slmbench.errors import KitError
from slmbench.measure import asks, stream
from slmbench.measure.asks import Ask, Revival, Target, cell_of
from slmbench.measure.host import HostCpu
from slmbench.records import OK, RESTARTED, Row
from slmbench.store import RunFolder

UNLOADED = frozenset({"http_400", "http_404"})  # what a service says of a model that it has not loaded
GIVE_UP_AFTER = 3  # failed timed requests in a row, or ends of the service: the rest of that model is one skipped row


class Asking:
    """The state of one run: what failed, where each model is served, and the rows kept so far."""

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        headers: Mapping[str, str],
        begin: Callable[[Ask], None] = lambda _: None,
    ):
        """begin: told of a request just before it goes out, where one goes out at a time."""
        self.settings, self.folder, self.headers = settings, folder, dict(headers)
        self.begin = begin
        self.failed_in_a_row: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()  # of the service, while it was asked or had to load this model
        self.lost: set[str] = set()  # aliases of models that can't be loaded
        self.back_at_s = 0.0  # when the service was last started again; what began before can't count against a model
        self.returns: list[Revival] = []  # of the service, perhaps at another address
        self.has_restarted: Callable[[str], bool] = lambda _: False  # asked where a model seems not to be loaded
        self.host = HostCpu()
        self.salt = secrets.token_hex(4)

    def gave_up(self, target: Target) -> bool:
        if target.alias in self.lost:
            return True
        return max(self.failed_in_a_row[target.alias], self.ends[target.alias]) >= GIVE_UP_AFTER

    def now_at(self, target: Target) -> Target:
        """The target where its service is by now."""
        for revival in self.returns:
            target = revival.at(target)
        return target

    def url(self, ask: Ask) -> str:
        return f"{self.now_at(ask.target).base_url}/chat/completions"

    def payload(self, ask: Ask) -> bytes:
        return asks.payload(ask, self.settings, f"{self.salt}/{self.folder.attempts.get(cell_of(ask, self.settings))}")

    def measure(self, ask: Ask) -> Row:
        """Send one request and keep its row."""
        s = self.settings
        self.begin(ask)
        began_s = time.time()
        self.host.mark()
        reply, kept = None, len(self.folder.rows)
        try:
            reply = stream.ask(
                self.url(ask), self.payload(ask), stream=s.stream, deadline_s=s.deadline_s, headers=self.headers
            )
            return self.take(ask, reply)
        except KeyboardInterrupt:
            if reply is None:
                self.keep(self._row_of(ask, status="interrupted", error="stopped from here", started_at=_utc(began_s)))
            elif len(self.folder.rows) == kept:
                self.take(ask, reply)
            raise

    def take(self, ask: Ask, reply: stream.Reply) -> Row:
        """Keep the row of one reply, in which no key stands that the server has repeated."""
        reply = secret.without(reply, secret.carried(self.headers))
        shared = {name: getattr(reply, name) for name in stream.SHARED}
        intended_at = None if reply.intended_at_s is None else _utc(reply.intended_at_s)
        row = replace(
            self._row_of(ask),
            **shared,
            started_at=_utc(reply.started_at_s),
            intended_at=intended_at,
            host_cpu_pct=self.host.pct_since(reply.started_at_s),
        )
        if row.status in UNLOADED:
            try:
                if reply.started_at_s < self.back_at_s or self.has_restarted(ask.target.alias):
                    row.flags.append(RESTARTED)
            except KitError:  # and it does not come back
                row.flags.append(RESTARTED)
                self.keep(row)
                raise
        # what was still under way when the model was given up ends well too late
        if ask.phase == "timed" and not self.gave_up(ask.target):
            alias = ask.target.alias
            if row.status == OK:
                self.failed_in_a_row[alias] = self.ends[alias] = 0
            elif reply.started_at_s >= self.back_at_s:
                self.failed_in_a_row[alias] += 1
        return self.keep(row)

    def skip(self, target: Target, reason: str, load_index: int | None = None) -> Iterator[Row]:
        """The row that says why a model is not asked, unless an earlier part of this run has said it."""
        cell = asks.skip_cell(target, load_index)
        if cell in self.folder.finished:
            return
        fault = getattr(target, "fault", None) or "skipped"
        yield self.keep(
            self._row(target, cell=cell, status=fault, error=reason, load_index=load_index, started_at=now())
        )

    def skip_rest(self, ask: Ask, last: Row) -> Iterator[Row]:
        """Of a model that was given up."""
        ends = self.ends[ask.target.alias]
        why = f"{GIVE_UP_AFTER} failed in a row"
        if ends >= GIVE_UP_AFTER:
            why = f"the service ended {ends} times while it was asked"
        yield from self.skip(ask.target, f"{why}; the last: {last.error}", ask.load_index)

    def keep(self, row: Row) -> Row:
        self.folder.append(row)
        return row

    def _row_of(self, ask: Ask, **more: Any) -> Row:
        return self._row(
            ask.target,
            cell=cell_of(ask, self.settings),
            phase=ask.phase,
            prompt_id=ask.prompt.id,
            round=ask.round,
            load_index=ask.load_index,
            concurrency=ask.streams,
            **more,
        )

    def _row(self, target: Target, *, cell: str, **more: Any) -> Row:
        return Row(
            run=self.folder.name,
            cell=cell,
            model=target.alias,
            attempt=self.folder.attempts.get(cell, 0) + 1,
            order=len(self.folder.rows),
            model_id=target.id,
            device=target.device,
            execution_provider=target.execution_provider,
            **more,
        )


def now() -> str:
    return _utc(datetime.now(UTC).timestamp())


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
