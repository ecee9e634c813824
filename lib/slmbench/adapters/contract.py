"""What an adapter has to have: two methods; and what it may tell when a reply has ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable


class Ended(NamedTuple):
    """What `generate` may return behind its last piece, where it knows better than can be told from the text.

    finish_reason: stop (it was through) | length (the budget was). None: to be told from the text.
    """

    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@runtime_checkable
class ModelAdapter(Protocol):
    """A model, by whatever means it runs. It is made without arguments, loaded once, and asked one prompt at a time.

    It may also have `count_tokens(text) -> int`; without it, and without an `Ended`, replies come without `usage`, and
    a run counts pieces for tokens (`token_source` "chunks").
    """

    def load(self, weights_path: Path) -> None:
        """Get ready. weights_path: a file or folder that is there; what it holds is the adapter's own affair."""

    def generate(self, prompt: str, **params: Any) -> Iterable[str] | str:
        """The reply, piece by piece as it comes (a generator), or as one text.

        params: of max_tokens, temperature, top_p, seed and stop those that were asked for, and messages, the whole
        conversation as [{"role": …, "content": …}], for models that know roles. What the method does not take is not
        passed. A piece is a token where the model has tokens; after max_tokens pieces no more are asked for.
        """
