"""Rows whose numbers can be checked by hand."""

from datetime import UTC, datetime, timedelta

from slmbench.records import Row, to_frame

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)


def row(model="a", prompt="p", latency=1.0, number=0, **given):
    """A reply of 6 tokens, half of whose latency is the time to the first one."""
    values = {"run": "r", "cell": "c", "model": model, "prompt_id": prompt, "round": number, "load_index": 0}
    values |= {"latency_s": latency, "ttft_s": latency / 2, "prompt_tokens": 9, "output_tokens": 6}
    if given.get("status", "ok") != "ok":
        values |= dict.fromkeys(("latency_s", "ttft_s", "output_tokens"))
    return Row(**(values | {"token_source": "server", "finish_reason": "stop"} | given))


def frame_of(*latencies, **given):
    """Repeats of one prompt by one model."""
    return to_frame([row(latency=latency, number=i, order=i, **given) for i, latency in enumerate(latencies)])


def at(seconds):
    return (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def streamed(start, *, ttft=0.1, gap=0.01, tokens=11, intended=None, model="a", **given):
    """A stream of a token a chunk; latency 0.2 s as it stands. start, intended: seconds since EPOCH."""
    late = 0.0 if intended is None else start - intended
    chunks = [late + ttft + gap * i for i in range(tokens)]
    values = {"run": "r", "cell": "c", "model": model, "prompt_id": "p", "round": 0, "load_index": 0}
    values |= {"started_at": at(start), "intended_at": None if intended is None else at(intended)}
    values |= {"ttft_s": chunks[0], "latency_s": chunks[-1], "chunk_s": chunks}
    if given.get("status", "ok") != "ok":
        values |= dict.fromkeys(("latency_s", "ttft_s", "chunk_s"))
    return Row(**(values | {"output_tokens": tokens, "prompt_tokens": 5, "token_source": "server"} | given))
