"""How a made-up model answers: how many tokens, and when each chunk of them is due. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """How one made-up model answers. Times in seconds, counted from when the request has been read.

    ttft_s: until the first chunk with content. gap_s: between two chunks with content. tokens: of the answer.
    tokens_per_chunk: an answer's last chunk may hold fewer.
    role_first: a chunk with the role and no content comes by itself, at role_s; else the role is in the first chunk.
    bunch: so many chunks go out in one write, when the first of them is due.
    jitter_s: the first chunk and every gap come up to so much earlier or later, evenly spread.
    outlier_every, outlier_s: every n-th request of the model waits so much longer for its first chunk; 0 for none.
    cold_s: so much longer for the model's first request.
    usage: False leaves the token counts out, although they are asked for.
    reasoning_tokens: before the answer, in chunks of their own with reasoning_content.
    keepalive_s: a comment goes out each time that nothing was written for so long; None for none.
    seed: of the jitter.
    """

    ttft_s: float = 0.1
    gap_s: float = 0.01
    tokens: int = 32
    tokens_per_chunk: int = 1
    role_first: bool = True
    role_s: float = 0.0
    bunch: int = 1
    jitter_s: float = 0.0
    outlier_every: int = 0
    outlier_s: float = 0.0
    cold_s: float = 0.0
    usage: bool = True
    reasoning_tokens: int = 0
    keepalive_s: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        times = (self.ttft_s, self.gap_s, self.role_s, self.jitter_s, self.outlier_s, self.cold_s)
        counts = (self.tokens, self.reasoning_tokens, self.outlier_every)
        if min(times) < 0 or min(counts) < 0 or self.role_s > self.ttft_s:
            raise ValueError(f"times and counts from 0, and role_s up to ttft_s, were expected: {self}")
        if self.tokens_per_chunk < 1 or self.bunch < 1 or self.tokens + self.reasoning_tokens < 1:
            raise ValueError(f"tokens, tokens_per_chunk and bunch of at least 1 were expected: {self}")
        if self.keepalive_s is not None and self.keepalive_s <= 0:
            raise ValueError(f"keepalive_s: more than 0, or None, was expected: {self}")

    def extra_s(self, nth: int) -> float:
        """How much longer the model's n-th request (from 1; 0 for an ordinary one) waits for its first chunk."""
        outlier = self.outlier_s if nth and self.outlier_every and nth % self.outlier_every == 0 else 0.0
        return outlier + (self.cold_s if nth == 1 else 0.0)

    def counts(self, max_tokens: int | None) -> tuple[int, int, str]:
        """(reasoning tokens, answer tokens, finish reason) where no more than max_tokens are allowed."""
        allowed = self.reasoning_tokens + self.tokens if max_tokens is None else max_tokens
        reasoning = min(self.reasoning_tokens, allowed)
        answer = min(self.tokens, allowed - reasoning)
        return reasoning, answer, "stop" if reasoning + answer == self.reasoning_tokens + self.tokens else "length"

    def due_s(self, nth: int, chunks: int) -> list[float]:
        """When each chunk with content is due in the model's n-th reply, bunches aside."""
        chance = random.Random(f"{self.seed}/{nth}")

        def about(seconds: float) -> float:
            return max(0.0, seconds + chance.uniform(-self.jitter_s, self.jitter_s)) if self.jitter_s else seconds

        due = [max(about(self.ttft_s), self.role_s) + self.extra_s(nth)]
        for number in range(1, chunks):
            due.append(due[-1] + about(self.gap_s) if self.jitter_s else due[0] + number * self.gap_s)
        return due
