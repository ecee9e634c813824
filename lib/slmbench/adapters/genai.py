"""The runtime under Foundry Local, without Foundry Local: an ONNX Runtime GenAI folder, run in this process."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Generator
from pathlib import Path

from slmbench.adapters.contract import Ended
from slmbench.errors import UsageError

PACKAGE = "onnxruntime_genai"
REQUIREMENT = "onnxruntime-genai>=0.18,<1"  # as the extra `adapters` of pyproject.toml has it
TOKENS = 512  # of a reply whose length nobody has asked for


class GenAI:
    """Weights: a folder as the kit's converter makes it. Needs the package onnxruntime-genai.

    The same weights as in Foundry Local, by another way: what differs between the two is what the service costs.
    """

    def load(self, weights_path: Path) -> None:
        try:
            self.og = importlib.import_module(PACKAGE)
        except ImportError as e:
            found = f"adapter genai: the package onnxruntime-genai is not installed, or does not load ({e})"
            raise UsageError(found, f'"{sys.executable}" -m pip install "{REQUIREMENT}"') from e
        if not (weights_path / "genai_config.json").is_file():
            found = f"weights: {weights_path} has no genai_config.json; an ONNX Runtime GenAI folder was expected"
            raise UsageError(found, "slmbench add makes one; its place is told by slmbench add --json")
        config = json.loads((weights_path / "genai_config.json").read_text(encoding="utf-8"))
        self.context: int = config["model"]["context_length"]
        self.model = self.og.Model(str(weights_path))
        self.tokenizer = self.og.Tokenizer(self.model)
        self.ends = {int(i) for i in self.tokenizer.eos_token_ids}

    def generate(
        self,
        prompt: str,
        *,
        messages: list[dict[str, str]] | None = None,
        max_tokens: int = TOKENS,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Generator[str, None, Ended]:
        said = json.dumps(messages or [{"role": "user", "content": prompt}])
        tokens = self.tokenizer.encode(self.tokenizer.apply_chat_template(messages=said, add_generation_prompt=True))
        options = {"max_length": min(len(tokens) + max_tokens, self.context), "do_sample": temperature > 0}
        if temperature > 0:
            options |= {"temperature": temperature, "top_p": top_p}
        if seed is not None:
            options["random_seed"] = seed % 2**31
        params = self.og.GeneratorParams(self.model)
        params.set_search_options(**options)
        generator = self.og.Generator(self.model, params)
        generator.append_tokens(tokens)
        stream, written, ended = self.tokenizer.create_stream(), 0, False
        while not generator.is_done():
            generator.generate_next_token()
            token = int(generator.get_next_tokens()[0])
            ended = token in self.ends
            if not ended:
                written += 1
                yield stream.decode(token)
        return Ended("stop" if ended else "length", len(tokens), written)

    def count_tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(text))
