"""Runs as they might have been: three models measured, one skipped, one failure, one outlier; a sweep of loads."""

import hashlib
import random
from datetime import UTC, datetime, timedelta

from slmbench.records import Row

PROMPTS = ("rag", "privacy", "size_$_latency", "नेपाली-सारांश")
SPEEDS = {"qwen2.5-0.5b": 48.0, "smollm2-135m-int4": 61.0, "phi-4-mini-instruct-generic-cpu:3": 14.0}


def request(model, prompt="rag", number=0, latency=1.0, **given):
    """One row with plain numbers; whatever is given wins."""
    text = given.pop("text", f"{model} on {prompt}")
    values = {
        "run": "r1",
        "cell": f"{model}/{prompt}/{number}/{given.get('phase', 'timed')}",
        "model": model,
        "prompt_id": prompt,
        "round": number,
        "load_index": 0,
        "latency_s": latency,
        "ttft_s": latency / 10,
        "prompt_tokens": 20,
        "output_tokens": 10,
        "token_source": "server",
        "text": text,
        "text_sha256": hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest(),
        "flags": [],
    }
    if given.get("status", "ok") != "ok":
        values |= dict.fromkeys(("latency_s", "ttft_s", "output_tokens", "text", "text_sha256", "token_source"))
    return Row(**(values | given))


def streamed(model, prompt="rag", number=0, ttft=0.5, gaps=(0.1, 0.1, 0.3, 0.1), **given):
    """A reply with the times of its chunks: one more than there are gaps, of 1, 2, 3, … characters."""
    chunk_s = [ttft]
    for gap in gaps:
        chunk_s.append(round(chunk_s[-1] + gap, 9))
    values = {"ttft_s": ttft, "ttfa_s": ttft, "output_tokens": len(chunk_s), "chunk_s": chunk_s}
    values |= {"chunk_chars": list(range(1, len(chunk_s) + 1)), "chunk_channel": ["answer"] * len(chunk_s)}
    return request(model, prompt, number, chunk_s[-1], **(values | given))


def sweep_rows(levels=(1, 2, 4), models=("a", "b"), number=12, bound=()):
    """Each model at each number of requests at once, in waves: latency grows by 0.1 s a level, b is 1.5 times as slow.

    bound: (model, level) whose first request the client could not keep up with.
    """
    rows, clock = [], datetime(2026, 1, 1, tzinfo=UTC)
    for place, model in enumerate(models):
        for level in levels:
            latency = (0.9 + 0.1 * level) * 1.5**place
            for i in range(number):
                flags = ["client_bound"] if i == 0 and (model, level) in bound else []
                given = {"concurrency": level, "started_at": clock.isoformat(), "flags": flags, "order": len(rows)}
                rows.append(request(model, "rag", i, latency * (1 + i % 3 / 1000), **given))
                clock += timedelta(seconds=latency * 1.01) if i % level == level - 1 else timedelta()
            clock += timedelta(seconds=10)
    return rows


def sample_rows(rounds=3, seed=7):
    """3 models × 4 prompts × rounds in shuffled order after a warm-up each; then one model that was skipped."""
    chance = random.Random(seed)
    rows = []
    for model, speed in SPEEDS.items():
        rows.append(request(model, "warm-up", latency=3.5 * 50 / speed, phase="warmup"))
    cells = [(m, p, r) for m in SPEEDS for p in PROMPTS for r in range(rounds)]
    chance.shuffle(cells)
    for model, prompt, number in cells:
        tokens = 40 + 12 * PROMPTS.index(prompt)
        ttft = (0.05 + 4 / SPEEDS[model]) * chance.lognormvariate(0, 0.04)
        latency = (ttft + tokens / SPEEDS[model]) * chance.lognormvariate(0, 0.04)
        if (model, prompt, number) == ("qwen2.5-0.5b", "rag", 1):
            latency *= 2.2
        if (model, prompt, number) == ("phi-4-mini-instruct-generic-cpu:3", "privacy", 0):
            error = "no reply within 60 s"
            rows.append(request(model, prompt, number, status="timeout", error=error))
        else:
            gap, spread = (latency - ttft) / (tokens - 1), range(tokens)
            chunks = {"chunk_s": [ttft + gap * i for i in spread], "chunk_chars": [1 + i % 5 for i in spread]}
            chunks |= {"chunk_channel": ["answer"] * tokens, "ttft_s": ttft, "output_tokens": tokens}
            rows.append(request(model, prompt, number, latency, **chunks))
    reason = "not in the catalogue, nearest: gemma-4-e2b-it"
    rows.append(request("gemma-2-2b", None, None, status="skipped", error=reason, round=None))
    return [Row(**{f: getattr(row, f) for f in Row.__slots__} | {"order": i}) for i, row in enumerate(rows)]
