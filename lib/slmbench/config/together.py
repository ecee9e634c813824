"""Settings that are right one by one and do not go together: found before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slmbench.errors import UsageError

SINGLE = (1,)  # one request at a time


def refuse_clashes(
    values: Mapping[str, Any],
    label: Callable[[str], str] = str,
    as_given: Callable[[str], str] = str,
    *,
    arrivals_said: bool = False,
) -> None:
    """Hold the settings against each other.

    values: by name, as `Settings` has them. label: of a name, with where its value comes from. as_given: of a name,
    as it may be typed. arrivals_said: refuse arrivals without a rate, even if they are as by default.
    raises: UsageError for the first two that do not go together.
    """
    rate, concurrency, stream = values["rate"], values["concurrency"], values["stream"]
    at_once = ",".join(map(str, concurrency))
    if rate is not None and concurrency != SINGLE:
        raise UsageError(
            f"{label('rate')}: {rate:g} was found beside {at_once} for {label('concurrency')}, one of the two was "
            "expected: at a rate, requests start at times of their own and do not wait for each other",
            f"Leave {as_given('rate')} or {as_given('concurrency')} out.",
        )
    if rate is None and (arrivals_said or values["arrivals"] != "poisson"):
        raise UsageError(
            f"{label('arrivals')}: {values['arrivals']} was found without a rate, which was expected: arrivals say "
            "when the requests of an open loop start",
            f"Add {as_given('rate')} with the requests to start each second, or leave {as_given('arrivals')} out.",
        )
    if rate is not None and values["retries"]:
        raise UsageError(
            f"{label('retries')}: {values['retries']} was found beside {rate:g} for {label('rate')}, 0 was expected: "
            "an open loop asks at its times, and a request that is asked again later is none of them",
            f"Leave {as_given('rate')} or {as_given('retries')} out.",
        )
    if values["precision_pct"] is None and values["budget_s"] is not None:
        raise UsageError(
            f"{label('budget_s')}: {values['budget_s']:g} was found without a precision, which was expected: "
            f"{as_given('budget_s')} ends what {as_given('precision_pct')} asks for",
            f"Add {as_given('precision_pct')} with the percentage, or leave {as_given('budget_s')} out.",
        )
    if values["precision_pct"] is not None and (rate is not None or concurrency != SINGLE):
        other = "concurrency" if rate is None else "rate"
        raise UsageError(
            f"{label('precision_pct')}: {values['precision_pct']:g} was found beside "
            f"{at_once if rate is None else f'{rate:g}'} for {label(other)}, one request at a time was expected: only "
            "then is each model and prompt measured on until its own interval is narrow enough",
            f"Leave {as_given(other)} out, or give {as_given('rounds')} in place of {as_given('precision_pct')}.",
        )
    streamed = [name for name, _ in values["slo"] if name != "latency_s"]
    if streamed and not stream:
        raise UsageError(
            f"{label('slo')}: a limit on {', '.join(streamed)} was found, one on latency alone was expected: replies "
            f"that are not streamed have no other time (see {label('stream')})",
            f"Take that limit out of {as_given('slo')}, or let replies be streamed.",
        )
