"""Which replies are shown side by side."""

import pytest

from slmbench.errors import UsageError
from slmbench.records import to_frame
from slmbench.show.together import together
from support.made_rows import request, streamed


def spoken(model, prompt="rag", number=0, gap=0.1, **given):
    """A reply of 5 tokens, one each `gap` seconds after the first: 1 / gap tokens/s."""
    return streamed(model, prompt, number, gaps=[gap] * 4, **given)


def chosen(rows, **given):
    found = together(to_frame(rows), **given)
    return [(row.model, row.prompt_id, row.round, row.order) for row in found.itertuples()]


def names(rows, **given):
    return [one[:3] for one in chosen(rows, **given)]


def test_the_two_that_differ_most_on_one_prompt_in_order_of_appearance():
    rows = [spoken("a", gap=0.1), spoken("b", gap=0.2), spoken("c", gap=0.15)]
    assert names(rows) == [("a", "rag", 0), ("b", "rag", 0)]  # × 2 beside × 1.5 and × 1.33
    rows += [spoken("b", "q", gap=0.1), spoken("c", "q", gap=0.3)]
    assert names(rows) == [("b", "q", 0), ("c", "q", 0)]  # × 3
    assert names(rows, prompt="rag") == [("a", "rag", 0), ("b", "rag", 0)]


def test_one_disturbed_reply_does_not_choose():
    rows = [spoken(m, number=n, gap=gap) for n in range(3) for m, gap in (("a", 0.1), ("b", 0.2), ("c", 0.3))]
    rows[1] = spoken("b", number=0, gap=2.0)  # the median of b stays 5 tokens/s
    assert names(rows) == [("a", "rag", 0), ("c", "rag", 0)]


def test_all_are_of_the_same_round_load_and_number_at_once():
    a = [spoken("a", number=0), spoken("a", number=2), spoken("a", number=1, load_index=1)]
    b = [spoken("b", number=n, load_index=load) for n, load in ((1, 1), (1, 0), (2, 0))]
    assert names([*a, *b]) == [("a", "rag", 2), ("b", "rag", 2)]
    assert names([*a, *b], round=3) == [("a", "rag", 1), ("b", "rag", 1)]  # of the last load, where none is later
    apart = [spoken("a", concurrency=1), spoken("b", concurrency=4)]
    assert names(apart) == [("a", "rag", 0)]
    with pytest.raises(UsageError, match="streamed replies to the same prompt in the same round"):
        chosen(apart, models=["a", "b"])


def test_models_come_as_they_are_named_and_of_retries_the_last():
    rows = [spoken("a", order=0), spoken("b", order=1), spoken("b", order=2, attempt=2), spoken("c", order=3)]
    assert chosen(rows, models=["b", "a"]) == [("b", "rag", 0, 2), ("a", "rag", 0, 0)]
    assert names(rows, models=["c"]) == [("c", "rag", 0)]


def test_speeds_that_nobody_knows_are_no_reason_to_show_nothing():
    assert names([streamed("a", gaps=()), streamed("b", gaps=())]) == [("a", "rag", 0), ("b", "rag", 0)]
    assert names([spoken("a", load_index=None, round=None), spoken("b", load_index=None, round=None)])[0][0] == "a"


@pytest.mark.parametrize(
    "rows",
    [[], [request("a")], [spoken("a", phase="warmup")], [spoken("a", text=None)], [spoken("a", status="timeout")]],
)
def test_without_a_streamed_reply_there_is_none(rows):
    assert chosen(rows) == []


def test_what_is_not_there_is_refused_with_the_nearest():
    rows = [spoken("qwen"), spoken("phi")]
    with pytest.raises(UsageError, match="models='qwem' is not in this run; expected one of qwen, phi") as caught:
        chosen(rows, models=["phi", "qwem"])
    assert caught.value.cure == "models='qwen'"
    with pytest.raises(UsageError, match="prompt='rags'"):
        chosen(rows, prompt="rags")
    with pytest.raises(UsageError, match="models: 5 were found, 1 to 4 were expected"):
        chosen(rows, models=[*"abcde"])
    with pytest.raises(UsageError, match="read without their texts"):
        together(to_frame(rows).drop(columns="text"))
