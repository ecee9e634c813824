"""The truth server against the kit's own reader, row by row."""

import pytest

from slmbench import truth
from slmbench.measure import stream
from slmbench.truth import Schedule, TruthServer

S = 1_000_000_000  # ns
QUICK = {"ttft_s": 0.01, "gap_s": 0.002, "tokens": 6}
SHAPES = {
    "plain": Schedule(**QUICK),
    "role in the first chunk": Schedule(**QUICK, role_first=False),
    "role of its own, later": Schedule(**QUICK, role_s=0.005),
    "four tokens a chunk": Schedule(**QUICK | {"tokens": 10}, tokens_per_chunk=4),
    "three events a write": Schedule(**QUICK, bunch=3),
    "all in one write": Schedule(**QUICK, bunch=6),
    "jitter": Schedule(**QUICK, jitter_s=0.002, seed=3),
    "no usage": Schedule(**QUICK, usage=False),
    "reasoning": Schedule(**QUICK, reasoning_tokens=4),
    "reasoning only": Schedule(**QUICK | {"tokens": 0}, reasoning_tokens=4),
    "keep-alives": Schedule(**QUICK | {"ttft_s": 0.02}, keepalive_s=0.004),
    "cold": Schedule(**QUICK, cold_s=0.01),
    "one token": Schedule(**QUICK | {"tokens": 1}),
}


def body(model, *, max_tokens=64, streamed=True):
    return stream.body(model, "a b c", max_tokens=max_tokens, temperature=0.0, seed=1, stream=streamed)


def ask(server, model, **given):
    """The kit's reply to one request, and the server's record of it."""
    url = f"{server.base_url}/chat/completions"
    reply = stream.ask(url, body(model, **given), stream=given.get("streamed", True), deadline_s=20.0)
    return reply, server.record_of(reply.text or reply.reasoning_text)


@pytest.fixture(scope="module")
def server():
    with TruthServer(SHAPES) as running:
        yield running


def kinds(record):
    return [w.kind for w in record.writes]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_reader_has_every_chunk_and_none_before_it_was_written(server, shape):
    reply, record = ask(server, shape)
    wanted = SHAPES[shape]
    assert (reply.status, reply.finish_reason) == ("ok", "stop")
    assert reply.chunk_channel == [w.kind for w in record.writes if w.kind in ("answer", "reasoning")]
    assert all(read >= written for read, written in zip(reply.chunk_s, record.chunk_s, strict=True))
    assert reply.ttft_s >= record.ttft_s
    assert (reply.ttfa_s is None) == (record.ttfa_s is None)
    assert reply.latency_s >= record.latency_s
    assert record.tokens == wanted.tokens + wanted.reasoning_tokens
    assert all(w.ns >= w.due_ns for w in record.writes)
    assert [w.ns for w in record.writes] == sorted(w.ns for w in record.writes)
    assert record.ended


def test_a_role_chunk_is_no_first_token(server):
    reply, record = ask(server, "role of its own, later")
    assert kinds(record)[:3] == ["head", "role", "answer"]
    assert len(reply.chunk_s) == 6
    role = next(w for w in record.writes if w.kind == "role")
    assert (role.ns - record.received_ns) / S < record.ttft_s <= reply.ttft_s


def test_reasoning_comes_before_the_answer(server):
    reply, record = ask(server, "reasoning")
    assert (reply.ttft_s, reply.ttfa_s) == (reply.chunk_s[0], reply.chunk_s[4])
    assert record.ttft_s == record.chunk_s[0] < record.chunk_s[4] == record.ttfa_s
    assert truth.number_of(reply.text) == truth.number_of(reply.reasoning_text) == record.number
    assert (reply.output_tokens, reply.token_source, record.tokens) == (10, "server", 10)


def test_a_chunk_of_four_tokens_counts_four(server):
    reply, record = ask(server, "four tokens a chunk")
    assert [w.tokens for w in record.writes if w.kind == "answer"] == [4, 4, 2]
    assert (len(reply.chunk_s), reply.output_tokens, reply.token_source) == (3, 10, "server")
    assert record.tpot_s == pytest.approx((record.chunk_s[2] - record.chunk_s[0]) / 9)


def test_events_of_one_write_share_its_stamp_and_arrive_together(server):
    reply, record = ask(server, "three events a write")
    stamps = record.chunk_s
    assert stamps[0] == stamps[1] == stamps[2] < stamps[3] == stamps[4] == stamps[5]
    assert len(set(reply.chunk_s)) == 2


def test_without_usage_chunks_are_counted_and_the_row_says_so(server):
    reply, record = ask(server, "no usage")
    assert (reply.output_tokens, reply.token_source, reply.flags) == (6, "chunks", ["usage_missing"])
    assert "usage" not in kinds(record)


def test_keep_alives_are_no_content(server):
    reply, record = ask(server, "keep-alives")
    assert kinds(record)[:7] == ["head", "role", *["comment"] * 4, "answer"]  # at 4, 8, 12 and 16 of 20 ms
    assert len(reply.chunk_s) == 6


@pytest.mark.parametrize(("allowed", "reasoning", "answer"), [(3, 3, 0), (6, 4, 2), (10, 4, 6)])
def test_max_tokens_caps_the_reply(server, allowed, reasoning, answer):
    reply, record = ask(server, "reasoning", max_tokens=allowed)
    assert (reply.output_tokens, record.tokens) == (allowed, allowed)
    assert kinds(record).count("reasoning") == reasoning
    assert kinds(record).count("answer") == answer
    assert reply.finish_reason == ("stop" if allowed == 10 else "length")


@pytest.mark.parametrize("shape", ["plain", "reasoning"])
def test_a_reply_without_a_stream_is_one_write(server, shape):
    reply, record = ask(server, shape, streamed=False)
    assert (reply.status, reply.ttft_s, record.ttft_s, kinds(record)) == ("ok", None, None, ["whole"])
    assert reply.output_tokens == record.tokens == SHAPES[shape].tokens + SHAPES[shape].reasoning_tokens
    assert reply.latency_s >= record.latency_s
    assert reply.prompt_tokens == 3  # words


def test_outliers_and_the_cold_start_are_where_they_were_put():
    wanted = Schedule(ttft_s=0.004, gap_s=0.0005, tokens=3, outlier_every=5, outlier_s=0.08, cold_s=0.08)
    with TruthServer({"m": wanted}) as running:
        both = [ask(running, "m") for _ in range(11)]
        number = [record.number for _, record in both]
        due = [(r.writes[2].due_ns - r.received_ns) / S for _, r in both]
    assert number == list(range(1, 12))
    slow = [n for n, seconds in zip(number, due, strict=True) if seconds > 0.05]
    assert slow == [1, 5, 10]
    assert all(reply.ttft_s > 0.08 for n, (reply, _) in zip(number, both, strict=True) if n in slow)


def test_models_count_their_own_requests():
    slow = Schedule(ttft_s=0.0, gap_s=0.0, tokens=1, cold_s=0.05)
    with TruthServer({"a": slow, "b": slow}) as running:
        due = []
        for model in "abab":
            _, record = ask(running, model)
            due.append(record.writes[-1].due_ns - record.received_ns)
    assert due == [S // 20, S // 20, 0, 0]


def test_a_text_without_a_record_is_an_error(server):
    with pytest.raises(LookupError, match="no record of the reply 'Hello'"):
        server.record_of("Hello")
