"""Several numbers of requests at once: each is a measurement of its own."""

from slmbench.records import to_frame
from slmbench.show import levels
from support.made_rows import request, sweep_rows


def test_the_levels_are_those_of_timed_requests():
    rows = [request("a", phase="warmup"), request("a", concurrency=8), request("a", concurrency=2)]
    rows += [request("b", None, None, status="skipped", error="not here")]
    assert levels.levels(to_frame(rows)) == [2, 8]
    assert levels.levels(to_frame(rows[:1])) == [1]
    assert levels.levels(to_frame([])) == [1]


def test_one_level_has_its_rows_and_what_is_said_of_all():
    rows = [request("a", phase="warmup"), *sweep_rows((2, 4), ("a",), number=4)]
    rows += [request("b", None, None, status="skipped", error="not here")]
    part = levels.only(to_frame(rows), 4)
    assert (part["phase"] == "warmup").sum() == 1 and (part["status"] == "skipped").sum() == 1
    assert part.loc[(part["phase"] == "timed") & part["ok"], "concurrency"].tolist() == [4] * 4


def test_a_frame_of_one_level_stays_as_it_is():
    frame = to_frame(sweep_rows((4,)))
    assert levels.labelled(frame) is frame


def test_names_tell_the_levels_apart():
    rows = [request("a", phase="warmup"), *sweep_rows((2, 4), ("a",), number=2)]
    rows += [request("b", None, None, status="skipped", error="not here")]
    named = levels.labelled(to_frame(rows))["model"]
    assert named.tolist() == ["2 × a", *["2 × a"] * 2, *["4 × a"] * 2, "b"]


def test_names_come_by_model_and_level_whatever_was_asked_first():
    warm = [request(m, phase="warmup") for m in "ba"]
    rows = [*warm, *sweep_rows((16, 2), ("a", "b"), number=2)]
    frame = levels.labelled(to_frame(rows))
    assert list(dict.fromkeys(frame["model"])) == ["2 × b", "16 × b", "2 × a", "16 × a"]
    assert sorted(frame["order"]) == list(range(10))  # where they stood in the run
    assert frame.loc[frame["phase"] == "warmup", "order"].tolist() == [0, 1]


def test_a_model_that_replied_after_all_is_not_skipped_under_its_plain_name():
    gone = request("a", None, None, status="skipped", error="it can't be loaded: busy")
    assert "a" not in set(levels.labelled(to_frame([gone, *sweep_rows((1, 2), ("a",))]))["model"])
