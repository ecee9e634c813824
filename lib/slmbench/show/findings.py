"""The parts of the report that judge a run: comparisons, outliers, drift, the load, precision, the client's clock."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import compare, drift as drifting, outliers as odd, stats, traffic
from slmbench.analyse.precision import ROUNDS_MAX
from slmbench.show import alt, text
from slmbench.show.levels import labelled, levels, only
from slmbench.show.verdict import median, ratio

if TYPE_CHECKING:
    import pandas as pd

ALL_METRICS_UP_TO = 6  # pairs, at all numbers of requests at once: of more, only the latency is compared
METRICS = ("latency_s", "ttft_s", "decode_tps")
CAP = f"the cap of {ROUNDS_MAX} rounds"
STOPPED = {"precision": "reached", "budget": "the time budget", "rounds": CAP, "failures": "failures"}


def comparison(frame: pd.DataFrame) -> list[str]:
    """A line per pair of models and metric; [] where there are no two models to compare."""
    import pandas as pd

    lines, asked = [], levels(frame)
    for level in asked:
        part = only(frame, level)
        pairs = compare.models(part)
        for column in METRICS if len(pairs) * len(asked) <= ALL_METRICS_UP_TO else METRICS[:1]:
            found = pairs if column == "latency_s" else compare.models(part, column)
            at_once = {"At once": level} if len(asked) > 1 else {}
            lines += [at_once | _pair(pair, column) for pair in found.to_dict("records") if pair["n_pairs"]]
    if not lines:
        return []
    table = pd.DataFrame(lines)
    empty = [name for name in table.columns if table[name].isin(["", text.MISSING]).all()]
    return [text.table(table.drop(columns=empty)), COMPARED]


COMPARED = (
    "Ratio: the model's value over the other's, geometric mean over pairs with the same prompt, load and round; for "
    "times below 1 is faster, for speeds above 1. Faster or slower: 5 % or more apart, with an interval off 1 after "
    "Holm's correction for the number of pairs. A tie: the interval lies inside [1/1.05, 1.05]. Else can't tell."
)


def _pair(pair: Mapping[str, Any], column: str) -> dict[str, Any]:
    more = pair["more_rounds"]
    return {
        "Metric": alt.quantity(column),
        "Model": pair["other"],
        "Against": pair["base"],
        "Verdict": pair["verdict"],
        "Ratio [95 % interval]": ratio(pair),
        "Pairs": pair["n_pairs"],
        "p (Holm)": p_value(pair["p_holm"]),
        "Rounds more to decide, about": text.MISSING if math.isnan(more) else text.number(float(more)),
        "Holds": pair["basis"],
        "Remark": pair["note"],
    }


def p_value(value: float) -> str:
    """A p value for people: three digits, "< 0.001", "n/a" for NaN."""
    return text.MISSING if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def outliers(frame: pd.DataFrame) -> list[str]:
    """How many of each model, and what probably caused them."""
    import pandas as pd

    frame = labelled(frame)
    good, causes = stats.usable(frame), odd.causes(frame)
    requests = frame.loc[good, "model"].value_counts()
    lines = [
        {
            "Model": model,
            "Cause, probably": cause,
            "Outliers": n,
            "Requests": requests[model],
        }
        for (model, cause), n in frame[causes != ""].groupby(["model", causes], sort=False).size().items()
    ]
    if not good.any():
        return []
    counted = [text.table(pd.DataFrame(lines))] if lines else [f"None in {alt.plural(good.sum(), 'request')}."]
    return [*counted, odd.OUTLIER_RULE]


def drift(frame: pd.DataFrame) -> list[str]:
    """Whether each model grew slower or faster while the run went on."""
    import pandas as pd

    lines = [
        {
            "Model": line["model"],
            "n": line["n"],
            "Kendall's tau": text.MISSING if math.isnan(line["tau"]) else f"{line['tau']:+.2f}",
            "p (Holm)": p_value(line["p_holm"]),
            "Latency during the run": _drifted(line),
        }
        for line in drifting.drift(labelled(frame)).to_dict("records")
    ]
    return [text.table(pd.DataFrame(lines))] if lines else []


def _drifted(line: Mapping[str, Any]) -> str:
    if math.isnan(line["p"]):
        return f"not judged below n = {drifting.DRIFT_FROM}"
    return f"it became {line['direction']}" if line["drifting"] else "no trend found"


def load(frame: pd.DataFrame, plan: Mapping[str, Any]) -> list[str]:
    """How many requests were under way, what the server delivered then, and how many were good enough."""
    import pandas as pd

    limits = tuple((plan.get("slo") or {}).items())
    points = traffic.load_points(frame, limits)
    if not len(points):
        return []
    single = bool(((points["concurrency"] == 1) & points["rate"].isna()).all())
    lines = [_point(point, limits, single) for point in points.to_dict("records")]
    said = ["Single stream: one request at a time." if single else "", _arrivals(plan)]
    if limits:
        said.append(f"A request is inside the limits with {alt.limits_text(limits)}; one that failed is outside.")
    bound = int(points["client_bound"].sum())
    if bound:
        said.append(
            f"{alt.plural(bound, 'request')} client bound: this client could not keep up, and what is measured there "
            "is its own limit."
        )
    said.append(_cached(frame))
    words = " ".join(filter(None, said))
    return [words, text.table(pd.DataFrame(lines)), THROUGHPUT]


THROUGHPUT = (
    "Throughput: the output tokens of usable replies that came while all streams were busy (from the start of the last "
    "of the first N requests to the first end after the last start), over that time; in an open loop, between the "
    "first and the last intended start. Pauses of the client are in neither."
)


def _cached(frame: pd.DataFrame) -> str:
    good = stats.usable(frame)
    k, n = int((frame.loc[good, "cached_tokens"] > 0).sum()), int(good.sum())
    if not k:
        return ""
    return (
        f"The server had (part of) the prompt in its cache for {k} of {alt.plural(n, 'request')}: their time to first "
        "token is shorter than that of a new prompt (--nonce begins each prompt differently)."
    )


def _arrivals(plan: Mapping[str, Any]) -> str:
    if plan.get("rate") is None:
        return ""
    kind = {"poisson": "at random (Poisson)", "constant": "evenly spaced"}.get(plan.get("arrivals"), "")
    each = f"{text.number(float(plan['rate']))} request{'s' * (plan['rate'] != 1)} each second"
    return (
        f"Open loop: {each}, {kind}. Times count from the intended start of a request, so that waiting in line counts."
    )


def _point(point: Mapping[str, Any], limits: Sequence[tuple[str, float]], single: bool) -> dict[str, Any]:
    line = {
        "Model": point["model"],
        "Load": load_name(point),
        "n": point["n_ok"],
        "Failed": point["n_failed"],
        "Throughput (tokens/s)": text.number(point["system_tps"]),
        "Replies per second": text.number(point["request_rate"]),
        **({} if single else {"Requests under way, mean": text.number(point["in_flight"])}),
    }
    for name, column in (("Median time to first token (s)", "ttft_s"), ("Median latency (s)", "latency_s")):
        known = {f"{column}_n": point["n_ok"], f"{column}_min": math.nan, f"{column}_max": math.nan}
        line[name] = _middle(point | known, column)
    line["Client bound"] = point["client_bound"]
    if limits and not math.isnan(point["goodput_k"]):
        low, high = 100 * point["goodput_low"], 100 * point["goodput_high"]
        inside = f"{point['goodput_k']:.0f} of {point['goodput_n']:.0f} (95 % interval: {low:.0f} to {high:.0f} %)"
        line["Inside the limits"] = inside
    return line


def _middle(point: Mapping[str, Any], column: str) -> str:
    if math.isnan(point[f"{column}_p50_low"]):
        return text.number(point[f"{column}_p50"])
    return median(point, column)


def load_name(point: Mapping[str, Any]) -> str:
    """A line of `traffic.load_points` in words: "single stream", "4 at once", "2 arriving per second"."""
    if not math.isnan(point["rate"]):
        return f"{text.number(float(point['rate']))} arriving per second"
    return "single stream" if point["concurrency"] == 1 else f"{point['concurrency']:.0f} at once"


def precision(plan: Mapping[str, Any], resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which cells are as precise as was asked, and what ended the others; [] where nothing was asked.

    resources: those of kind "precision" count: model, prompt_id, n, half_width_pct, asked_pct, stopped_by.
    """
    import pandas as pd

    last = {(r["model"], r["prompt_id"], r.get("load_index")): r for r in resources if r.get("kind") == "precision"}
    if not last:
        asked = plan.get("precision_pct")
        return [] if asked is None else [f"±{asked:g} % was asked for; the run ended before any cell was judged."]
    loads = len({load for _, _, load in last}) > 1
    lines = [
        {
            "Model": r["model"],
            "Prompt": r["prompt_id"],
            **({"Load": r.get("load_index")} if loads else {}),
            "n": r["n"],
            "Half width of the median's interval (%)": text.number(r["half_width_pct"]),
            "Asked (%)": text.number(float(r["asked_pct"])),
            "Ended by": STOPPED.get(r["stopped_by"], r["stopped_by"]),
        }
        for r in last.values()
    ]
    reached = sum(r["stopped_by"] == "precision" for r in last.values())
    ends = [r["stopped_by"] for r in last.values() if r["stopped_by"] != "precision"]
    others = ", ".join(f"{ends.count(end)} ended by {STOPPED.get(end, end)}" for end in dict.fromkeys(ends))
    said = f"{reached} of {len(last)} cells (a model and a prompt) are as precise as asked"
    said += f"; {others}." if others else "."
    return [text.markdown(said), text.table(pd.DataFrame(lines))]


def calibration(machine: Mapping[str, Any]) -> str:
    """How exact this machine's own timing was found to be, in the words of `calibrate.sentence`; else how to find out.

    machine: what machine.json holds; its "calibration" is what `calibrate.Calibration.to_json` wrote.
    """
    known = machine.get("calibration")
    if known:
        from slmbench import calibrate  # only here: it brings a server along

        with contextlib.suppress(ValueError):  # one that this version can't read
            return text.markdown(calibrate.sentence(calibrate.Calibration.from_json(json.dumps(known))))
    return "This machine's own timing error was not known when it ran; a quarter of a minute tells: slmbench calibrate"
