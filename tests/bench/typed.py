"""The openai package's typed stream, as its documentation shows it, in threads where there are several streams.

    python typed.py URL MODEL[,MODEL] REQUESTS STREAMS TOKENS

So many requests to each model, so many at once; a JSON line of each to standard output at the end.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import openai

url, models, requests, streams, tokens = sys.argv[1], sys.argv[2].split(","), *map(int, sys.argv[3:6])
client = openai.OpenAI(base_url=url, api_key="not-needed", max_retries=0)


def ask(model: str) -> dict:
    chunk_s, text, counted = [], "", None
    start_ns = time.perf_counter_ns()
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Say something."}],
        max_tokens=tokens,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        at_ns = time.perf_counter_ns()
        counted = chunk.usage.completion_tokens if chunk.usage else counted
        if chunk.choices and chunk.choices[0].delta.content:
            chunk_s.append((at_ns - start_ns) / 1e9)
            text += chunk.choices[0].delta.content
    return {"text": text, "ttft_s": chunk_s[0], "latency_s": chunk_s[-1], "tokens": counted}


with ThreadPoolExecutor(streams) as pool:
    for figures in pool.map(ask, [model for model in models for _ in range(requests)]):
        print(json.dumps(figures))
