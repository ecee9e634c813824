"""What the fidelity bench makes of a client's report, on hand-made clocks."""

import importlib
import math
from pathlib import Path

import pytest

from slmbench.truth import Record, Write

MS = 1_000_000  # ns


@pytest.fixture(scope="module")
def bench():
    """The bench's modules, which are scripts of a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "bench")
        yield [importlib.import_module(name) for name in ("compared", "clients", "run")]


def record(number, *, ttft_ms=100, gap_ms=10, tokens=3):
    at = [(ttft_ms + i * gap_ms, "answer", 1) for i in range(tokens)]
    said = [*at, (at[-1][0], "done", 0)]
    return Record(number, "m", 0, tuple(Write(ms * MS, kind, n, (ms - 1) * MS) for ms, kind, n in said))


def said(bench, number, ttft_ms, *, tokens=3, tpot_ms=10.0, **more):
    text = None if number is None else f"#{number:08d} and so on"
    return bench[1].Reported(text, ttft_ms / 1e3, tpot_ms / 1e3, tokens, **more)


def compared(bench, rows, records, *, client="slmbench run", streams=1, asked=None):
    ran = bench[1].Ran(rows, 0.3, 2.5)
    return bench[0].compare(client, streams, ran, records, asked=asked or len(records), gap_ms=10.0, ideal_s=2.0)


def test_errors_of_percentiles_and_of_single_requests(bench):
    records = [record(1, ttft_ms=100), record(2, ttft_ms=200), record(3, ttft_ms=300)]
    rows = [said(bench, 3, 301), said(bench, 1, 104), said(bench, 2, 202)]  # 1, 4 and 2 ms late
    found = compared(bench, rows, records)
    assert found.ttft_p50_ms == pytest.approx(2)  # 202 - 200
    assert found.ttft_p99_ms == pytest.approx(1.02)  # 299.02 - 298
    assert found.row_p50_ms == pytest.approx(2)
    assert found.row_p99_ms == pytest.approx(3.96)
    assert found.row_max_ms == pytest.approx(4)
    assert (found.n, found.wrong, found.late_ms) == (3, 0, pytest.approx(1))
    assert (found.cpu_s, found.over_s) == (pytest.approx(0.3 / 9 * 1000), pytest.approx(0.5))
    assert found.tpot_pct == {10.0: pytest.approx(0)}


def test_the_error_of_the_time_per_token_is_that_of_the_means(bench):
    rows = [said(bench, 1, 100, tpot_ms=10.4), said(bench, 2, 100, tpot_ms=10.0)]
    assert compared(bench, rows, [record(1), record(2)]).tpot_pct == {10.0: pytest.approx(2)}


def test_missing_failed_and_miscounted_requests_are_wrong(bench):
    rows = [said(bench, 1, 100, tokens=4), said(bench, 2, 100), said(bench, 3, 100, ok=False)]
    found = compared(bench, rows, [record(n) for n in (1, 2, 3, 4)])
    assert (found.n, found.wrong) == (2, 3)
    assert compared(bench, [said(bench, 1, 100)], [record(1)], asked=60).wrong == 59


def test_a_client_without_texts_is_compared_by_percentiles_and_counts(bench):
    rows = [said(bench, None, 103), said(bench, None, 101, tokens=5)]
    found = compared(bench, rows, [record(1), record(2), record(3)])
    assert found.ttft_p50_ms == pytest.approx(2)
    assert math.isnan(found.row_max_ms)
    assert found.wrong == 2  # one count is wrong, one request is missing


def test_nothing_to_compare_is_an_error(bench):
    with pytest.raises(bench[1].ClientFailed, match="reported 0 requests, and 1 were answered"):
        compared(bench, [], [record(1)])


def result(bench, client="slmbench run", streams=64, **more):
    good = dict.fromkeys(("ttft_p50_ms", "ttft_p99_ms", "row_p50_ms", "row_p99_ms", "row_max_ms"), 0.1)
    good |= {"tpot_pct": {10.0: 0.1}, "wrong": 0, "cpu_s": 0.05, "over_s": 0.1, "late_ms": 0.1, "client_bound": 0}
    return bench[0].Result(client=client, streams=streams, n=9, **good | more)


@pytest.mark.parametrize(
    ("streams", "given", "sentence"),
    [
        (1, {"ttft_p50_ms": 0.31}, "ttft_p50_ms is 0.31, and at most 0.3 was promised"),
        (8, {"ttft_p99_ms": 2.6}, "ttft_p99_ms is 2.6, and at most 2.5 was promised"),
        (64, {"ttft_p99_ms": math.nan}, "ttft_p99_ms is nan, and at most 10 was promised"),
        (1, {"cpu_s": 0.26}, "cpu_s is 0.26, and at most 0.25 was promised"),
        (64, {"cpu_s": 0.11}, "cpu_s is 0.11, and at most 0.1 was promised"),
        (8, {"over_s": 0.7}, "over_s is 0.7, and at most 0.6 was promised"),
        (8, {"wrong": 1}, "wrong is 1, and at most 0 was promised"),
        (1, {"tpot_pct": {1.0: 0.1, 2.0: 0.4}}, "tpot_pct is 0.4 at gaps of 2 ms, and at most 0.3 was promised"),
    ],
)
def test_a_missed_bound_is_told(bench, streams, given, sentence):
    missed = bench[0].missed([result(bench, streams=streams, **given)], {"slmbench run": True})
    assert missed == [f"slmbench run, {streams} at once: {sentence}"]


@pytest.mark.parametrize("streams", [1, 8, 64])
def test_bounds_that_hold_are_not_told(bench, streams):
    assert bench[0].missed([result(bench, streams=streams)], {"slmbench run": True}) == []


def test_cpu_and_wall_time_are_not_held_where_a_chart_is_drawn(bench):
    drawn = result(bench, cpu_s=9.0, over_s=9.0, ttft_p50_ms=2.0)
    assert len(bench[0].missed([drawn], {"slmbench run": False})) == 1
    assert bench[0].missed([drawn], {}) == []


@pytest.mark.parametrize(("streams", "held"), [(64, True), (8, False)])
def test_only_at_64_streams_the_bare_socket_excuses(bench, streams, held):
    floor = result(bench, "bare socket", streams, ttft_p50_ms=5.0, ttft_p99_ms=20.0)
    ours = result(bench, streams=streams, ttft_p50_ms=5.9, ttft_p99_ms=23.9)
    assert (bench[0].missed([floor, ours], {"slmbench run": True}) == []) is held
    worse = result(bench, streams=streams, ttft_p50_ms=6.1)
    assert len(bench[0].missed([floor, worse], {"slmbench run": True})) == 1


def test_the_table_has_a_line_a_result(bench):
    lines = bench[0].table([result(bench, row_max_ms=math.nan, ttft_p99_ms=123.4), result(bench, "other")]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(
        "| 64 | slmbench run | 9 | 0.10 / 123 | 0.10 / 0.10 / – | 0.10 (10) | 0 | 0.050 | 0.10 |"
    )


def test_the_digest_has_a_line_a_client_and_a_column_a_load(bench):
    results = [
        compared(bench, [said(bench, 1, 101.5)], [record(1)], client=client, streams=n)
        for client, n in (("bare socket", 1), ("slmbench run", 1), ("slmbench run", 64))
    ]
    printed = f"1 at once, slmbench run: so far\n\n{bench[0].table(results)}\n\nAll bounds hold.\n"
    assert bench[2].digest(printed).splitlines() == [
        "| TTFT error, ms (p50 / p99) | 1 at once | 64 at once |",
        "| --- | --- | --- |",
        "| bare socket | 1.50 / 1.50 | – |",
        "| slmbench run | 1.50 / 1.50 | 1.50 / 1.50 |",
    ]


def test_a_part_is_put_between_its_marks_and_nowhere_else(bench, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- end of x -->\nb\n", encoding="utf-8")
    bench[2].place(page, "x", "new")
    assert page.read_text(encoding="utf-8") == "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n"
    with pytest.raises(ValueError, match="<!-- y -->"):
        bench[2].place(page, "y", "new")


def test_the_pages_have_a_line_for_all_that_is_held_to_the_bounds(bench):
    bounded = importlib.import_module("fidelity").BOUNDED
    for page in (bench[2].PAGE, bench[2].FRONT):
        lines = page.read_text(encoding="utf-8").splitlines()
        for client in ("bare socket", "openai package", *bounded):
            assert any(line.startswith("|") and f"| {client} |" in line for line in lines), f"{page}: {client}"


def test_the_pages_have_the_marks_of_all_parts(bench):
    for part in bench[2].PARTS:
        page = bench[2].PAGES.get(part, bench[2].PAGE)
        assert page.read_text(encoding="utf-8").count(f"<!-- {part} -->") == 1, part
    assert bench[2].FRONT.read_text(encoding="utf-8").count("<!-- fidelity -->") == 1
