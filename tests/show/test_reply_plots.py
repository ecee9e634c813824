"""The timeline of a reply: a tick a chunk, the first token named, the gaps ringed."""

import pytest

from slmbench.records import to_frame
from slmbench.show import alt, plots, theme
from support.made_rows import streamed


def collections(ax, gid):
    return [c for c in ax.collections if c.get_gid() == gid]


def spots(ax, gid):
    return [tuple(point) for c in collections(ax, gid) for point in c.get_offsets()]


def words(ax):
    return [t.get_text() for t in ax.texts]


def ticks(ax, channel="answer"):
    return [segment.tolist() for c in collections(ax, f"{channel} ticks") for segment in c.get_segments()]


def test_a_tick_for_each_chunk_as_high_as_its_characters():
    ax = plots.token_timeline(to_frame([streamed("a", chunk_chars=[1, 2, 4, 8, 2])]))
    times = [segment[0][0] for segment in ticks(ax)]
    assert times == pytest.approx([0.5, 0.6, 0.7, 1.0, 1.1])
    heights = [start[1] - end[1] for start, end in ticks(ax)]
    assert [height / heights[3] for height in heights] == pytest.approx([0.139, 0.25, 0.5, 1, 0.25], abs=0.001)
    assert [time for time, _ in spots(ax, "answer")] == pytest.approx(times)


def test_the_first_token_is_marked_and_named_and_the_title_has_the_speed():
    ax = plots.token_timeline(to_frame([streamed("a")]))
    (line,) = collections(ax, "ttft")
    assert line.get_segments()[0][:, 0].tolist() == [0.5, 0.5]
    assert words(ax)[0] == "TTFT 500 ms"
    assert ax.get_title("left") == "One reply of a to rag, round 0\n6.67 tokens/s after the first token"  # 4 / 0.6
    assert ax.get_xlabel() == "time since the request (s)"
    assert ax.get_xlim()[0] == 0


def test_the_largest_and_the_median_gap_are_ringed_where_they_end():
    ax = plots.token_timeline(to_frame([streamed("a")]))
    assert [x for x, _ in spots(ax, "largest gap")] == pytest.approx([1.0])
    assert [x for x, _ in spots(ax, "median gap")] == pytest.approx([0.6])
    assert words(ax)[1].strip() == "gaps: median 100 ms, largest 300 ms"
    rings = [collections(ax, gid)[0] for gid in ("largest gap", "median gap")]
    assert len({len(ring.get_paths()[0].vertices) for ring in rings}) == 2  # a circle and a square


def test_reasoning_is_told_from_the_answer_by_colour_and_by_marker():
    channels = ["reasoning"] * 3 + ["answer"] * 2
    ax = plots.token_timeline(to_frame([streamed("a", chunk_channel=channels, ttfa_s=1.0)]))
    assert (len(ticks(ax, "reasoning")), len(ticks(ax, "answer"))) == (3, 2)
    looks = [collections(ax, gid)[0] for gid in ("reasoning", "answer")]
    assert looks[0].get_facecolor().tolist() != looks[1].get_facecolor().tolist()
    assert len({len(look.get_paths()[0].vertices) for look in looks}) == 2
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend[:2] == ["chunk of the answer", "chunk of the reasoning"]
    (first_answer,) = collections(ax, "ttfa")
    assert first_answer.get_segments()[0][0][0] == 1.0
    assert words(ax)[0] == "TTFT 500 ms, first answer (dotted) 1 s"
    assert "5 chunks, 3 of them reasoning" in alt.describe(
        to_frame([streamed("a", chunk_channel=channels)]), "token_timeline"
    )


def test_a_late_first_token_keeps_its_name_inside_the_axes():
    from slmbench.show.theme import renderer

    rows = to_frame([streamed("a", ttft=9.0), streamed("b", ttft=1.0, chunk_channel=["reasoning"] * 5)])
    ax = plots.token_timeline(rows)
    theme.png(ax.figure)
    inside = ax.get_window_extent()
    boxes = [t.get_window_extent(renderer(ax.figure)) for t in ax.texts if t.get_text().startswith("TTFT")]
    assert len(boxes) == 2
    assert all(inside.x0 - 1 <= box.x0 and box.x1 <= inside.x1 + 1 for box in boxes)


def test_models_are_stacked_on_one_clock():
    rows = [streamed("a"), streamed("b", ttft=1.0, gaps=(0.2,) * 4)]
    ax = plots.token_timeline(to_frame(rows))
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["a\n(5 tokens, 5 chunks,\n6.67 tokens/s)", "b\n(5 tokens, 5 chunks,\n5 tokens/s)"]
    assert ax.get_title("left").endswith("5 to 6.67 tokens/s after the first token")
    assert sorted({round(y) for _, y in spots(ax, "answer")}) == [0, 1]
    assert ax.get_xlim()[1] == pytest.approx(1.8 * 1.05)


def test_of_many_models_the_first_are_shown_and_it_says_so():
    rows = [streamed(f"m{k}") for k in range(10)]
    with theme.use(scale="projector"):
        ax = plots.token_timeline(to_frame(rows))
    assert len(ax.get_yticklabels()) == 3
    assert ax.figure.get_supxlabel().replace("\n", " ").endswith("First 3 of 10 models.")


def test_one_chunk_has_no_gap():
    ax = plots.token_timeline(to_frame([streamed("a", gaps=())]))
    assert words(ax) == ["TTFT 500 ms"]
    assert not collections(ax, "largest gap")
    assert "gap" not in alt.describe(to_frame([streamed("a", gaps=())]), "token_timeline")


def test_words_by_hand():
    assert alt.describe(to_frame([streamed("a")]), "token_timeline", model="a") == (
        "One reply of each model to the same prompt, a tick for each chunk as it arrived. Prompt: rag, round 0. "
        "a: first token after 500 ms, 5 chunks, median gap 100 ms, largest 300 ms, 6.67 tokens/s."
    )
