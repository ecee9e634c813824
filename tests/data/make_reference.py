"""Make smollm2_reference.json: what PyTorch and transformers get out of the same GGUF file.

Needs a venv of its own, as the kit itself wants no torch:

    python -m venv ref
    ref/bin/pip install torch==2.13.0 transformers==5.23.0 accelerate==1.15.0 gguf==0.19.0
    ref/bin/python tests/data/make_reference.py SmolLM2-135M-Instruct.Q4_1.gguf

The GGUF is the one that `slmbench fetch smollm2-135m-int4` keeps under `models/` of the cache folder. Runs offline, in
half a minute. Logits are float32, rounded to 4 decimals. `--full FILE.npz` keeps every one of them, for a closer look.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

CHATS = [
    "Explain the principle of retrieval augmented generation in 2 sentences.",
    "Write a Python function that returns the 10 largest numbers of a list.",
]
PLAIN = [
    "The capital of France is Paris. The capital of Germany is Berlin. The capital of Italy is",
    "Water boils at 100 degrees Celsius, or 212 degrees Fahrenheit, and freezes at 0 or 32.",
    "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
    "Once upon a time, in a small village by the sea, there lived an old fisherman who",
]
STRINGS = [  # for the tokenizer alone
    "",
    "Hello, world!",
    "  two spaces, a\ttab and\n\na blank line ",
    "In 2024, 3.14159 x 1,000,000 = 3141590; 007 and 10ms",
    "for (int i = 0; i < 10; ++i) { s += a[i]->next; }  // don't",
    "नमस्ते दुनिया, १२३ किताबें",
    "日本語のテキスト",
    "👩‍👩‍👧 🇩🇪 👍🏽 naïve café",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    "I'm sure they'll say WE'VE won't",
]
TOP, SAMPLED = 16, 40  # logits kept at each position: the largest, and a fixed random choice


def main() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--full", type=Path, help="also keep every logit, as .npz")
    args = parser.parse_args()
    where = {"pretrained_model_name_or_path": str(args.gguf.absolute().parent), "gguf_file": args.gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()

    chats = [
        tokenizer.apply_chat_template([{"role": "user", "content": c}], tokenize=False, add_generation_prompt=True)
        for c in CHATS
    ]
    sampled = np.sort(np.random.default_rng(0).choice(len(tokenizer), SAMPLED, replace=False))
    prompts, full = [], {}
    for text in chats + PLAIN:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        top = logits.topk(TOP)
        prompts.append(
            {
                "text": text,
                "ids": ids,
                "logsumexp": rounded(logits.double().logsumexp(-1)),
                "top_ids": top.indices.tolist(),
                "top_logits": rounded(top.values),
                "sampled_logits": rounded(logits[:, sampled]),
            }
        )
        full[f"ids{len(full) // 2}"], full[f"logits{len(full) // 2}"] = np.array(ids), logits.numpy()
    strings = [{"text": s, "ids": tokenizer(s, add_special_tokens=False).input_ids} for s in STRINGS]
    reference = {"made_with": versions(), "sampled_ids": sampled.tolist(), "prompts": prompts, "tokenizer": strings}
    out = Path(__file__).with_name("smollm2_reference.json")
    out.write_text(json.dumps(reference, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{out}: {out.stat().st_size:,} bytes, {sum(len(p['ids']) for p in prompts)} positions")
    if args.full:
        np.savez(args.full, **full)


def rounded(tensor) -> list:
    return np.round(tensor.numpy().astype(float), 4).tolist()


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "gguf", "tokenizers")}


if __name__ == "__main__":
    main()
