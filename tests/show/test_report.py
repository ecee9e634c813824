"""The report of a whole run: files, tables, and hostile replies that stay text."""

import csv
import html
import json
import math
import re
from types import SimpleNamespace

import mistune
import pytest
from made_report import PLAN, page_of, pictures_in, section, write

from slmbench.analyse import stats
from slmbench.records import COLUMNS, DERIVED, to_frame
from slmbench.show import report
from support.made_rows import PROMPTS, request, sample_rows

render = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])


def test_the_files_of_a_run(tmp_path):
    paths, page = write(tmp_path, sample_rows())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)  # no half files
    names = [path.name for path in paths]
    assert names[:3] == ["benchmark_report.md", "benchmark_report.html", "benchmark_report.json"]
    assert names[3:5] == ["summary.csv", "rows.csv"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names[5:])
    assert pictures_in(page) == names[5:]  # each picture is in it, with words
    assert [name.removesuffix(".png") for name in names[5:]] == [
        *("latency_by_model", "ecdf_latency", "ecdf_ttft", "speed", "ratios", "run_order", "per_prompt"),
        "token_timeline",
    ]


@pytest.mark.usefixtures("blank_pictures")
def test_a_second_report_replaces_the_first(tmp_path):
    (path, *_), first = write(tmp_path, sample_rows())
    assert page_of(sample_rows()) == first
    stray = tmp_path / "concurrency_curve.png"
    stray.write_bytes(b"of an earlier report")
    write(tmp_path, sample_rows()[:10])
    assert path.read_text(encoding="utf-8") == page_of(sample_rows()[:10]) != first
    assert not stray.exists()  # this run has no such picture


def test_the_table_by_hand():
    rows = [request("a", number=i, latency=x, ttft_s=0.5) for i, x in enumerate((1.0, 2.0, 6.0))]
    rows.append(request("gone", None, None, status="skipped", error="not here"))
    entries = {"a": SimpleNamespace(licence="MIT", size_mb=12.0)}
    found = report.table(stats.summarise(to_frame(rows)), [{"model": "a", "rss_loaded_mb": 1234.4}], entries)
    assert found.iloc[0].to_dict() == {
        "Model": "a",
        "Requests measured (n)": 3,
        "Requests failed": 0,
        "Mean latency (s)": 3.0,
        "Median latency (s) [95 % interval]": "2 (1–6 seen)",
        "p95 latency (s)": "5.60 (n = 3; needs n ≥ 59)",
        "Median time to first token (s)": 0.5,
        "Median decode speed (tokens/s)": 6.0,  # 9 / (2 - 0.5)
        "Median output speed (tokens/s)": 5.0,
        "Memory when loaded (MB)": 1234.0,
        "Disk (MB)": pytest.approx(math.nan, nan_ok=True),  # the listed 12 MB were not measured
        "Licence": "MIT",
    }
    gone = found.iloc[1]
    assert (gone["Requests measured (n)"], gone["p95 latency (s)"], gone["Licence"]) == (0, "n/a", "n/a")


def test_the_comparison_has_measured_disk_only_and_the_listed_size_stands_apart():
    page = page_of(sample_rows())
    lines = section(page, "## Comparison").split("### Model against model")[0].splitlines()
    (measured,) = (line for line in lines if "| qwen2.5-0.5b |" in line)
    assert measured.split(" | ")[-3:] == ["930", "811", "Apache-2.0 |"]
    (listed,) = (line for line in lines if "| smollm2-135m-int4 |" in line)
    assert listed.split(" | ")[-3:] == ["n/a", "n/a", "n/a |"]
    footprint = section(page, "## Load time, memory and footprint")
    assert "not measured here" in footprint and "| n/a | 113 | chat |" in footprint


def test_a_resumed_model_is_no_longer_skipped():
    gone = [request(m, None, None, status="skipped", error="it can't be loaded: busy") for m in ("a", "b", "c")]
    later = [request("a", number=i, latency=1.0 + i) for i in range(3)]
    later += [request("b", number=i, latency=1.0, load_index=1) for i in range(3)]
    page = page_of([*gone, *later])
    lost = section(page, "## Failed and skipped")
    assert lost.strip().splitlines() == [f"- {m}: skipped. it can't be loaded: busy" for m in ("b", "c")]
    assert "Not measured: c." in page


def test_a_run_cut_off_in_its_warm_up_still_names_its_models():
    page = page_of([request("a", phase="warmup")])
    assert "| a | 0 | 0 | n/a |" in section(page, "## Comparison")
    assert section(page, "## Failed and skipped").strip() == (
        "- a: not measured. The run ended before a timed request of it did."
    )
    assert "1 of 1 models could not be measured" in page


def test_a_model_without_one_even_clock_says_so():
    assert "a: not measured. In every timed request the clock jumped" in page_of([request("a", flags=["clock_jump"])])


def test_failed_and_skipped_models_have_their_reasons():
    page = page_of(sample_rows())
    lost = section(page, "## Failed and skipped")
    low_high = "95 % interval: 0 to 38 %"  # Clopper-Pearson for 1 of 12
    assert f"1 of 12 requests failed ({low_high}). timeout: no reply within 60 s" in lost
    assert "gemma-2-2b: skipped. not in the catalogue, nearest: gemma-4-e2b-it" in lost


def test_a_run_where_nothing_worked_has_a_report():
    page = page_of([request("a", None, None, status="refused", error="nothing listens there")])
    assert "**Nothing was measured" in page
    assert "refused: nothing listens there" in page
    assert "No reply was received." in page
    assert "No prompt was asked." in page


def test_an_empty_run_has_a_report():
    page = page_of([], plan={}, machine={}, resources=[], entries={})
    assert "**Nothing was measured" in page
    assert "The command was not noted." in page


def test_prompts_stand_in_the_order_of_the_plan():
    page = page_of(sample_rows())
    lines = section(page, "## By prompt").splitlines()[3:]
    prompts = list(dict.fromkeys(re.sub(r"[\\`]", "", line.split(" | ")[0].strip("| ")) for line in lines if line))
    assert prompts == list(PROMPTS)
    assert len([line for line in lines if line]) == 12


def test_machine_method_and_command_are_told():
    page = page_of(sample_rows())
    assert "- cpu: n/a" in page and "- packages: numpy 2.4.6" in page and "- gpus: none" in page
    assert "- rounds: 3" in page and "- temperature: 0.0" in page
    assert "```text\nslmbench run --models qwen2.5-0.5b\n```" in page
    assert "within this session" in page
    assert "access \\| denied" in section(page, "## Load time, memory and footprint")


HOSTILE = [
    "<script>alert(1)</script>",
    "a | b\n| c |",
    "```\n</code><script>alert(1)</script>\n````\n# Heading",
    "![x](http://evil.example/x.png) <img src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) https://evil.example",
    "=cmd|' /C calc'!A1",
]


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_text_anywhere_stays_text(tmp_path, bad):
    rows = [request(bad, bad, i, 1.0 + i, text=bad, token_source=bad) for i in range(3)]
    rows += [request(f"{bad}2", bad, 0, status="skipped", error=bad)]
    entry = SimpleNamespace(licence=bad, size_mb=1, display_name=bad, capabilities=(bad,))
    plan = {"prompts": [{"id": bad, "text": bad}], "command": bad, "endpoint": bad, "rounds": 3}
    resources = [{"model": bad, "kind": bad, "error": bad}]
    told = {"plan": plan, "machine": {bad: bad}, "resources": resources, "entries": {bad: entry}}
    paths, page = write(tmp_path, rows, **told)
    shown = render(page)
    tags = set(re.findall(r"<\s*/?\s*([a-z0-9]+)", shown))
    assert tags == {
        *("h1", "h2", "h3", "p", "strong", "ul", "li", "pre", "code", "img"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    drawn = report.pictures(to_frame(rows), plan)
    assert shown.count("<img") == len(drawn) == len(paths) - 5
    assert not re.search(r'(src|href)="(?!\w+\.png")', shown)
    assert bad in html.unescape(shown)  # the reply itself, whole
    for name in ("rows.csv", "summary.csv"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            (first, *_) = csv.DictReader(file)
        assert first["model"] == (f"'{bad}" if bad.startswith("=") else bad)
    assert len(paths) == len(set(tmp_path.iterdir()))


def test_without_a_stream_the_method_says_what_was_not_measured():
    rows = [request("a", number=i, ttft_s=None) for i in range(3)]
    page = section(page_of(rows, plan=PLAN | {"stream": False}), "## Method")
    assert "One streamed request" not in page and "chunk" not in page
    assert "Replies were not streamed" in page
    assert "the arrival of the whole reply" in page
    assert "Time to first token (s): not measured" in page
    assert "ttft" not in " ".join(pictures_in(page_of(rows))) and "speed.png" not in page_of(rows)
    streamed = section(page_of(rows, plan=PLAN | {"stream": True}), "## Method")
    assert "One streamed request gives all" in streamed and "the last chunk with content" in streamed


def test_the_limits_say_that_prompts_are_pooled():
    assert "- n pools the prompts: " in section(page_of(sample_rows()), "## What this does not tell")
    one = section(page_of([request("a"), request("a", number=1)]), "## What this does not tell")
    assert "pools" not in one


def test_a_long_reply_is_shortened_visibly():
    page = page_of([request("a", text="x" * 2000)])
    assert "x" * 600 in page and "x" * 601 not in page
    assert "(shortened: 600 of 2,000 characters)" in page


def test_the_sample_is_of_the_first_round_that_was_answered():
    rows = [
        request("a", phase="warmup", text="warm"),
        request("a", number=2, text="third"),
        request("a", number=0, status="timeout"),
        request("a", number=1, text="second"),
    ]
    sample = section(page_of(rows), "## Samples of the replies")
    assert "```text\nsecond\n```" in sample
    assert "warm" not in sample and "third" not in sample


def test_every_model_is_sampled_on_the_same_prompts_in_the_order_of_the_plan():
    rows = [request(m, p, text=f"{m} {p}") for p in ("q", "p") for m in ("b", "a") if (m, p) != ("a", "q")]
    plan = {"prompts": [{"id": p, "text": f"Text of {p}"} for p in ("p", "unasked", "q")]}
    sample = section(page_of(rows, plan=plan), "## Samples of the replies")
    shown = [line for line in sample.splitlines() if re.match(r"### |\*\*|[ab] [pq]$", line)]
    assert shown == [
        *("### p", "**b**:", "b p", "**a**:", "a p"),
        *("### q", "**b**:", "b q", "**a**: no usable reply."),
    ]
    assert "To “Text of p”:" in sample and "unasked" not in sample


def test_of_many_prompts_the_first_are_sampled_and_it_says_so():
    names = [f"p{i}" for i in range(9)]
    plan = {"prompts": [{"id": p, "text": p} for p in names]}
    sample = section(page_of([request("a", p) for p in reversed(names)], plan=plan), "## Samples of the replies")
    assert re.findall(r"^### (.*)", sample, re.MULTILINE) == names[:6]
    assert "The first 6 of 9 prompts" in sample


@pytest.mark.usefixtures("blank_pictures")
def test_rows_csv_has_every_column_unrounded(tmp_path):
    rows = [request("a", latency=1.23456789012, chunk_s=[0.1, 1.2], text="नेपाली", flags=["x"])]
    write(tmp_path, rows)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert list(line) == [*COLUMNS, *DERIVED]
    assert float(line["latency_s"]) == 1.23456789012
    assert (json.loads(line["chunk_s"]), json.loads(line["flags"])) == ([0.1, 1.2], ["x"])
    assert line["text"] == "नेपाली"


def test_half_a_character_does_not_stop_the_report():
    page = page_of([request("a", text="half \ud83d of one")])
    assert "half � of one" in page


@pytest.mark.usefixtures("blank_pictures")
def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    paths, first = write(tmp_path, sample_rows())

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, sample_rows()[:10])
    assert paths[0].read_text(encoding="utf-8") == first
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
