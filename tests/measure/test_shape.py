"""The audit of a stream: what it is made of, on wires made by hand; and what that allows."""

import pytest
from hypothesis import given, settings, strategies as st

from slmbench.measure import shape
from slmbench.measure.shape import Shape, allowed, shape_of
from slmbench.measure.wire import Wire
from support.replies import DONE, chunked, delta, event, events, good, head, message, plain, usage
from support.server import Server

START_NS = 5_000_000_000
STOP = delta(finish="stop")
ROLE = delta(None, role="assistant")


def wire(*pieces, end="done"):
    """pieces: (ms since the request was written, bytes)."""
    stamped = [(START_NS + round(ms * 1e6), data) for ms, data in pieces]
    return Wire(start_ns=START_NS, end_ns=stamped[-1][0] if stamped else START_NS, pieces=stamped, end=end)


def said(**more):
    return {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10} | more


def answers(seen):
    return {a.metric.partition(",")[0]: a.answer for a in allowed(seen)}


def why(seen, metric):
    return next(a.why for a in allowed(seen) if a.metric.startswith(metric))


PLAIN = wire(
    (2, head()),
    (3, event(ROLE)),
    (100, event(delta("one"))),
    (110, event(delta(" two"))),
    (120, event(delta(" three"))),
    (121, event(STOP)),
    (122, event(usage())),
    (124, DONE),
)


def test_a_plain_stream():
    seen = shape_of(PLAIN, "a:1")
    assert seen == Shape(
        status="ok",
        transfer="until close",
        head_s=0.002,
        role_s=0.003,
        ttft_s=0.1,
        ttfa_s=0.1,
        latency_s=0.12,
        done_s=0.124,
        chunks=3,
        reads=3,
        chunks_per_read_max=1,
        first_read_chunks=1,
        usage="own chunk",
        prompt_tokens=7,
        output_tokens=3,
        finish_reason="stop",
    )
    assert (seen.answer_chunks, seen.tokens_per_chunk, seen.token_a_chunk, seen.at_once) == (3, 1.0, True, False)
    assert set(answers(seen).values()) == {"yes", "roughly"}
    assert [name for name, answer in answers(seen).items() if answer == "roughly"] == ["prefill_tps"]
    assert "came 97 ms before" in why(seen, "ttft_s") and "lower bound" in why(seen, "prefill")


def test_the_same_wire_gives_the_same_shape():
    assert shape_of(PLAIN, "a:1") == shape_of(PLAIN, "a:1")


def test_everything_in_one_packet_allows_no_times_within():
    seen = shape_of(wire((50, head() + good())))
    assert (seen.chunks, seen.reads, seen.chunks_per_read_max, seen.at_once) == (3, 1, 3, True)
    assert (seen.role_s, seen.ttft_s, seen.latency_s) == (0.05, 0.05, 0.05)
    assert answers(seen) | {"latency_s": "yes", "output_tps": "yes"} == dict.fromkeys(answers(seen), "no") | {
        "latency_s": "yes",
        "output_tps": "yes",
    }
    assert "all content came in one piece" in why(seen, "token gaps")


def test_one_short_word_is_no_sign_of_a_buffer():
    one = event(delta("Yes")) + events(STOP, usage(said(completion_tokens=1)))
    seen = shape_of(wire((1, head()), (50, one + DONE)))
    assert (seen.chunks, seen.at_once, answers(seen)["ttft_s"]) == (1, True, "yes")


def test_several_events_a_packet():
    body = events(*[delta(f"{i}") for i in range(4)])
    seen = shape_of(
        wire((1, head()), (10, body), (50, body), (51, events(STOP, usage(said(completion_tokens=8))) + DONE))
    )
    assert (seen.chunks, seen.reads, seen.chunks_per_read_max, seen.token_a_chunk) == (8, 2, 4, True)
    assert answers(seen)["token gaps"] == answers(seen)["tpot_s"] == "roughly"
    assert "brought about 4.0 tokens: tpot_s of such replies is 43 % low" in why(seen, "tpot_s")  # 3 of 7 gaps
    assert "6 of 8 chunks came in one read with the chunk before them" in why(seen, "token gaps")


def test_several_tokens_a_chunk():
    pieces = [(10 * i, event(delta("one two three"))) for i in range(1, 5)]
    seen = shape_of(wire((1, head()), *pieces, (41, events(STOP, usage(said(completion_tokens=12))) + DONE)))
    assert (seen.tokens_per_chunk, seen.token_a_chunk) == (3.0, False)
    assert answers(seen)["token gaps"] == "no" and "3.0 tokens a chunk" in why(seen, "token gaps")
    assert "brought about 3.0 tokens: tpot_s of such replies is 18 % low" in why(seen, "tpot_s")  # 2 of 11


def test_a_long_reply_is_hardly_touched_by_its_first_chunk():
    pieces = [(10 * i, event(delta("one two"))) for i in range(1, 51)]
    seen = shape_of(wire((1, head()), *pieces, (999, events(STOP, usage(said(completion_tokens=100))) + DONE)))
    assert (seen.tokens_per_chunk, answers(seen)["tpot_s"]) == (2.0, "yes")  # 1 of 99 gaps


@pytest.mark.parametrize(
    ("tokens", "chunks", "equal"), [(3, 3, True), (4, 3, True), (5, 3, False), (42, 40, True), (43, 40, False)]
)
def test_an_end_mark_more_is_still_a_token_a_chunk(tokens, chunks, equal):
    assert Shape("ok", chunks=chunks, output_tokens=tokens).token_a_chunk == equal


def test_without_usage_chunks_stand_for_tokens():
    body = event(delta("a")), event(delta("b"))
    seen = shape_of(wire((1, head()), (10, body[0]), (20, body[1]), (21, event(STOP) + DONE)))
    assert (seen.usage, seen.output_tokens, seen.prompt_tokens, seen.tokens_per_chunk) == (None, None, None, None)
    found = answers(seen)
    assert (found["tpot_s"], found["output_tps"], found["token gaps"], found["prefill_tps"]) == (
        *("roughly", "roughly"),
        *("no", "no"),
    )
    assert "token_source: chunks" in why(seen, "tpot_s") and "the server counts no tokens" in why(seen, "token gaps")


USAGE_AT = {
    "own chunk": [delta("a"), delta("b"), STOP, usage()],
    "last chunk": [delta("a"), delta("b"), STOP | {"usage": said()}],
    "every chunk": [delta("a") | {"usage": said()}, delta("b") | {"usage": said()}, STOP | {"usage": said()}],
    None: [delta("a") | {"usage": None}, delta("b"), STOP],
}


@pytest.mark.parametrize(("place", "values"), USAGE_AT.items(), ids=str)
def test_where_usage_stands(place, values):
    pieces = [(10 * i, event(v)) for i, v in enumerate(values, 1)]
    assert shape_of(wire((1, head()), *pieces, (99, DONE))).usage == place


def thought(text):
    return delta(reasoning_content=text)


def test_a_reasoning_channel():
    values = [ROLE, thought("hm"), thought("so"), delta("4"), STOP, usage()]
    pieces = [(10 * i, event(v)) for i, v in enumerate(values, 1)]
    seen = shape_of(wire((1, head()), *pieces, (99, DONE)))
    assert (seen.reasoning_chunks, seen.answer_chunks, seen.ttft_s, seen.ttfa_s) == (2, 1, 0.02, 0.04)
    assert answers(seen)["ttfa_s"] == "yes" and "after 2 of reasoning" in why(seen, "ttfa_s")


def test_reasoning_that_never_ends_has_no_first_answer():
    values = [thought("hm"), thought("so"), delta(finish="length"), usage()]
    seen = shape_of(wire((1, head()), *[(10 * i, event(v)) for i, v in enumerate(values, 1)], (99, DONE)))
    assert (seen.answer_chunks, seen.ttfa_s, answers(seen)["ttfa_s"]) == (0, None, "no")
    assert "--max-tokens" in why(seen, "ttfa_s")


def test_reasoning_that_is_counted_and_not_streamed_spoils_the_speed():
    counts = said(completion_tokens=40, completion_tokens_details={"reasoning_tokens": 37})
    values = [delta("a"), delta("b"), delta("c"), STOP, usage(counts)]
    seen = shape_of(wire((1, head()), *[(10 * i, event(v)) for i, v in enumerate(values, 1)], (99, DONE)))
    assert (seen.hidden_tokens, answers(seen)["tpot_s"]) == (37, "no")
    assert "37 tokens of reasoning were made before the first chunk, counted and not streamed" in why(seen, "tpot_s")


def test_cached_prompt_tokens_spoil_the_prompts_speed():
    counts = said(prompt_tokens_details={"cached_tokens": 6})
    values = [delta("a"), delta("b"), delta("c"), STOP, usage(counts)]
    seen = shape_of(wire((1, head()), *[(10 * i, event(v)) for i, v in enumerate(values, 1)], (99, DONE)))
    assert (seen.cached_tokens, answers(seen)["prefill_tps"]) == (6, "no")
    assert "6 of 7 prompt tokens came from a cache: use --nonce" in why(seen, "prefill_tps")


def test_what_else_a_stream_may_hold():
    call = [{"index": 0, "function": {"name": "f"}}]
    values = [ROLE, delta(""), delta("a"), delta(), delta(tool_calls=call), delta("b"), STOP, usage()]
    pieces = [(10 * i, b": ping\r\n\r\n" + event(v, "\r\n")) for i, v in enumerate(values, 1)]
    named = [(ms, data.replace(b'"object"', b'"model": "b:1", "object"')) for ms, data in pieces]
    framed = [(ms, chunked(data, last=False)) for ms, data in named]
    seen = shape_of(wire((1, head(Transfer_Encoding="chunked")), *framed, (99, chunked(DONE))), "a:1")
    assert (seen.status, seen.transfer, seen.comments) == ("ok", "chunked", 8)
    assert (seen.empty_chunks, seen.tool_chunks, seen.chunks) == (2, 1, 2)
    assert (seen.model, seen.other_model) == ("b:1", True)


def test_content_length():
    body = good()
    assert shape_of(wire((1, head(Content_Length=str(len(body)))), (9, body))).transfer == "content-length"


def test_a_mark_whose_line_only_the_end_of_the_connection_ends():
    last = wire((1, head()), (9, good(done=b"data: [DONE]")), end="eof")
    last.end_ns = START_NS + 30_000_000
    seen = shape_of(last)
    assert (seen.status, seen.latency_s, seen.done_s) == ("ok", 0.009, 0.03)
    assert shape_of(wire((1, head()), (9, good()), end="eof")).done_s == 0.009


FAULTS = {
    "no [DONE]": ([(1, head()), (9, good(done=b""))], "eof", "truncated"),
    "no content": ([(1, head()), (9, events(ROLE, STOP, usage()) + DONE)], "done", "empty_reply"),
    "no stream": ([(1, plain(message("Hello!")))], "done", "protocol_error"),
    "HTML": ([(1, plain(b"<html>", kind="text/html"))], "done", "protocol_error"),
    "a 500": ([(1, plain({"error": {"message": "no"}}, "500 Oops"))], "done", "http_500"),
    "broken JSON": ([(1, head() + event(delta("a")) + b"data: {\n\n")], "eof", "protocol_error"),
    "broken UTF-8": ([(1, head() + b'data: {"choices": [], "x": "\xff"}\n\n')], "eof", "protocol_error"),
    "an error on the way": (
        [(1, head() + event(delta("a")) + event({"error": {"message": "oom"}}))],
        "done",
        "server_error",
    ),
    "choices of numbers": ([(1, head() + event({"choices": [1], "usage": 3}))], "eof", "protocol_error"),
    "no HTTP": ([(1, b"\x16\x03\x01")], "eof", "connection_error"),
    "nothing": ([], "eof", "connection_error"),
}


@pytest.mark.parametrize(("pieces", "end", "status"), FAULTS.values(), ids=FAULTS)
def test_a_reply_that_would_be_no_measurement_allows_nothing(pieces, end, status):
    seen = shape_of(wire(*pieces, end=end))
    assert seen.status == status and seen.error
    assert set(answers(seen).values()) == {"no"}
    assert f"is recorded as {status}: " in why(seen, "ttft_s")


@settings(deadline=None, database=None, max_examples=200)
@given(body=st.binary(max_size=300), end=st.sampled_from(["done", "eof", "timeout", "reset"]))
def test_whatever_comes_there_is_a_shape(body, end):
    seen = shape_of(wire((1, head()), (2, body), (3, b"data: " + body + b"\n\n"), end=end))
    assert len(allowed(seen)) == 7


@settings(deadline=None, database=None, max_examples=200)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["choices", "delta", "content", "usage", "role", "tool_calls"]), inner)
        ),
        max_leaves=8,
    )
)
def test_whatever_an_event_holds_there_is_a_shape(value):
    assert shape_of(wire((1, head()), (2, event(value) + event({"choices": [{"delta": value}]})))).status


def test_one_request_is_sent_and_it_asks_for_a_stream():
    with Server([head(), good()]) as server:
        seen = shape.look(f"{server.root}/v1/chat/completions", "a:1", headers={"Authorization": "Bearer k"})
    assert (seen.status, seen.chunks, seen.output_tokens) == ("ok", 3, 3)
    [request] = server.posts
    assert b'"stream": true' in request.body and b'"include_usage": true' in request.body
    assert request.headers["authorization"] == "Bearer k"
