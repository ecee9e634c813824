"""Which reply a timeline is of."""

import pytest

from slmbench.errors import UsageError
from slmbench.records import to_frame
from slmbench.show import picks
from support.made_rows import request, streamed


def chosen(rows, **given):
    return [(reply.model, reply.prompt, reply.round) for reply in picks.replies(to_frame(rows), **given)]


def test_the_prompt_that_most_models_answered_and_of_equals_the_first_one_asked():
    rows = [streamed("a", "alone"), streamed("b", "late"), streamed("a", "early"), streamed("b", "early")]
    rows.insert(2, streamed("a", "late"))
    assert chosen(rows) == [("a", "late", 0), ("b", "late", 0)]


def test_models_stand_in_their_order_whoever_was_asked_first():
    rows = [request("a", phase="warmup"), request("b", phase="warmup"), streamed("b"), streamed("a")]
    assert chosen(rows) == [("a", "rag", 0), ("b", "rag", 0)]
    assert chosen(rows, model="b") == [("b", "rag", 0)]


def test_a_round_without_a_usable_reply_gives_way_to_the_next_one_else_to_the_last():
    rows = [streamed("a", number=0), streamed("a", number=2), streamed("a", number=1, status="timeout")]
    assert [chosen(rows, round=k)[0][2] for k in (0, 1, 2, 9)] == [0, 2, 2, 2]


def test_replies_without_a_stream_are_no_timelines():
    rows = [request("a", ttft_s=None), request("b", status="timeout"), request("c", phase="warmup")]
    assert chosen(rows) == []


def test_unknown_names_are_refused_with_the_nearest():
    rows = [streamed("qwen"), streamed("phi")]
    with pytest.raises(UsageError, match="model='qwem' is not in this run; expected one of qwen, phi") as caught:
        chosen(rows, model="qwem")
    assert caught.value.cure == "model='qwen'"
    with pytest.raises(UsageError, match="prompt='rags'"):
        chosen(rows, prompt="rags")


def test_gaps_by_hand():
    (reply,) = picks.replies(to_frame([streamed("a", ttft=0.5, gaps=(0.1, 0.2, 0.4, 0.3, 0.3))]))
    assert reply.gaps == pytest.approx([0.1, 0.2, 0.4, 0.3, 0.3])
    assert reply.gap_ends() == {"largest gap": 3, "median gap": 4}  # 0.4 before the fourth chunk; 0.3 before the fifth
    (single,) = picks.replies(to_frame([streamed("a", gaps=())]))
    assert (single.gaps, single.gap_ends()) == ([], {})


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ([], ""),
        ([None], ""),
        ([144.6], "145 tokens/s"),
        ([119.2, 188.1], "119 to 188 tokens/s"),
        ([9.99, 9.99], "9.99 tokens/s"),
    ],
)
def test_speeds_in_words(speeds, expected):
    blank = picks.Reply("a", "p", 0, [0.1], [1], ["answer"], 0.1, 0.1, 1, None)
    assert picks.speed_of([blank._replace(decode_tps=speed) for speed in speeds]) == expected


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.00742, "7.42 ms"), (0.0, "0 ms"), (0.25, "250 ms"), (1.0, "1 s"), (12.34, "12.3 s")]
)
def test_durations_in_words(seconds, said):
    assert picks.duration(seconds) == said
