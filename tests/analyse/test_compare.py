"""Pairs, ratios and verdicts, with numbers that can be checked by hand."""

import math

import numpy as np
import pytest
from made_requests import row
from scipy.stats import t

from slmbench.analyse import compare
from slmbench.errors import UsageError
from slmbench.records import to_frame

WOBBLE = (0.97, 1.0, 1.03, 0.98, 1.02, 1.0, 0.99, 1.01)


def asked(model, level, rounds=8, prompts="p", loads=1, **given):
    """Replies that wobble by a few percent around `level`, each model in its own way."""
    start = sum(map(ord, model))
    return [
        row(model, prompt, level * WOBBLE[(start + 3 * i + k) % 8], i, load_index=load, **given)
        for load in range(loads)
        for k, prompt in enumerate(prompts)
        for i in range(rounds)
    ]


def only(frame):
    assert len(frame) == 1
    return frame.iloc[0]


def test_a_pair_of_models_by_hand():
    ratios = [1.0, 2.0, 4.0, 1.0, 2.0, 4.0]
    rows = [row("a", "p", 3.0, i) for i in range(6)] + [row("b", "p", 3.0 * r, i) for i, r in enumerate(ratios)]
    line = only(compare.models(to_frame(rows)))
    reach = t.ppf(0.975, 5) * np.std(np.log(ratios), ddof=1) / math.sqrt(6)
    assert list(compare.models(to_frame(rows)).columns) == list(compare.COLUMNS)
    assert (line.base, line.other, line.n_pairs, line.prompts, line.loads) == ("a", "b", 6, 1, 1)
    assert line.ratio == pytest.approx(2.0)
    assert (line.ratio_low, line.ratio_high) == pytest.approx((2 * math.exp(-reach), 2 * math.exp(reach)))
    assert line.p == pytest.approx(2 * t.sf(math.log(2) / reach * t.ppf(0.975, 5), 5))
    assert (line.verdict, line.basis, line.column) == ("slower", "within this session", "latency_s")


def test_faster_slower_and_a_tie():
    rows = asked("a", 1.0) + asked("b", 1.5) + asked("c", 1.0)
    found = compare.models(to_frame(rows), base="a").set_index("other")
    assert dict(found.verdict) == {"b": "slower", "c": "tie"}
    assert found.more_rounds.isna().all()
    assert dict(compare.models(to_frame(rows), base="b").set_index("other").verdict) == {"a": "faster", "c": "faster"}


def test_for_speeds_more_is_faster():
    rows = asked("a", 1.0) + asked("b", 1.5)
    line = only(compare.models(to_frame(rows), "decode_tps"))
    assert line.verdict == "slower"
    assert line.ratio == pytest.approx(1 / 1.5, rel=0.02)


def test_every_pair_in_order_or_all_against_one():
    frame = to_frame(asked("b", 1.0) + asked("a", 1.0) + asked("c", 1.0))
    found = compare.models(frame)
    assert list(zip(found.base, found.other, strict=True)) == [("b", "a"), ("b", "c"), ("a", "c")]
    assert list(compare.models(frame, base="a").other) == ["b", "c"]


def test_only_what_both_replied_to_is_paired():
    rows = asked("a", 1.0, rounds=7, prompts="pq")
    rows += asked("b", 2.0, rounds=6, prompts="pr")
    rows += [row("b", "q", number=0, status="timeout"), row("b", "q", 9.0, 1, flags=["clock_jump"])]
    rows += [row("b", "q", 9.0, 2, phase="warmup"), row("b", "p", 9.0, 6, load_index=1), row("b", "p", 9.0, 6)]
    rows += [row("a", "p", 1.0, 0, concurrency=4)]
    line = only(compare.models(to_frame(rows)))
    assert (line.n_pairs, line.prompts, line.loads) == (7, 1, 1)
    assert "15 usable replies without a counterpart left out" in line.note  # 7 of q, 6 of r, a load, a concurrency


def test_no_verdict_below_six_pairs():
    rows = [row(m, "p", s + i / 1000, i) for m, s in (("a", 1.0), ("b", 9.0)) for i in range(5)]
    line = only(compare.models(to_frame(rows)))
    assert (line.n_pairs, line.verdict, line.more_rounds) == (5, "can't tell", 1)
    assert all(math.isnan(line[name]) for name in ("p", "p_holm", "ratio_low", "ratio_high"))
    assert line.note == "5 pairs, and a verdict needs 6"
    three = only(compare.models(to_frame([r for r in rows if r.round < 3])))
    assert three.note == "3 pairs, and a verdict needs 6: 3 against 3 never get below p = 0.10"
    six = to_frame([*rows, row("a", "p", 1.0, 5), row("b", "p", 9.0, 5)])
    assert only(compare.models(six)).verdict == "slower"


def test_models_without_a_request_in_common():
    line = only(compare.models(to_frame(asked("a", 1.0, prompts="p") + asked("b", 2.0, prompts="q"))))
    assert (line.n_pairs, line.prompts, line.loads, line.verdict) == (0, 0, 0, "can't tell")
    assert math.isnan(line.ratio)
    assert compare.sentence(line) == (
        "Can't tell b from a; 0 pairs, and a verdict needs 6; 16 usable replies without a counterpart left out."
    )


def test_three_loads_are_judged_by_their_medians():
    levels = {0: 1.1, 1: 1.2, 2: 1.4}
    rows = [row("a", "p", 1.0, i, load_index=load) for load in levels for i in range(4)]
    slow = {3: 1.02}  # a round of each load, which its median passes over
    rows += [row("b", "p", levels[n] * slow.get(i, 1), i, load_index=n) for n in levels for i in range(4)]
    line = only(compare.models(to_frame(rows)))
    logs = np.log(list(levels.values()))
    assert (line.basis, line.loads, line.n_pairs) == ("across 3 loads", 3, 12)
    assert line.ratio == pytest.approx(math.exp(logs.mean()))
    assert line.ratio_high == pytest.approx(math.exp(logs.mean() + t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)))
    assert line.verdict == "can't tell"  # within one session, 12 pairs would say "slower"
    assert "no practical number of rounds would decide it, about 2 more loads would" in line.note
    assert (math.isnan(line.more_rounds), line.more_loads) == (True, 2)
    assert only(compare.models(to_frame([r for r in rows if r.load_index < 2]))).verdict == "slower"


def test_loads_count_the_same_however_many_pairs_they_have():
    rows = [row(m, "p", s, i, load_index=load) for load, n in ((0, 9), (1, 2), (2, 2)) for i in range(n)
            for m, s in (("a", 1.0), ("b", 2.0 if load else 4.0))]  # fmt: skip
    assert only(compare.models(to_frame(rows))).ratio == pytest.approx(2 ** (4 / 3))


def test_replies_of_different_length_are_said_to_be():
    frame = to_frame(asked("a", 1.0, output_tokens=20) + asked("b", 1.5, output_tokens=30))
    assert "the replies differ in length (mean tokens 20 and 30)" in only(compare.models(frame)).note
    assert only(compare.models(frame, "ttft_s")).note == ""
    assert only(compare.models(frame, "decode_tps")).note == ""
    near = to_frame(asked("a", 1.0, output_tokens=100) + asked("b", 1.5, output_tokens=104))
    assert only(compare.models(near)).note == ""


def test_counts_from_different_sources_are_said_to_be():
    frame = to_frame(asked("a", 1.0) + asked("b", 1.5, token_source="chunks"))
    assert only(compare.models(frame, "tpot_s")).note == "tokens were counted differently (server and chunks)"
    assert only(compare.models(frame, "ttft_s")).note == ""


def test_what_the_client_missed_is_said():
    frame = to_frame(asked("a", 1.0) + asked("b", 1.5, flags=["client_bound"]))
    assert only(compare.models(frame)).note == "the client could not keep up in 8 of the pairs"


def test_devices_are_compared_model_by_model():
    rows = asked("a", 2.0, device="cpu") + asked("a", 1.0, device="gpu") + asked("b", 8.0, device="cpu")
    line = only(compare.models(to_frame(rows), by="device", base="cpu"))
    assert (line.n_pairs, line.verdict, line.ratio) == (8, "faster", pytest.approx(0.5))


def test_holm_is_over_the_lines_of_the_table():
    chance = np.random.default_rng(4)
    rows = [row(m, "p", math.exp(chance.normal(k * 0.08, 0.1)), i) for k, m in enumerate("abcd") for i in range(12)]
    found = compare.models(to_frame(rows))
    in_order = found.sort_values("p")
    assert list(in_order.p_holm) == pytest.approx(
        np.maximum.accumulate(np.minimum(in_order.p * np.arange(6, 0, -1), 1))
    )


def test_a_base_that_is_not_there():
    frame = to_frame([*asked("small", 1.0), row("big", status="skipped", prompt=None)])
    with pytest.raises(UsageError, match="base: 'smal' was found, one of these was expected: small") as told:
        compare.models(frame, base="smal")
    assert told.value.cure == "base='small'"
    with pytest.raises(UsageError, match="latency_ms"):
        compare.models(frame, "latency_ms")


def test_nothing_to_compare_is_a_table_without_lines():
    for rows in ([], asked("a", 1.0)):
        found = compare.models(to_frame(rows))
        assert found.empty
        assert list(found.columns) == list(compare.COLUMNS)


def test_runs_have_a_line_for_each_model_of_both():
    one = to_frame(asked("a", 2.0, run="cpu") + asked("b", 1.0, run="cpu") + asked("z", 1.0, run="cpu"))
    two = to_frame(asked("a", 1.0, run="gpu") + asked("b", 1.0, run="gpu"))
    found = compare.runs(one, two)
    assert list(found.columns) == [*compare.COLUMNS, "model"]
    assert list(found.model) == ["a", "b"]
    assert set(zip(found.base, found.other, strict=True)) == {("cpu", "gpu")}
    assert list(found.verdict) == ["faster", "tie"]
    assert all("one after the other" in note for note in found.note)
    assert list(found.p_holm) == [2 * found.p[0], found.p[1]]


def test_runs_of_one_name_are_told_apart():
    found = only(compare.runs(to_frame(asked("a", 2.0)), to_frame(asked("a", 1.0))))
    assert (found.base, found.other, found.ratio) == ("run A", "run B", pytest.approx(0.5))
    assert compare.sentence(found).startswith("a: run B is faster than run A: latency × 0.50 [0.50, 0.50] (95 %")


def test_runs_without_a_common_model():
    assert compare.runs(to_frame(asked("a", 1.0)), to_frame(asked("b", 1.0))).empty


def line(verdict, **more):
    values = {"base": "a", "other": "b", "column": "decode_tps", "n_pairs": 20, "ratio": 1.5, "ratio_low": 1.25}
    values |= {"ratio_high": 1.75, "basis": "across 3 loads", "verdict": verdict, "more_rounds": math.nan, "note": ""}
    return values | more


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (line("faster"), "b is faster than a: decode speed × 1.50 [1.25, 1.75] (95 % interval, 20 pairs, across"),
        (line("slower", model="m"), "m: b is slower than a: decode speed × 1.50"),
        (line("tie"), "b and a tie, within 5 %: decode speed"),
        (line("can't tell", more_rounds=7.0), "across 3 loads); about 7 more rounds of every prompt would decide it."),
        (line("can't tell", more_rounds=1.0), "about 1 more round of"),
        (line("can't tell", model="m"), "m: can't tell b from a: decode speed"),
        (line("can't tell", ratio_low=math.nan, n_pairs=1), "a: decode speed × 1.50 seen in 1 pair, across 3 loads."),
        (line("faster", note="but"), "across 3 loads); but."),
        (line("faster", column="ttfb_s"), "ttfb_s × 1.50"),
    ],
)  # fmt: skip
def test_sentences(given, said):
    assert said in compare.sentence(given)


def test_the_frame_stays_as_it_was():
    frame = to_frame(asked("a", 1.0) + asked("b", 1.5))
    before = frame.copy()
    compare.models(frame)
    compare.runs(frame, frame)
    assert frame.equals(before)
