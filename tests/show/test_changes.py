"""What changed between two runs, by hand: verdicts, failures, memory, quality, and what else differs."""

from pathlib import Path

import pytest
from made_report import section

from slmbench.analyse import stats
from slmbench.quality.scores import Score
from slmbench.records import to_frame
from slmbench.show import changes, web
from slmbench.store import Run
from support import gfm, hostile
from support.made_hostile import CORPUS, rows_of, scores_of
from support.made_rows import request
from support.pages import Page

NOTHING = {"warnings": [], "differences": [], "machines": []}


def rows(factor=1.0, models=("a",), failed=0, rounds=8):
    found = [
        request(model, prompt, n, factor * (1 + i) * (1 + 0.01 * ((5 * n + 3 * i) % 4)))
        for n in range(rounds)
        for i, prompt in enumerate(("p", "q"))
        for model in models
    ]
    return found + [request("a", "p", rounds + n, status="timeout", error="late") for n in range(failed)]


def side(letter, found, scores=(), resources=(), machine=None, **plan):
    run = Run(
        Path(f"run_{letter}"), {"command": f"slmbench run --{letter}", **plan}, machine or {}, found, [*resources]
    )
    return changes.Side(letter, run, to_frame(found), scores)


def told(one, other, metric="latency_s", **found):
    return changes.markdown(one, other, metric, NOTHING | found)


def cells(page, title, model="a"):
    lines = [line for line in section(page, title).splitlines() if line.startswith(f"| {model} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_verdict_comes_first_with_ratio_interval_and_pairs():
    page = told(side("A", rows(models=("a", "b"))), side("B", rows(0.5) + rows(models=("b",))))
    assert page.splitlines()[2] == "**Latency, from A to B. Faster: a; tie: b.**"
    assert "- a: **faster**. Latency × 0.50 \\[0.50, 0.50\\] (95 % interval, 16 pairs, within these two runs)." in page
    assert "- b: **tie**. Latency × 1.00 \\[1.00, 1.00\\]" in page


def test_slower_in_latency_is_slower_in_speed():
    page = told(side("A", rows()), side("B", rows(2.0)), "decode_tps")
    assert page.splitlines()[2] == "**Decode speed, from A to B. Slower: a.**"
    speed = cells(page, "## Speed")
    assert [(line[1], line[4], line[7]) for line in speed] == [
        ("decode speed (tokens/s)", "0.50 \\[0.50, 0.50\\]", "slower"),
        ("latency (s)", "2.00 \\[2.00, 2.00\\]", "slower"),
        ("time to first token (s)", "2.00 \\[2.00, 2.00\\]", "slower"),
    ]
    assert speed[1][2:4] == ["1.52 \\[1.01, 2.04\\], n = 16", "3.03 \\[2.02, 4.08\\], n = 16"]


def test_few_pairs_decide_nothing():
    page = told(side("A", rows(rounds=2)), side("B", rows(3.0, rounds=2)))
    assert "**Latency, from A to B. Can't tell: a.**" in page
    assert "Latency × 3.00 seen in 4 pairs; a verdict needs 6." in page


def test_failures_are_told_from_chance():
    page = told(side("A", rows()), side("B", rows(failed=16)))
    # 0 of 16 and 16 of 32: Fisher p = C(32, 16) / C(48, 16) + … = 0.00035; Clopper-Pearson of 0 of 16: up to 21 %
    assert cells(page, "## Failures") == [
        ["a", "0 of 16 \\[0, 21 %\\]", "16 of 32 \\[32, 68 %\\]", "&lt; 0.001", "more"]
    ]
    one = told(side("A", rows()), side("B", rows(failed=1)))
    assert cells(one, "## Failures")[0][-1] == "can't tell"
    assert "None, in 32 timed requests." in told(side("A", rows()), side("B", rows()))


def test_the_p_of_two_shares_of_failures():
    assert stats.failure_change(3, 3, 0, 3) == pytest.approx(0.1)  # 2 / C(6, 3)
    assert stats.failure_change(0, 9, 0, 5) == stats.failure_change(0, 0, 1, 5) == 1.0


def test_memory_and_disk_before_and_after():
    before = [{"model": "a", "kind": "footprint", "rss_loaded_mb": 200.0, "disk_mb": 100.0}]
    after = [{"model": "a", "kind": "footprint", "rss_loaded_mb": 150.0, "disk_mb": 101.0}]
    page = told(side("A", rows(), resources=before), side("B", rows(), resources=after))
    assert cells(page, "## Memory and disk") == [
        ["a", "memory when loaded", "200", "150", "-25.0", "less"],
        ["a", "disk", "100", "101", "+1.0", "more"],
    ]
    assert "## Memory" not in told(side("A", rows(), resources=before), side("B", rows()))


def scored(values, annotator="ana"):
    return [
        Score(f"{annotator}{i}", "score", "human", annotator, f"i{i}", f"p{i}", ["a"], score=v)
        for i, v in enumerate(values)
    ]


def test_quality_is_compared_on_the_prompts_of_one_rater():
    low, high = scored([1, 2, 1, 2, 1, 2, 1]), scored([4, 4, 4, 5, 4, 5, 4])
    page = told(side("A", rows(), low), side("B", rows(), high))
    [line] = cells(page, "## Quality")
    assert line[1].startswith("1.43 ") and line[2].startswith("4.29 ")
    assert line[3].startswith("+2.86 ") and line[4:] == ["7", "better"]
    others = told(side("A", rows(), low), side("B", rows(), scored([4, 4, 4, 5, 4, 5, 4], "bob")))
    assert cells(others, "## Quality")[0][3:] == ["n/a", "0", "not scored by the same rater"]
    assert "Only B was scored." in told(side("A", rows()), side("B", rows(), high))


def test_models_of_one_run_versions_settings_and_commands_are_told():
    one = side("A", rows(models=("a", "old")), machine={"packages": {"numpy": "1"}}, versions={"slmbench": "1"})
    other = side("B", rows(models=("a", "new")), machine={"packages": {"numpy": "2"}}, versions={"slmbench": "1"})
    found = {"differences": ["rounds: 1 -> 2"], "machines": ["cpu: X -> Y", "packages numpy: 1 -> 2"]}
    page = told(one, other, **found, warnings=["not the same"])
    assert section(page, "## Only in one of them").strip().splitlines() == ["- Only in A: old", "- Only in B: new"]
    assert "| numpy | 1 | 2 |" in page and "| slmbench |" not in page
    assert "- rounds: 1 -&gt; 2" in page and "- cpu: X -&gt; Y" in page and "packages numpy" not in page
    assert "- Careful: not the same" in page
    assert [t.content for t in gfm.pieces(page) if t.type == "fence"] == ["slmbench run --A\n", "slmbench run --B\n"]


def test_hostile_names_stay_words_in_both_forms():
    texts = [
        h.text
        for h in CORPUS
        if h.name in ("img-onerror", "out-of-anything", "md-table", "md-javascript", "bidi-override")
    ]
    sides = [side(x, rows_of(texts), scores_of(texts), machine={"packages": dict.fromkeys(texts, x)}) for x in "AB"]
    found = dict.fromkeys(NOTHING, texts)
    page = told(*sides, **found)
    kinds = {"heading", "paragraph", "strong", "bullet_list", "list_item", "fence"}
    assert gfm.kinds(page) <= kinds | {"table", "thead", "tbody", "tr", "th", "td"}
    shown = Page(web.page(page, {}, "t", "f"))
    assert shown.problems == [] and not shown.all("img", "script", "iframe")
    assert {e.attrs["href"][:2] for e in shown.all("a")} == {"#s"}
    assert all(hostile.is_readable(text[:200], words) for text in texts for words in (gfm.shown(page), shown.text))
