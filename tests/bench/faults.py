"""Every scripted reply, right and wrong, asked once: what the row should say, and what it says.

Prints a table; exit code 1 if a case is judged otherwise than expected. Run it as a part of run.py, which finds
`support`.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from slmbench.measure import stream
from support.cases import ASKED, FAULTS, GOOD, STOP, WHOLE, WHOLE_ASKED, Case, server_flags
from support.replies import DONE, delta, events, good, head, message, plain, usage
from support.server import HOLD, Drip, Pause, Server

SLACK_S = 1.0  # beyond its deadline (or the script's own time), until a case counts as having no bounded end
THINKING = events(delta(reasoning_content="Hm"), delta(reasoning_content="m."))
MORE_GOOD = {  # name: script, text, reasoning, flags
    "UTF-8 split across packets": ([head(), Drip(good("नमस्ते ", "😀", "é"), size=1)], "नमस्ते 😀é", None, []),
    "keep-alives in a silence": (
        [head(), b": ping\n\n", Pause(0.1), b": ping\n\n" + good()],
        "Hello!",
        None,
        [],
    ),
    "several events in one packet": ([head() + good(*"Hello!")], "Hello!", None, []),
    "reasoning before the answer": ([head() + THINKING + good()], "Hello!", "Hmm.", []),
    "nothing but reasoning": ([head() + THINKING + events(STOP, usage()) + DONE], "", "Hmm.", []),
    "no usage": ([head() + events(delta("Hello!"), STOP) + DONE], "Hello!", None, ["usage_missing"]),
    "usage below zero": (
        [head(), good(counts={"prompt_tokens": 7, "completion_tokens": -1})],
        "Hello!",
        None,
        ["usage_invalid"],
    ),
    "another model's name": (
        [head() + events(delta("Hello!") | {"model": "other"}, STOP, usage()) + DONE],
        "Hello!",
        None,
        ["other_model"],
    ),
}


@dataclass(frozen=True)
class Judged:
    """One case. wrong: what differs from the expected, [] for nothing."""

    name: str
    expected: str
    got: str
    wrong: list[str]


def _ask(case: Case, asked: bytes = ASKED, *, streamed: bool = True) -> tuple[stream.Reply, list[str]]:
    """The reply, and what is wrong with how it was had: more than one request, no end in time."""
    with Server(case.script) as server:
        began_s = time.monotonic()
        url = f"{server.root}/v1/chat/completions"
        reply = stream.ask(url, asked, stream=streamed, deadline_s=case.deadline_s)
        took_s = time.monotonic() - began_s
    wrong = [] if len(server.requests) == 1 else [f"{len(server.requests)} requests"]
    own_s = sum(step.seconds for step in case.script if isinstance(step, Pause))
    limit_s = (case.deadline_s if case.status == "timeout" else own_s) + SLACK_S
    return reply, wrong + ([f"ended after {took_s:.1f} s"] if took_s > limit_s else [])


def _failing() -> Iterator[Judged]:
    for cases, asked, streamed, where in (
        (FAULTS, ASKED, True, ""),
        (WHOLE, WHOLE_ASKED, False, ", no stream asked for"),
    ):
        for name, case in cases.items():
            reply, wrong = _ask(case, asked, streamed=streamed)
            text = f", text {case.text!r}" if case.text else ""
            yield Judged(name + where, case.status + text, _said(reply), wrong + case.differences(reply))
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    reply = stream.ask(f"http://127.0.0.1:{port}/v1/chat/completions", ASKED, deadline_s=5)
    yield Judged("nobody listens", "refused", _said(reply), [] if reply.status == "refused" else [str(reply.error)])


def _good() -> Iterator[Judged]:
    cases = {name: (script, "Hello!", None, []) for name, script in GOOD.items()} | MORE_GOOD
    for name, (script, text, reasoning, flags) in cases.items():
        reply, wrong = _ask(Case(script, "ok"))
        expected = ("ok", text, reasoning, flags)
        found = (reply.status, reply.text, reply.reasoning_text, server_flags(reply))
        wrong += [] if found == expected else [f"{found}, not {expected}"]
        yield Judged(name, f"ok, text {text!r}" + _flagged(flags), _said(reply), wrong)
    reply, wrong = _ask(Case([plain(message("Hello!")), HOLD], "ok"), WHOLE_ASKED, streamed=False)
    wrong += [] if (reply.status, reply.text) == ("ok", "Hello!") else [_said(reply)]
    yield Judged("a whole reply, no stream asked for", "ok, text 'Hello!'", _said(reply), wrong)


def _flagged(flags: list[str]) -> str:
    return f", flag {', '.join(flags)}" if flags else ""


def _said(reply: stream.Reply) -> str:
    text = (
        ""
        if not reply.text
        else f", text {reply.text!r}"
        if len(reply.text) < 40
        else f", {len(reply.text)} characters"
    )
    return f"{reply.status}{text}{_flagged(server_flags(reply))}"


def measure() -> list[Judged]:
    """All cases, one after the other."""
    return [*_failing(), *_good()]


def table(cases: list[Judged]) -> str:
    """The cases in Markdown."""
    lines = [("case", "expected", "got", "held"), ("---",) * 4]
    lines += [(c.name, c.expected, c.got, "NO: " + "; ".join(c.wrong) if c.wrong else "yes") for c in cases]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> int:
    cases = measure()
    missed = sum(bool(case.wrong) for case in cases)
    print(table(cases))
    print(f"\n{len(cases)} cases, {missed} of them judged otherwise than expected.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
