"""Who leads, by hand: as far as pairs, scores and measurements go, and no further."""

import math

from slmbench.quality.scores import Score
from slmbench.records import to_frame
from slmbench.show import highlights
from support.made_rows import request, sweep_rows


def rows(factors, rounds=8, prompts=("p", "q"), spread=0.01):
    """Models with a factor each on every latency; all speeds follow."""
    return [
        request(model, prompt, number, factor * (1 + i) * (1 + spread * ((5 * number + 3 * i) % 4)))
        for number in range(rounds)
        for i, prompt in enumerate(prompts)
        for model, factor in factors.items()
    ]


def of(found, title):
    [one] = [one for one in found if one.title == title]
    return one.verdict, one.models, one.sentence


def told(factors=None, resources=(), scores=(), **given):
    return highlights.highlights(to_frame(rows(factors or {"a": 1.0, "b": 2.0}, **given)), resources, scores, {})


def footprint(model, **given):
    return {"kind": "footprint", "model": model, **given}


def test_who_is_faster_than_every_other_leads():
    found = told({"slow": 2.0, "fast": 1.0, "middle": 1.5})
    assert [one.title for one in found] == ["Fastest reply", "Earliest first token", "Fastest writing"]
    assert {(one.verdict, *one.models) for one in found} == {("leads", "fast")}
    assert of(found, "Fastest reply")[2] == "fast (1.52 s [1.01, 2.04], n = 16); ahead of every other."


def test_a_tie_names_all_who_tie():
    verdict, models, sentence = of(told({"a": 1.0, "b": 1.01, "c": 2.0}), "Fastest reply")
    assert (verdict, models) == ("tie", ["a", "b"])
    assert sentence.startswith("a tie, within 5 %, of a (1.52 s") and sentence.endswith(" and b.")


def test_too_few_pairs_tell_nothing():
    verdict, models, sentence = of(told({"a": 1.0, "b": 3.0}, rounds=2), "Fastest reply")
    assert (verdict, models) == ("can't tell", ["a", "b"])
    assert (
        sentence.startswith("can't tell. Lowest median: a (")
        and "not told apart from it: b (4 pairs, needs 6)" in sentence
    )


def test_what_is_within_noise_is_not_told_apart():
    noisy = [request("a", number=i) for i in range(8)] + [
        request("b", number=i, latency=0.9 + i / 20) for i in range(8)
    ]
    [latency, *_] = highlights.highlights(to_frame(noisy), [], [], {})
    assert (latency.verdict, latency.models) == ("can't tell", ["a", "b"])
    assert "b (8 pairs)" in latency.sentence


def test_one_model_has_nobody_to_lead():
    assert told({"a": 1.0}, resources=[footprint("a", rss_loaded_mb=1.0, disk_mb=1.0)]) == []
    assert highlights.section([]) == [] and highlights.highlights(to_frame([]), [], [], {}) == []


def test_each_number_of_requests_at_once_has_its_fastest():
    found = highlights.highlights(to_frame(sweep_rows()), [], [], {})
    assert [one.title for one in found][:4] == [
        *(f"Fastest reply with {level}" for level in ("one request at a time", "2 requests at once")),
        *("Fastest reply with 4 requests at once", "Earliest first token with one request at a time"),
    ]
    assert {tuple(one.models) for one in found} == {("a",)}


def test_memory_within_5_percent_is_a_tie_and_says_how_often_it_was_measured():
    lead = told(resources=[footprint("a", rss_loaded_mb=300.0), footprint("b", rss_loaded_mb=200.0)])
    assert of(lead, "Least memory when loaded") == (
        *("leads", ["b"]),
        "b 200 MB; next is a 300 MB, 50 % more (one measurement each, so no interval).",
    )
    tie = told(resources=[footprint("a", rss_loaded_mb=104.0), footprint("b", rss_loaded_mb=100.0)])
    assert of(tie, "Least memory when loaded")[:2] == ("tie", ["b", "a"])
    alone = told(resources=[footprint("a", rss_loaded_mb=104.0)])
    assert not [one for one in alone if one.title.startswith("Least")]


def test_memory_whose_measurements_overlap_is_not_told_apart():
    measured = {"a": (100.0, 120.0, 140.0), "b": (130.0, 150.0, 170.0)}
    resources = [footprint(m, rss_loaded_mb=mb) for m, values in measured.items() for mb in values]
    verdict, models, sentence = of(told(resources=resources), "Least memory when loaded")
    assert (verdict, models) == ("can't tell", ["a", "b"])
    assert sentence == "can't tell a 120 MB from b 150 MB (3 measurements or more each)."


def test_disk_is_a_tie_only_where_it_shows_the_same():
    two = told(resources=[footprint("a", disk_mb=100.4), footprint("b", disk_mb=100.2)])
    assert of(two, "Smallest on disk") == ("tie", ["b", "a"], "a tie of b 100 MB, a 100 MB.")
    other = told(resources=[footprint("a", disk_mb=102.0), footprint("b", disk_mb=100.0)])
    assert of(other, "Smallest on disk") == ("leads", ["b"], "b 100 MB; next is a 102 MB, 2 % more.")


def scored(model, values, kind="human"):
    return [
        Score(f"{kind}{model}{i}", "score", kind, "ana", f"{model}{i}", f"p{i}", [model], score=value)
        for i, value in enumerate(values)
    ]


def test_quality_leads_where_scores_tell_it_apart():
    good, bad = [5, 4, 5, 4, 5, 4, 5], [2, 1, 1, 2, 1, 2, 3]
    found = told(scores=scored("b", good) + scored("a", bad))
    verdict, models, sentence = of(found, "Best quality")
    assert (verdict, models) == ("leads", ["b"])
    assert sentence.startswith("b (4.57 [") and "judged by human: ana, 7 prompts); ahead of every other." in sentence


def test_quality_is_not_told_apart_by_few_prompts_or_by_scores_alike():
    few = told(scores=scored("a", [5, 5, 5]) + scored("b", [1, 1, 2]))
    assert of(few, "Best quality")[:2] == ("can't tell", ["a", "b"])
    alike = told(scores=scored("a", [3, 4, 2, 3, 4, 2]) + scored("b", [4, 2, 3, 4, 2, 4]))
    assert of(alike, "Best quality")[:2] == ("can't tell", ["b", "a"])
    assert math.isclose(sum([4, 2, 3, 4, 2, 4]) / 6, 3.17, abs_tol=0.01) and "b (3.17 [" in of(alike, "Best quality")[2]


def test_humans_count_before_a_judge_model():
    judge = scored("a", [1, 2, 1, 2, 1, 2], "model") + scored("b", [5, 4, 5, 4, 5, 4], "model")
    people = scored("a", [5, 4, 5, 4, 5, 4]) + scored("b", [1, 2, 1, 2, 1, 1])
    assert of(told(scores=judge), "Best quality")[:2] == ("leads", ["b"])
    assert of(told(scores=[*judge, *people]), "Best quality")[:2] == ("leads", ["a"])


def test_names_are_escaped_in_the_report():
    one = highlights.Highlight("T", "leads", ["<b>"], "<b>*x* (1 [0, 2]); ahead.")
    assert highlights.section([one])[0] == "- **T:** &lt;b&gt;\\*x\\* (1 \\[0, 2\\]); ahead."
