"""The numbers that each section of a report should hold, in their order, derived from the records: all but quality.

Each function takes the records and the section's text, of which it uses the names in tables only, and no number.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from traced_rows import METRICS, Pair, Records, busy, drift, interval, outliers, pairs
from traced_text import Expected, blank, of_text, rounded, shown, tables

MODELS = Path(__file__).parents[2] / "data" / "models.json"
LABELS = {label: metric for metric, label in METRICS.items()}
FOOTPRINT = {"Load (s)": "load_s", "Disk (MB)": "disk_mb"} | {
    f"{kind} {when} (MB)": f"{kind.lower()}_{name}_mb"
    for kind in ("RSS", "USS")
    for when, name in (("before", "before"), ("loaded", "loaded"), ("after replies", "after"))
}


def middle(x: np.ndarray) -> list[str]:
    """A median with its interval; of fewer than 6 values, what was seen."""
    if len(x) < 3:
        return [shown(v) for v in sorted(x)]
    return [shown(v) for v in (np.median(x), *(interval(x) if len(x) >= 6 else (x.min(), x.max())))]


def tail(x: np.ndarray) -> list[str]:
    """A p95: with its interval and upper bound from 72 values on; of fewer than 59 as it was seen."""
    seen = [shown(np.quantile(x, 0.95))]
    if len(x) < 59:
        return [*seen, str(len(x))]
    two_sided = [shown(v) for v in interval(x, 0.95)] if len(x) >= 72 else []
    return [*seen, *two_sided, shown(interval(x, 0.95, 0.05)[1]), str(len(x))]


def ratio(pair: Pair, turned: bool = False) -> list[str]:
    values = [1 / pair.ratio[i] for i in (0, 2, 1)] if turned else pair.ratio
    close = pair.verdict in ("faster", "slower") and any(abs(v - 1) < 0.005 for v in values[1:])
    return [f"{v:.{3 if close else 2}f}" for v in values]


def rounds(pair: Pair) -> list[str]:
    return [] if pair.more_rounds is None else [shown(pair.more_rounds)]


def leader(run: Records, metric: str) -> tuple[str, list[tuple[Pair, str, bool]]]:
    """Who comes first, and each rival with its pair, by its median: its verdict, and whether the pair is turned."""
    order = sorted(run.timed_models, key=lambda m: np.median(run.values(m, metric)), reverse=metric.endswith("_tps"))
    both = pairs(run, metric)
    won = {(p.other, p.base) if p.verdict == "faster" else (p.base, p.other) for p in both if p.verdict[-2:] == "er"}
    first = next(m for m in order if not any((rival, m) in won for rival in order))
    rivals = []
    for rival in (m for m in order if m != first):
        pair = next(p for p in both if {p.base, p.other} == {first, rival})
        rivals.append((pair, "slower" if (first, rival) in won else pair.verdict, pair.base == rival))
    return first, rivals


def opening(run: Records, _: str) -> list[Expected]:
    first, rivals = leader(run, "latency_s")
    x = run.values(first, "latency_s")
    found = [*middle(x), str(len(x))]
    for group in ("tie", "can't tell", "slower"):
        for pair, verdict, turned in rivals:
            if verdict == group:
                found += [*ratio(pair, turned), str(pair.n), *(rounds(pair) if group == "can't tell" else [])]
    prompts = len({row["prompt_id"] for row in run.timed})
    return [*found, str(min(len(run.of(m)) for m in run.timed_models)), str(prompts)]


def comparison(run: Records, body: str) -> list[Expected]:
    by_model, by_pair = tables(body)
    found: list[Expected] = []
    for line in by_model:
        model = line["Model"]
        latency, first, decode, output = (
            run.values(model, m) for m in ("latency_s", "ttft_s", "decode_tps", "output_tps")
        )
        failed = [r for r in run.rows if r["model"] == model and r["phase"] == "timed" and r["status"] != "ok"]
        found += [str(len(latency)), str(len(failed)), *rounded(latency.mean()), *middle(latency), *tail(latency)]
        found += [n for x in (first, decode, output) for n in rounded(float(np.median(x)))]
        found += rounded(run.sizes(model, "rss_loaded_mb")) + rounded(run.sizes(model, "disk_mb"))
        found += of_text(listing()[model]["licence"])
    known = {(m, p.other, p.base): p for m in METRICS for p in pairs(run, m)}
    for line in by_pair:
        pair = known[LABELS[line["Metric"]], line["Model"], line["Against"]]
        found += [*ratio(pair), str(pair.n), "0.001" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}", *rounds(pair)]
        found += lengths(pair)
    return found


def lengths(pair: Pair) -> list[str]:
    return [f"{mean:.3g}" for mean in pair.tokens] if pair.lengths_differ else []


def highlights(run: Records, _: str) -> list[Expected]:
    found: list[Expected] = []
    for metric in METRICS:
        first, rivals = leader(run, metric)
        x = run.values(first, metric)
        found += [*middle(x), str(len(x))] + [str(pair.n) for pair, verdict, _ in rivals if verdict == "can't tell"]
    found += sizes(run, "rss_loaded_mb", 1.05)
    if run.scores:
        from traced_quality import best

        found += best(run)
    return found + sizes(run, "disk_mb", 1.0)


def sizes(run: Records, field: str, tie: float) -> list[str]:
    """The smallest, then all that tie with it, or the next one and how much more it is."""
    least, *more = sorted(run.sizes(model, field) for model in run.timed_models)
    near = [size for size in more if size < tie * least]
    if near:
        return [n for size in (least, *near) for n in rounded(size)]
    return [*rounded(least), *rounded(more[0]), f"{100 * (more[0] / least - 1):.0f}"]


def spread(run: Records, metric: str) -> list[str]:
    """What the words of a picture say of each model: median, lowest, highest, interval, n."""
    found = []
    for model in run.models:
        x = run.values(model, metric)
        ends = interval(x) if len(x) >= 6 else ()
        found += [shown(v) for v in (np.median(x), x.min(), x.max(), *ends)] + [str(len(x))]
    return found


def pictures(run: Records, _: str) -> list[Expected]:
    odd = {model: rows for model, rows in outliers(run).items() if rows}
    counts = [str(n) for n in sorted((len(rows) for rows in odd.values()), reverse=True)]
    causes = [str(sum(busy(run, model, rows) for model, rows in odd.items()))] if odd else []
    by_pair = [
        n for p in pairs(run, "latency_s") for n in [*(f"{v:.2f}" for v in p.ratio), str(p.n), *rounds(p), *lengths(p)]
    ]
    untimed = [row for row in run.rows if row["phase"] == "warmup"]
    failed = [row for row in run.rows if row["status"] != "ok"]
    latency, prompts = spread(run, "latency_s"), len({row["prompt_id"] for row in run.timed})
    return [
        *(*latency, *counts, *causes),
        *(*latency, *spread(run, "ttft_s"), *spread(run, "decode_tps"), *by_pair),
        *(*latency, *counts, *causes, str(len(untimed)), str(len(failed))),
        *(*latency, str(prompts)),
        *timeline(run),
    ]


def timeline(run: Records) -> list[str]:
    """One reply of each model to the first prompt of the run."""
    prompt = run.rows[0]["prompt_id"]
    found = ["0"]  # the round
    for model in run.models:
        [row] = [r for r in run.of(model, prompt) if r["round"] == 0]
        gaps = [after - before for before, after in pairwise(row["chunk_s"])]
        found += [clock(row["ttft_s"]), str(len(row["chunk_s"])), clock(statistics.median(gaps)), clock(max(gaps))]
        found += rounded((row["output_tokens"] - 1) / (row["latency_s"] - row["ttft_s"]))
    return found


def clock(seconds: float) -> str:
    return shown(seconds if seconds >= 1 else 1000 * seconds)


def load(run: Records, body: str) -> list[Expected]:
    found: list[Expected] = []
    for line in tables(body)[0]:
        model = line["Model"]
        latency, tokens = run.values(model, "latency_s"), sum(row["output_tokens"] for row in run.of(model))
        found += [str(len(latency)), "0", shown(tokens / latency.sum()), shown(len(latency) / latency.sum())]
        found += [*middle(run.values(model, "ttft_s")), *middle(latency)]
        found.append(str(sum("client_bound" in row["flags"] for row in run.of(model))))
    return found


def outlier_table(run: Records, body: str) -> list[Expected]:
    odd = outliers(run)
    if not any(odd.values()):
        return [str(len(run.timed))]
    found: list[Expected] = []
    for line in tables(body)[0]:
        found += [str(busy(run, line["Model"], odd[line["Model"]])), str(len(run.of(line["Model"])))]
    return found


def drifting(run: Records, body: str) -> list[Expected]:
    found: list[Expected] = []
    for line in tables(body)[0]:
        n, tau, p = drift(run)[line["Model"]]
        found += [str(n)] + ([] if math.isnan(tau) else [f"{tau:+.2f}", f"{p:.3f}"])
    return found


def by_prompt(run: Records, body: str) -> list[Expected]:
    found: list[Expected] = []
    for line in tables(body)[0]:
        model, prompt = line["Model"], line["Prompt"]
        rows = run.of(model, prompt)
        found.append(str(len(rows)))
        if not rows:
            continue
        for metric in METRICS:
            found += middle(run.values(model, metric, prompt))
        said = [row["text_sha256"] for row in rows]
        found += rounded(float(np.mean([row["output_tokens"] for row in rows])))
        found += [str(max(map(said.count, said))), str(len(said))]
    return found


def samples(run: Records, _: str) -> list[Expected]:
    """The reply of the first round of each model to each of the first six prompts."""
    found: list[Expected] = []
    for prompt in run.plan["prompts"][:6]:
        found += of_text(" ".join(prompt["text"].split())[:200])
        for model in run.models:
            said = next(row["text"] for row in run.of(model, prompt["id"]) if row["round"] == 0)
            found += ([f"{len(said):,}"] if len(said) > 600 else []) + of_text(said[:600])
    return found + ([str(len(run.plan["prompts"]))] if len(run.plan["prompts"]) > 6 else [])


def footprint(run: Records, body: str) -> list[Expected]:
    measured, listed = tables(body)
    found: list[Expected] = []
    for line, record in zip(measured, run.resources, strict=True):
        found += [n for header in line if header in FOOTPRINT for n in rounded(record.get(FOOTPRINT[header]))]
    for line in listed:
        entry = listing()[line["Model"]]
        found += [*of_text(entry["display_name"], entry["licence"]), *rounded(entry["size_mb"])]
    return found


@cache
def listing() -> dict[str, dict]:
    return json.loads(MODELS.read_text(encoding="utf-8"))["models"]


def machine(run: Records, _: str) -> list[Expected]:
    known = run.machine.get("calibration")
    found: list[Expected] = []
    if known:
        found += of_text(known["where"]["python"], known["at"][:10])
        for one in known["accuracy"]:
            at_once = [str(one["streams"])] if one["streams"] > 1 else []
            off = [f"{one[name]:.2f}" for name in ("ttft_p50_ms", "ttft_tail_ms", "tpot_pct")]
            found += [*at_once, *off, str(one["n"])]
        for one in known["limits"]:
            found += ([str(one["streams"])] if one["streams"] > 1 else []) + [f"{one['trusted_tps']:,.0f}"]
    return found + of_text(*words({k: v for k, v in run.machine.items() if k != "calibration"}))


def words(value: object) -> Iterable[str]:
    """Names and values of a record, in their order."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from (name, *words(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif value is not None:
        yield str(value)


SETTINGS = ("rounds", "loads", "warmup", "max_tokens", "temperature", "seed", "stream", "concurrency", "deadline_s")


def method(run: Records, _: str) -> list[Expected]:
    told = [run.plan[name] for name in (*SETTINGS, "endpoint", "started_at", "hash", "versions") if name in run.plan]
    texts = [" ".join(prompt["text"].split()) for prompt in run.plan["prompts"]]
    return of_text(*(word for value in told for word in words(value)), *texts)


def command(run: Records, _: str) -> list[Expected]:
    return of_text(blank(run.plan["command"], run.names))


def nothing(_: Records, __: str) -> list[Expected]:
    return []
