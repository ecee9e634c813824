"""A run stopped early, and the game with hidden names: rows by hand, draws that can be counted."""

import math

import numpy as np
import pytest
from made_requests import at, row

from slmbench.analyse import compare, outliers, stats, teach
from slmbench.errors import UsageError
from slmbench.records import to_frame


def run_of(*latencies):
    """One model's rounds, in running order."""
    return [row("m", "p", s, i, order=i, started_at=at(10 * i)) for i, s in enumerate(latencies)]


def three_models(rounds=4):
    """near and next are 4 % apart, far is twice as slow; p has all rounds, q one less, and a warm-up stands first."""
    rows = [row(model, "p", 9.0, phase="warmup", order=-1) for model in ("far", "near", "next")]
    for number in range(rounds):
        for prompt in ("q", "p")[number == rounds - 1 :]:
            scale = 1 + number / 10 + (prompt == "q")
            for model, latency in (("far", 2.0), ("near", 1.0), ("next", 1.04)):
                cell = f"{model}/{prompt}/{number}"
                rows.append(row(model, prompt, latency * scale, number, order=len(rows), cell=cell))
    return to_frame(rows)


def test_a_run_stopped_early_has_the_first_requests_in_running_order():
    shuffled = run_of(5.0, 1.0, 4.0, 2.0, 3.0)[::-1]
    early = teach.stopped_early(to_frame(shuffled), "m", sizes=(1, 3))
    assert list(dict.fromkeys(early.model)) == ["first 1", "first 3", "all 5"]
    assert early[early.model == "first 3"].latency_s.tolist() == [5.0, 1.0, 4.0]
    assert stats.summarise(early).latency_s_p50.tolist() == [5.0, 4.0, 3.0]


def test_sizes_that_the_run_has_not_are_left_out():
    early = teach.stopped_early(to_frame(run_of(*range(1, 7))), "m")
    assert list(dict.fromkeys(early.model)) == ["first 3", "all 6"]


def test_only_usable_rows_of_the_model_count():
    rows = [*run_of(1.0, 2.0), row("other"), row("m", number=9, order=9, status="timeout")]
    early = teach.stopped_early(to_frame(rows), "m")
    assert early.latency_s.tolist() == [1.0, 2.0]
    assert set(early.model) == {"all 2"}


def test_a_warmed_model_is_not_cold_when_stopped_early():
    warm = row("m", "p", 3.0, phase="warmup", order=-1, started_at=at(-10))
    noise = [1 + i % 5 / 1000 for i in range(11)]
    frame = to_frame([warm, *run_of(3.0, *noise)])
    early = teach.stopped_early(frame, "m", sizes=())
    causes = outliers.causes(early)
    assert set(causes[outliers.outliers(early)]) == {"unknown"}
    assert stats.summarise(early).n_ok.tolist() == [12]


def test_the_two_nearest_are_played_on_the_prompt_with_most_rounds():
    game = teach.play(three_models(), seed=0)
    assert set(game.names.values()) == {"near", "next"}
    assert game.prompt == "p"
    assert (game.rows.phase == "timed").sum() == 2 * 4
    assert game.rows.model.tolist() == ["A"] * 5 + ["B"] * 5  # each with its warm-up


def test_the_same_three_rounds_of_both_are_drawn():
    game = teach.play(three_models(), seed=0)
    rounds = game.drawn.groupby("model")["round"].apply(set)
    assert rounds["A"] == rounds["B"]
    assert len(rounds["A"]) == 3
    assert set(game.drawn.phase) == {"timed"}


def test_the_drawn_rows_hold_the_numbers_of_the_hidden_models():
    frame = three_models()
    for seed in range(6):
        game = teach.play(frame, seed)
        for drawn in game.drawn.itertuples():
            same = frame[(frame.model == game.names[drawn.model]) & (frame["round"] == drawn.round)]
            assert drawn.latency_s in set(same[(same.prompt_id == "p") & (same.phase == "timed")].latency_s)


def test_a_seed_repeats_the_game_and_others_change_it():
    games = [teach.play(three_models(8), seed) for seed in (1, 1, *range(20))]
    assert games[0].names == games[1].names
    assert games[0].drawn.cell.tolist() == games[1].drawn.cell.tolist()
    assert {game.names["A"] for game in games} == {"near", "next"}
    assert len({tuple(game.drawn.cell) for game in games}) > 10


def test_three_pairs_give_no_verdict_and_all_of_them_do():
    game = teach.play(three_models(12), seed=3)
    assert compare.models(game.drawn).verdict.tolist() == ["can't tell"]
    assert compare.models(game.rows).verdict.tolist() == ["tie"]  # 4 %, without noise


def test_the_column_decides_which_two_are_near():
    frame = three_models()
    frame.loc[frame.model == "next", "ttft_s"] *= 1.9  # 0.988 of what far takes
    assert set(teach.play(frame, column="ttft_s").names.values()) == {"next", "far"}


@pytest.mark.parametrize("rows", [run_of(1.0, 2.0, 3.0), [row(m, number=i) for m in "ab" for i in range(2)], []])
def test_a_run_without_two_models_and_three_rounds_is_refused(rows):
    with pytest.raises(UsageError, match="two models with 3 rounds"):
        teach.play(to_frame(rows))


def test_rounds_that_only_one_has_replied_to_do_not_count():
    rows = [row("a", number=i) for i in range(3)] + [row("b", number=i) for i in (1, 2, 3)]
    with pytest.raises(UsageError, match="no such two"):
        teach.play(to_frame(rows))


@pytest.mark.parametrize("seed", [-1, "many", 1.5])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(UsageError, match="seed"):
        teach.play(three_models(), seed)


def two_sides(*pairs):
    return to_frame([row(side, "p", s, i) for i, both in enumerate(pairs) for side, s in zip("AB", both, strict=True)])


def test_redraw_gives_ratios_of_means():
    rows = two_sides((1.0, 2.0), (3.0, 2.0), (2.0, 1.0))
    redrawn = teach.redraw(rows, sizes=(1, 2, 3, 4), draws=200)
    assert redrawn.shape == (200, 3)  # 4 rounds there are none
    assert set(redrawn[1].round(9)) == {2.0, round(2 / 3, 9), 0.5}
    assert set(redrawn[2].round(9)) == {1.0, 0.6}  # 4 / 4, 3 / 3, 3 / 5
    assert redrawn[3].to_numpy() == pytest.approx(5 / 6)
    assert teach.whole(rows) == pytest.approx(5 / 6)


def test_redraw_takes_every_round_equally_often():
    rows = two_sides((1.0, 2.0), (1.0, 3.0), (1.0, 4.0), (1.0, 5.0))
    redrawn = teach.redraw(rows, sizes=(1, 2), draws=4000, seed=5)
    shares = redrawn[1].value_counts(normalize=True)
    assert shares.to_numpy() == pytest.approx(0.25, abs=0.03)  # four standard errors
    assert redrawn[2].mean() == pytest.approx(3.5, abs=0.06)
    assert redrawn[2].max() == 4.5  # 4 and 5: no round twice


def test_redraw_is_repeated_by_its_seed():
    rows = two_sides(*[(1.0, 1 + i / 10) for i in range(9)])
    assert teach.redraw(rows, seed=1).equals(teach.redraw(rows, seed=1))
    assert not teach.redraw(rows, seed=1).equals(teach.redraw(rows, seed=2))


def test_warm_ups_are_in_no_ratio():
    rows = two_sides((1.0, 2.0), (1.0, 2.0))
    rows.loc[2:, "phase"] = "warmup"
    assert teach.redraw(rows, sizes=(1, 2)).columns.tolist() == [1]


def test_sentences_fit_the_page_and_keep_names_whole():
    frame = three_models(12)
    frame["model"] = frame["model"] + "-with-a-long-name"
    lines = teach.sentences(frame, "ttft_s", width=60).splitlines()
    assert sum(not line.startswith("    ") for line in lines) == 3  # pairs
    assert max(map(len, lines)) <= 60
    assert not any(line.endswith("95") for line in lines)
    assert sum(line.count("near-with-a-long-name") for line in lines) == 2
    assert lines[0].startswith("near-with-a-long-name is faster than")


@pytest.mark.parametrize(("guess", "side"), [("A", "A"), ("b", "B"), (" a ", "A")])
def test_guesses(guess, side):
    assert teach.side(guess) == side


@pytest.mark.parametrize("guess", ["", "C", "AB", 1, None])
def test_a_guess_that_is_neither_is_refused(guess):
    with pytest.raises(UsageError, match="A or B was expected"):
        teach.side(guess)


@pytest.mark.parametrize(
    ("verdict", "a", "b"),
    [("faster", "wrong", "right"), ("slower", "right", "wrong"), ("tie", "a tie", "a tie"), ("can't tell", "it", "it")],
)
def test_scores(verdict, a, b):
    line = {"base": "A", "other": "B", "verdict": verdict}
    assert teach.score("A", line).startswith(f"You said A: {a}")
    assert teach.score("B", line).startswith(f"You said B: {b}")


def test_a_p95_of_three_is_a_point_near_the_largest():
    """What the notebook says of numpy's percentile, and of the floors."""
    low, middle, high = 1.0, 2.0, 4.0
    assert np.percentile([low, middle, high], 95) == pytest.approx(middle + 0.9 * (high - middle))
    assert 0.95**3 > 6 / 7
    assert 0.95**58 > 0.05 > 0.95**59
    bounds = {n: stats.describe(np.arange(n) + 1.0, tail=True) for n in (58, 59, 71, 72)}
    assert [math.isnan(bounds[n]["p95_upper"]) for n in bounds] == [True, False, False, False]
    assert [math.isnan(bounds[n]["p95_high"]) for n in bounds] == [True, True, True, False]
