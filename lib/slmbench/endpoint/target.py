"""What a run talks to: the service (`Endpoint`) and the models on it (`Target`)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slmbench.endpoint import rest
from slmbench.endpoint.rest import RestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import openai

    from slmbench.endpoint.revive import Revival
    from slmbench.endpoint.service import Service

SENT = ("host", "accept", "connection", "content-", "transfer-encoding", "user-agent", "x-stainless-")  # header names
LOAD_S = 600.0
UNLOAD_TRIES = 6


@dataclass(frozen=True, slots=True)
class Target:
    """One model that was asked for: where and under which id to ask it, or the reason why it can't be asked.

    base_url: ends in /v1; requests go to base_url/chat/completions.
    fault: the status of its row, where the endpoint itself is at fault (refused, protocol_error, …).
    load_url: of its load and unload calls, without the verb's name; None where loading is not ours to do.
    """

    alias: str
    id: str | None = None
    base_url: str | None = None
    load_url: str | None = None
    load_name: str | None = None
    device: str | None = None
    execution_provider: str | None = None
    folder: str | None = None
    reason: str | None = None
    fault: str | None = None

    @property
    def available(self) -> bool:
        return self.reason is None

    @property
    def registered(self) -> bool:
        """Whether it is a local model that was registered; else the service has it from its catalogue."""
        return f"{rest.LOCAL_PREFIX}/" in (self.load_url or "")


@dataclass(slots=True)
class Endpoint:
    """An OpenAI-compatible service.

    root: its address without /v1. source: how it was found, in words. base_urls: where it lists models, in order.
    own: the kit's own service, else None. foundry: another Foundry Local service, which can load and unload.
    by_tool: its address is the `foundry` tool's word. gone: it went away in a run, and did not come back.
    started: whether the call that made this object started it.
    fault: why it can't be listed, where it can't.
    """

    root: str
    source: str
    base_urls: list[str] = field(default_factory=list)
    own: Service | None = None
    foundry: bool = False
    by_tool: bool = False
    gone: bool = False
    started: bool = False
    listed: dict[str, list[str]] = field(default_factory=dict)  # base_url -> ids
    fault: RestError | None = None

    @property
    def base_url(self) -> str:
        """The base address for OpenAI clients: the first that lists models."""
        return next(
            (base for base in self.base_urls if self.listed.get(base)), (self.base_urls or [f"{self.root}/v1"])[0]
        )

    @property
    def headers(self) -> dict[str, str]:
        """What each request to it carries: the key, where somebody has named it; the kit's own service needs none.

        raises: UsageError as `rest.api_key`.
        """
        return {} if self.own or self.by_tool else rest.key_headers()

    @property
    def ids(self) -> list[str]:
        return [model_id for ids in self.listed.values() for model_id in ids]

    def refresh(self) -> None:
        """Ask again what is served; what goes wrong is kept in `fault`."""
        self.fault, self.listed = None, {}
        for base in self.base_urls:
            try:
                self.listed[base] = rest.model_ids(base, headers=self.headers)
            except RestError as e:
                self.fault = self.fault or e

    def client(self, base_url: str | None = None, timeout_s: float = 120.0) -> openai.OpenAI:
        """The openai package's client, for all that is not timed: no retries, no proxies, no redirects.

        What the package takes from OPENAI_* variables (keys, organisation, project, headers) is not sent.
        """
        import openai

        bearer = self.headers.get("Authorization", "Bearer not-needed")

        def only_ours(request) -> None:
            for name in list(request.headers):
                if not name.lower().startswith(SENT):
                    del request.headers[name]
            request.headers["Authorization"] = bearer

        http = openai.DefaultHttpxClient(
            trust_env=False, timeout=timeout_s, follow_redirects=False, event_hooks={"request": [only_ours]}
        )
        return openai.OpenAI(base_url=base_url or self.base_url, api_key="not-needed", max_retries=0, http_client=http)

    def load(self, target: Target) -> float | None:
        """Have a model loaded. returns: seconds; None where it was loaded before, or loading is not ours to do.

        raises: RestError.
        """
        if target.load_url is None or target.id in rest.loaded_ids(target.load_url, headers=self.headers):
            return None
        url = f"{target.load_url}/load/{rest.segment(target.load_name)}"
        started_ns = time.perf_counter_ns()
        rest.get(url, timeout_s=LOAD_S, headers=self.headers)
        return (time.perf_counter_ns() - started_ns) / 1e9

    def unload(self, target: Target) -> None:
        """Unload a model. Right after a stream its session may still hold it, so a few tries are made.

        raises: RestError.
        """
        for left in reversed(range(UNLOAD_TRIES if target.load_url else 0)):
            try:
                url = f"{target.load_url}/unload/{rest.segment(target.load_name)}"
                rest.get(url, timeout_s=60, headers=self.headers)
                return
            except RestError:
                if left == 0:
                    raise
                time.sleep(0.1)

    def revive(self, targets: Sequence[Target]) -> Revival | None:
        """See to it that the service is there, after a request that failed as it does where it is not: see `revive`."""
        from slmbench.endpoint.revive import revive

        return revive(self, targets)
