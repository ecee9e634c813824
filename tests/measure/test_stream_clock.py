"""The times of a reply, on wires made by hand: started at 100 s, the first token at 105 s."""

import pytest
from hypothesis import given, settings, strategies as st

from slmbench.measure import stream
from slmbench.measure.framing import Framing, ProtocolError
from slmbench.measure.wire import Wire
from support.replies import DONE, delta, event, events, good, head, usage

STOP = delta(finish="stop")
S = 1_000_000_000  # ns
QUICK = settings(deadline=None, database=None)  # no times to hold, no files to leave


def wire(*stamped, **more):
    """A wire whose pieces came at these seconds. The request was written at 100 s."""
    return Wire(start_ns=100 * S, connect_ns=S // 2, pieces=[(round(t * S), p) for t, p in stamped], end="done", **more)


def read(*stamped, **more):
    return stream.read(wire(*stamped, **more))


def test_ttft_is_the_first_chunk_with_content():
    reply = read(
        (101, head()),
        (102, b": keep-alive\n\n"),
        (103, event(delta("", role="assistant"))),
        (104, event(delta())),
        (105, event(delta("Hel"))),
        (107, event(delta("lo"))),
        (108, event(delta(""))),
        (109, event(STOP) + event(usage())),
        (110, DONE),
    )
    assert reply.status == "ok"
    assert (reply.connect_s, reply.ttft_s, reply.ttfa_s, reply.latency_s) == (0.5, 5, 5, 7)
    assert (reply.chunk_s, reply.chunk_chars, reply.chunk_channel) == ([5, 7], [3, 2], ["answer", "answer"])
    assert (reply.output_tokens, reply.token_source) == (3, "server")  # usage says so, not the 2 chunks


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_comes_before_the_answer(key):
    reply = read(
        (101, head()),
        (103, event(delta(**{key: "Hm"}))),
        (104, event(delta("", **{key: "."}))),
        (106, event(delta("Yes"))),
        (108, events(STOP, usage()) + DONE),
    )
    assert (reply.status, reply.text, reply.reasoning_text) == ("ok", "Yes", "Hm.")
    assert (reply.ttft_s, reply.ttfa_s, reply.latency_s) == (3, 6, 6)
    assert reply.chunk_channel == ["reasoning", "reasoning", "answer"]


def test_reasoning_alone_has_no_answer_time():
    reply = read((101, head()), (103, event(delta(reasoning_content="Hm"))), (104, events(STOP, usage()) + DONE))
    assert (reply.status, reply.text, reply.reasoning_text) == ("ok", "", "Hm")
    assert (reply.ttft_s, reply.ttfa_s, reply.latency_s) == (3, None, 3)


def test_reasoning_under_two_names_counts_once():
    reply = read((101, head()), (103, event(delta("A", reasoning="Hm", reasoning_content="Hm")) + event(STOP) + DONE))
    assert (reply.reasoning_text, reply.text, reply.output_tokens) == ("Hm", "A", 2)


def test_several_events_of_one_packet_have_its_time():
    reply = read((101, head()), (105, events(delta("a"), delta("b"))), (106, events(delta("c"), STOP) + DONE))
    assert (reply.chunk_s, reply.text) == ([5, 5, 6], "abc")
    assert (reply.output_tokens, reply.token_source, reply.flags) == (3, "chunks", ["usage_missing"])


def test_an_event_has_the_time_of_the_bytes_that_completed_its_line():
    first, second = event(delta("a")), event(delta("b"))
    reply = read(
        (101, head() + first[:9]),
        (102, first[9:-2]),
        (103, first[-2:-1]),
        (104, first[-1:] + second),
        (105, event(STOP) + DONE),
    )
    assert reply.chunk_s == [3, 4]  # the blank line, which came at 104 s, adds nothing


def test_the_partial_text_keeps_its_times():
    reply = stream.read(
        Wire(start_ns=100 * S, pieces=[(101 * S, head()), (105 * S, event(delta("Hel")))], end="reset", error="reset")
    )
    assert (reply.status, reply.text, reply.ttft_s, reply.latency_s) == ("truncated", "Hel", 5, 5)
    assert reply.finish_reason is None


def test_times_are_not_rounded_to_milliseconds():
    reply = stream.read(
        Wire(start_ns=1, pieces=[(1_234_568, head() + event(delta("a"))), (2_000_004, event(STOP) + DONE)], end="done")
    )
    assert reply.ttft_s == 0.001234567


@pytest.mark.parametrize(("drift_s", "flags"), [(0.9, []), (1.1, ["clock_jump"]), (-3600.0, ["clock_jump"])])
def test_a_clock_that_jumped_is_flagged(drift_s, flags):
    reply = read((101, head() + good()), wall_drift_s=drift_s)
    assert (reply.status, reply.flags) == ("ok", flags)


def test_the_text_has_its_hash():
    reply = read((101, head() + good("abc")))
    assert reply.text_sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180, "abc"


TEXTS = ("Hé", "नम", "😀\n", "!")
BODY = head() + b": hi\n\n" + good(*TEXTS)
CRLF = head(Transfer_Encoding="chunked") + b"".join(
    b"%x\r\n%b\r\n" % (len(part), part)
    for part in (BODY[len(head()) :][i : i + 37] for i in range(0, 2000, 37))
    if part
)
CUTS = st.lists(st.integers(1, len(BODY) - 1), max_size=40).map(lambda cuts: sorted({0, *cuts}))


def pieces_of(whole, cuts):
    ends = [*cuts[1:], len(whole)]
    return [(cut, whole[cut:end]) for cut, end in zip(cuts, ends, strict=True)]


@settings(QUICK, max_examples=150)
@given(CUTS, st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_split_gives_the_same_reply(cuts, end):
    """The pieces are stamped with the position of their first byte: a chunk has that of the piece that completed it."""
    whole = head() + BODY[len(head()) :].replace(b"\n", end.encode())
    pieces = [(at, p) for at, p in pieces_of(whole, cuts) if p]
    reply = stream.read(Wire(start_ns=0, pieces=pieces, end="done"))
    assert (reply.status, reply.text, reply.output_tokens) == ("ok", "".join(TEXTS), 3)
    complete = [whole.index(f'"content": {text}'.encode(), 0) for text in ('"Hé"', '"नम"', '"😀\\n"', '"!"')]
    line_ends = [whole.index(end.encode()[:1], at) for at in complete]  # CR alone ends a line as well as CRLF
    starts = [at for at, _ in pieces]
    arrived = [max(start for start in starts if start <= line_end) for line_end in line_ends]
    assert reply.chunk_s == pytest.approx([at / 1e9 for at in arrived], abs=1e-12)


@settings(QUICK, max_examples=60)
@given(CUTS)
def test_any_split_of_a_chunked_body_gives_the_same_reply(cuts):
    pieces = pieces_of(CRLF, cuts)
    reply = stream.read(Wire(start_ns=0, pieces=pieces, end="done"))
    assert (reply.status, reply.text, reply.output_tokens, len(reply.chunk_s)) == ("ok", "".join(TEXTS), 3, 4)


@settings(QUICK, max_examples=200)
@given(st.integers(1, len(BODY)), st.sampled_from(["eof", "reset", "timeout"]))
def test_a_cut_is_never_a_shorter_whole_reply(cut, end):
    reply = stream.read(Wire(start_ns=0, pieces=[(1, BODY[:cut])], end=end, error="broke off"))
    if cut < BODY.index(b"[DONE]") + len(b"[DONE]"):
        broken = "truncated" if cut >= len(head()) else "connection_error"
        assert reply.status == ("timeout" if end == "timeout" else broken)
        assert "".join(TEXTS).startswith(reply.text or "")
    elif cut >= len(BODY) - 1 or end == "eof":  # [DONE] and its line end, or the end of the body
        assert (reply.status, reply.text) == ("ok", "".join(TEXTS))


FRAGMENTS = [
    b"data:",
    b" ",
    b"\n",
    b"\r",
    b"event: error",
    b"{}",
    b"[",
    b'{"choices":',
    b'{"error":1}',
    b"[DONE]",
    b"\xff",
]
FRAGMENTS += [event(delta("a")), event(delta(3)), event({"usage": []}), b"HTTP/1.1 200 OK\r\n", b"\x00", b"0\r\n\r\n"]
NOISE = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=9), max_size=30).map(b"".join)


@settings(QUICK, max_examples=300)
@given(NOISE, st.booleans(), st.booleans(), st.sampled_from(["eof", "reset", "timeout", "done"]))
def test_no_bytes_make_the_reader_fail(noise, headed, streamed, end):
    pieces = [(1, (head() if headed else b"") + noise)]
    reply = stream.read(Wire(start_ns=0, pieces=pieces, end=end, error="the end"), stream=streamed)
    assert reply.status != "ok"  # no finish_reason is among the fragments
    assert reply.error


def test_framing_takes_nothing_after_the_mark():
    framing = Framing()
    framing.feed(1, head() + good())
    framing.feed(2, b"data: more\n\n")
    assert framing.done
    assert [e.at_ns for e in framing.events] == [1] * 6  # role, three texts, the end, usage


def test_a_line_may_be_as_long_as_the_limit(monkeypatch):
    monkeypatch.setattr("slmbench.measure.framing.LINE_BYTES_MAX", 20)
    framing = Framing()
    framing.feed(1, head() + b"data: 12345678901234\n\n")  # 20 bytes
    assert framing.events[0].data == b"12345678901234"
    with pytest.raises(ProtocolError, match="a line of more than 20 bytes"):
        framing.feed(2, b"data: 123456789012345\n\n")


def test_an_open_loop_counts_from_when_the_request_was_due():
    """Due at 100 s, written at 101 s; it was 5,000 s by the wall clock when it was due."""
    late = wire((103, head() + good()), due_ns=100 * S, due_at_s=5000.0, written_ns=101 * S, started_at_s=5001.0)
    reply = stream.read(late)
    assert (reply.ttft_s, reply.intended_at_s, reply.started_at_s) == (3, 5000, 5001)
    assert stream.read(wire((103, head() + good()))).intended_at_s is None


INTERRUPTED = {"end": "interrupted", "error": "stopped from here"}


@pytest.mark.parametrize(
    ("pieces", "status", "text"),
    [
        ([], "interrupted", None),
        ([head()[:20]], "interrupted", None),
        ([head()], "interrupted", None),
        ([head(), event(delta("Hel"))], "interrupted", "Hel"),
        ([head(), good()], "ok", "Hello!"),  # it had ended before it was stopped
        ([head("500 Oops")], "http_500", None),
    ],
)
def test_what_was_stopped_from_here_keeps_what_came(pieces, status, text):
    stopped = Wire(start_ns=0, pieces=[(S * n, p) for n, p in enumerate(pieces, 1)], **INTERRUPTED)
    reply = stream.read(stopped)
    assert (reply.status, reply.text) == (status, text)
    assert (reply.error == "stopped from here") is (status == "interrupted")
