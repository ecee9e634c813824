"""The example that counts words, on a text small enough to count by hand."""

import inspect

import pytest

from slmbench import paths
from slmbench.adapters import ngram

TEXT = "a b c\n\na b d\n\na b c\n\nx a b"


@pytest.fixture
def model(tmp_path):
    (tmp_path / "w.txt").write_text(TEXT, encoding="utf-8")
    made = ngram.Ngram()
    made.load(tmp_path / "w.txt")
    return made


def said(model, prompt, **params):
    return "".join(model.generate(prompt, **params))


def test_the_likeliest_word_and_the_end_of_a_paragraph(model):
    assert said(model, "a b", temperature=0) == "c "  # 2 of 4; d and the end once each
    assert said(model, "x", temperature=0) == "a b c "
    assert said(model, "nothing known", temperature=0) == "a b c "  # what came most often anywhere: a, 4 times
    assert said(model, "q a", temperature=0, max_tokens=1) == "b "  # the pair is not known, the last word is


def test_the_last_two_words_count_and_not_only_the_last(tmp_path):
    (tmp_path / "w.txt").write_text("a b c\n\nx b d\n\ny b d", encoding="utf-8")
    made = ngram.Ngram()
    made.load(tmp_path / "w.txt")
    assert (said(made, "a b", temperature=0), said(made, "? b", temperature=0)) == ("c ", "d ")


def test_drawing_follows_the_counts_and_the_seed(model):
    drawn = [said(model, "a b", seed=seed) for seed in range(400)]
    assert drawn == [said(model, "a b", seed=seed) for seed in range(400)]
    share = {text: drawn.count(text) / 400 for text in set(drawn)}
    assert share.keys() == {"c ", "d ", ""}
    assert share["c "] == pytest.approx(0.5, abs=0.1) and share["d "] == pytest.approx(0.25, abs=0.1)
    cold = [said(model, "a b", seed=seed, temperature=0.05) for seed in range(50)]
    assert set(cold) == {"c "}  # 2**20 to 1


def test_pieces_are_tokens_and_the_budget_holds(model):
    pieces = list(model.generate("x", temperature=0, max_tokens=2))
    assert (pieces, model.count_tokens("".join(pieces)), model.count_tokens("")) == (["a ", "b "], 2, 0)


def test_an_empty_text_says_nothing(tmp_path):
    (tmp_path / "w.txt").write_text("", encoding="utf-8")
    made = ngram.Ngram()
    made.load(tmp_path / "w.txt")
    assert said(made, "a") == said(made, "", temperature=0) == ""


def test_the_text_that_ships_gives_sentences_and_the_code_is_short():
    made = ngram.Ngram()
    made.load(paths.data_file("ngram.txt"))
    assert len({said(made, "The model", seed=seed) for seed in range(20)}) > 5
    assert len(inspect.getsource(ngram).splitlines()) < 60
