"""When a reply is over: the cheap signs never say so before the strict reader would."""

import itertools

import pytest
from hypothesis import given, settings, strategies as st

from slmbench.measure import limits, stream
from slmbench.measure.ending import Ending, is_plain_stream, says_done
from slmbench.measure.framing import Framing, ProtocolError
from slmbench.measure.wire import Wire
from support.replies import DONE, chunked, delta, event, good, head, message, plain

QUICK = settings(deadline=None, database=None)
CHUNKED = head(Transfer_Encoding="chunked")
EVENTS = [e + b"\n\n" for e in good().split(b"\n\n")[:-1]]

SAID = {  # what came last, and whether it says so: in a body as it is, in HTTP's chunked coding
    "after an event": (b"}\n\ndata: [DONE]\n", True, True),
    "with CRLF": (b"}\r\n\r\ndata: [DONE]\r\n\r\n", True, False),  # the latter may be where a chunk should begin
    "as the first event": (b"stream\r\n\r\ndata: [DONE]\n\n", True, False),
    "in a chunk of its own": (b"}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n", False, True),
    "in a chunk with others": (b"}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n", True, True),
    "in a chunk whose size has zeros": (b"}\n\n\r\n000E\r\ndata: [DONE]\n\n\r\n", False, True),
    "without a line end": (b"}\n\ndata: [DONE]", False, False),
    "without a line end, in a chunk": (b"}\n\n\r\nc\r\ndata: [DONE]\r\n", False, False),
    "as the second line of an event": (b"data: x\ndata: [DONE]\n\n", False, False),
    "inside a line": (b'\n\ndata: {"content": "data: [DONE]\\n"}\n\n', False, False),
    "after something that is no size": (b"}\n\n\r\nid\r\ndata: [DONE]\n\n", False, False),
    "with more in its line": (b"}\n\ndata: [DONE] not yet\n\n", False, False),
    "with nothing before it": (b"data: [DONE]\n\n", False, False),  # that can't be told from these bytes
}


@pytest.mark.parametrize(("recent", "plainly", "chunked"), SAID.values(), ids=SAID)
def test_done_is_seen_where_it_stands_by_itself(recent, plainly, chunked):
    assert says_done(recent, False) is plainly
    assert says_done(recent, True) is chunked


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (head(), True),
        (CHUNKED, True),
        (head()[:-1], False),
        (head("500 Oops"), False),
        (head(Content_Length="9"), False),
        (head(kind="application/json"), False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
    ],
)
def test_a_plain_stream_is_known_by_its_head(reply, expected):
    assert is_plain_stream(reply.lower() + b"data: ") is expected


def fed(*pieces):
    found = Ending()
    return found, [found.add(piece) for piece in pieces]


def test_a_well_formed_stream_ends_without_a_look():
    for pieces in ([head(), *EVENTS], [CHUNKED, *(chunked(e, last=False) for e in EVENTS)]):
        ending, calls = fed(*pieces)
        assert calls == [False] * (len(pieces) - 1) + [True]
        assert ending.over and not ending.doubtful


DOUBTS = {
    "a body of known length": ([plain(message("Hello!"))], True),
    "an error in the stream": ([head(), event({"error": {"message": "no"}})], True),
    "an error that came in two pieces": ([head(), b'data: {"err', b'or": 1}\n\n'], True),
    "the last chunk": ([CHUNKED, chunked(event(delta("a")))], True),
    "[DONE] with CR": ([head(), b"data: [DONE]\r\r"], True),
    "a word of error": ([head(), event(delta("an error: none"))], None),
    "a quoted error in the words": ([head(), event(delta("x") | {"note": "event: error"})], False),
    "content": ([head(), event(delta("Hello"))], None),
    "half a head": ([head()[:30]], None),
}


@pytest.mark.parametrize(("pieces", "ended"), DOUBTS.values(), ids=DOUBTS)
def test_a_look_is_taken_where_there_is_doubt(pieces, ended):
    """ended: what the look finds; None where none is asked for."""
    ending, calls = fed(*pieces)
    assert not ending.over
    assert calls[-1] is ending.doubtful is (ended is not None)
    assert ending.look() is bool(ended)
    assert not ending.unseen


def test_a_look_that_finds_a_fault_ends_the_reply():
    ending, _ = fed(CHUNKED, b"zz\r\nabc")
    assert not ending.doubtful and ending.unseen  # only a silence has somebody look
    assert ending.look()


def test_long_lines_and_replies_are_noticed(monkeypatch):
    monkeypatch.setattr("slmbench.measure.ending.LINE_BYTES_MAX", 1000)
    ending, calls = fed(head(), b"x" * 900, b"x" * 200)
    assert calls == [False, False, True] and ending.doubtful
    monkeypatch.setattr("slmbench.measure.ending.REPLY_BYTES_MAX", 2000)
    monkeypatch.setattr("slmbench.measure.ending.HEADER_BYTES_MAX", 0)
    assert ending.add(b"x" * 1000) and ending.too_large
    assert limits.REPLY_BYTES_MAX == 8 * 2**20


WHOLE = {
    "close-delimited": head() + good(),
    "CRLF": head() + good().replace(b"\n", b"\r\n"),
    "CR": head() + good().replace(b"\n", b"\r"),
    "chunked": CHUNKED + chunked(*EVENTS),
    "one chunk": CHUNKED + chunked(good()),
    "[DONE] in an event": head() + b"data: x\ndata: [DONE]\n\n" + good(),
    "no line end": CHUNKED + chunked(good(done=b"data: [DONE]")),
}


@settings(QUICK, max_examples=200)
@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(1, 1000), max_size=30))
def test_any_split_ends_when_the_strict_reader_says_so(name, cuts):
    whole = WHOLE[name]
    marks = sorted({0, len(whole), *(c for c in cuts if c < len(whole))})
    ending, framing = Ending(), Framing()
    for start, stop in itertools.pairwise(marks):
        ending.add(whole[start:stop])
        framing.feed(0, whole[start:stop])
        assert framing.done or not ending.over
    assert ending.over or ending.doubtful  # at the end, there is a sign of it
    assert ending.over or ending.look()


@settings(QUICK, max_examples=200)
@given(
    st.lists(st.sampled_from([b"data: [DONE]", b"\n", b"\r\n", b"e\r\n", b"data: ", b"x", b'"error"', b"0\r\n\r\n"]))
)
def test_nonsense_is_over_only_where_the_strict_reader_has_had_enough(parts):
    for begin in (head(), CHUNKED):
        ending, framing, broken = Ending(), Framing(), False
        for part in (begin, *parts):
            ending.add(part)
            try:
                framing.feed(0, part)
            except ProtocolError:
                broken = True
            if ending.over or broken:
                break
        if ending.over and not framing.done:  # in broken chunks, where no end can be right
            assert begin is CHUNKED
            wire = Wire(pieces=[(1, b"".join(ending.pieces))], end="done")
            assert stream.read(wire).status in ("truncated", "protocol_error")


def test_done_after_more_than_the_tail_is_seen():
    long = event(delta("x" * 5000))
    ending, _ = fed(head(), long[:100], long[100:], DONE[:5], DONE[5:])
    assert ending.over
