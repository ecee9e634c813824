"""The validation checklist: every target listed, and answering a short request. Never timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slmbench import secret
from slmbench.endpoint.target import Endpoint, Target
from slmbench.errors import KitError

PROMPT = "Say hello in one short sentence."
TOKENS = 24


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe found. answer: the reply's text; problem: why there is none."""

    alias: str
    id: str | None
    listed: bool
    answer: str | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        return self.listed and self.problem is None


def probe(endpoint: Endpoint, target: Target, prompt: str = PROMPT) -> Probe:
    """Load the model where that is ours to do, and ask it one short question with the openai package."""
    if not target.available:
        return Probe(target.alias, None, False, problem=target.reason)
    return secret.without(_asked(endpoint, target, prompt), secret.carried(endpoint.headers))


def _asked(endpoint: Endpoint, target: Target, prompt: str) -> Probe:
    import openai

    try:
        endpoint.load(target)
        with endpoint.client(base_url=target.base_url) as client:
            reply = client.chat.completions.create(
                model=target.id, messages=[{"role": "user", "content": prompt}], max_tokens=TOKENS, temperature=0
            )
    except (KitError, openai.OpenAIError) as e:
        return Probe(target.alias, target.id, True, problem=str(e))
    except ValueError as e:  # the openai package lets the JSON decoder's error through
        return Probe(target.alias, target.id, True, problem=f"not a chat completion: {e}")
    answer = _answer(reply)
    return Probe(target.alias, target.id, True, answer or None, None if answer else "no text in the reply")


def _answer(reply: Any) -> str | None:
    """The reply's text; None for whatever else a server may have sent, which the openai package passes on unchecked."""
    try:
        content = reply.choices[0].message.content
    except (AttributeError, IndexError, TypeError):
        return None
    return content if isinstance(content, str) else None
