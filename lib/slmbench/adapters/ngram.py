"""The smallest language model there is, as an example: how often which word came after which two in a text."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

WORD = re.compile(r"\S+\s*")  # a token: a word and the space behind it
END = ""  # the token behind the last one of a paragraph


class Ngram:
    """Its weights are a text; loading it is training. It knows nothing but the last two words.

    temperature 0 takes the word that came most often (the earliest of several), above 0 draws one by its count raised
    to 1 / temperature. A paragraph's end ends the reply.
    """

    def load(self, weights_path: Path) -> None:
        self.after: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for paragraph in weights_path.read_text(encoding="utf-8").split("\n\n"):
            words = [*WORD.findall(paragraph.strip() + " "), END]
            for i, word in enumerate(words):
                for length in range(min(i, 2) + 1):  # after two words, after one, after none
                    self.after[tuple(words[i - length : i])][word] += 1

    def generate(
        self, prompt: str, *, max_tokens: int = 64, temperature: float = 1.0, seed: int | None = None
    ) -> Iterator[str]:
        said = WORD.findall(prompt.strip() + " ")
        draw = random.Random(seed)
        for _ in range(max_tokens):
            known = next(k for k in (tuple(said[-2:]), tuple(said[-1:]), ()) if k in self.after)
            words, counts = zip(*self.after[known].items(), strict=True)
            if temperature == 0:
                word = words[counts.index(max(counts))]
            else:
                highest = max(counts)  # else a large count to a high power is no number any more
                word = draw.choices(words, [(n / highest) ** (1 / temperature) for n in counts])[0]
            if word == END:
                return
            yield word
            said.append(word)

    def count_tokens(self, text: str) -> int:
        return len(WORD.findall(text))
