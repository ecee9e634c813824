"""A choice in words, tables and pictures."""

import pytest

from slmbench.analyse.choose import choose, score_at
from slmbench.show import choice as telling, choice_plots, theme
from support.made_candidates import candidates

QUICK = {"latency": 1.0, "tps": 40.0, "memory": 400.0, "disk": 200.0, "quality": [2, 2, 2.5, 2, 1.5, 2.5, 1.5, 2.5]}
GOOD = {"latency": 2.0, "tps": 20.0, "memory": 800.0, "disk": 400.0, "quality": [4, 4, 5, 4, 3, 5, 4, 4]}
WEIGHTS = {"latency": 1, "quality": 4, "memory": 1}


@pytest.fixture
def models():
    return candidates({"quick": QUICK, "good": GOOD})


def test_a_sure_choice_says_what_would_change_it(models):
    said = telling.sentences(choose(models, WEIGHTS, {}))
    assert said[0].startswith(
        "Choose good: 0.79, where 1.00 is the best of these models in everything, the first of 2 by "
    )
    assert said[0].endswith("Its replies have a mean score of 4.12 of 5.")
    assert said[1].startswith("It is ahead of quick: score × ")
    assert (
        "All weights may move by up to 33 % at once" in said[2]
        and "would make quick the first, the others in proportion: latency" in said[3]
        and "quality 50 % (now 67 %)" in said[3]
    )


def test_a_choice_on_a_knifes_edge_says_so(models):
    said = " ".join(telling.sentences(choose(models, WEIGHTS | {"quality": 2.2}, {})))
    assert "It depends on the weights: moved by 5 % at once, they make quick the first." in said


def test_without_scores_it_says_what_it_does_not_know():
    bare = candidates({"quick": {**QUICK, "quality": None}, "good": {**GOOD, "quality": None}})
    assert "Nobody has scored the replies" in telling.sentences(choose(bare, WEIGHTS, {}))[1]


def test_limits_are_told(models):
    said = " ".join(telling.sentences(choose(models, WEIGHTS, {"memory_mb": 500, "ttft_s": 0.2})))
    assert "Choose quick: the only one of 2 models" in said
    assert "good would win without the limit on memory, MB." in said
    assert (
        "time to first token, s (asked: 0.200) can't be told (0.200 [0.100, 0.300]): the interval contains the limit."
        in said
    )
    assert "Not to be chosen: good (limit memory_mb)." in said


def test_the_table_has_the_winner_first(models):
    table = telling.table(choose(models, WEIGHTS, {}), models)
    assert list(table["Model"]) == ["good", "quick"] and list(table["Place"]) == ["1", "2"]
    assert table["Score (1.00 at best)"][0] == "0.79"


def test_the_lines_of_the_sweep_cross_where_the_sentence_says(models):
    choice = choose(models, WEIGHTS, {})
    at = choice.turns.set_index("dimension").loc["quality", "becomes"]
    lines = choice.table.set_index("model").to_dict("index")
    scores = {m: score_at(lines[m], choice.weights, "quality", at) for m in ("good", "quick")}
    assert scores["good"] == pytest.approx(scores["quick"])
    now = score_at(lines["good"], choice.weights, "quality", choice.weights["quality"])
    assert now == pytest.approx(lines["good"]["score"])


@pytest.mark.parametrize("scale", theme.SCALES)
@pytest.mark.parametrize("names", [("quick", "good"), ("a" * 60, "$x^2$ <b>")])
def test_pictures_show_what_they_say_and_fit(scale, names):
    models = candidates(dict(zip(names, (QUICK, GOOD), strict=True)))
    choice = choose(models, WEIGHTS, {})
    with theme.use("dark", scale):
        for ax in choice_plots.drawn(choice).values():
            theme.png(ax.figure)
            width, height = ax.figure.get_size_inches() * ax.figure.dpi
            renderer = theme.renderer(ax.figure)
            for text in [ax.title, ax.xaxis.label, *ax.get_legend().get_texts()]:
                box = text.get_window_extent(renderer)
                assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, text.get_text()
                assert scale == "normal" or text.get_fontsize() >= 18
        marks = [c.get_offsets()[:, 0] for c in choice_plots.profile(choice).collections if len(c.get_offsets()) == 3]
    assert [list(m) for m in marks] == [pytest.approx([1, 0.5, 1]), pytest.approx([0.5, 1, 0.5])]
    words = choice_plots.words(choice)
    assert set(words) == set(choice_plots.CHARTS) and "takes over at 50 %" in words["choice_sweep"]


def test_no_choice_has_no_picture(models):
    choice = choose(models, WEIGHTS, {"memory_mb": 1})
    assert choice_plots.drawn(choice) == {} == choice_plots.words(choice)
