"""What a report says about the resources that each model takes: to load, to hold, and to write a reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.show import text
from slmbench.show.sections import entry, rounded

if TYPE_CHECKING:
    import pandas as pd

MEMORY = {
    "rss_before_mb": "RSS before (MB)",
    "rss_loaded_mb": "RSS loaded (MB)",
    "rss_after_mb": "RSS after replies (MB)",
    "uss_before_mb": "USS before (MB)",
    "uss_loaded_mb": "USS loaded (MB)",
    "uss_after_mb": "USS after replies (MB)",
}
PEAKS = {"rss_peak_mb": "RSS at most (MB)", "uss_peak_mb": "USS at most (MB)", "gpu_memory_mb": "GPU memory (MB)"}
REMARKS = {"footprint": "alone, in a process of its own", "load": "in the service that was measured"}
WORK = (
    "One reply of each model, alone, after a first one that is not counted: CPU seconds are those of the server's "
    "processes, on all cores, prompt included."
)


def footprint(
    summary: pd.DataFrame,
    resources: Sequence[Mapping],
    entries: Mapping[str, Any],
    machine: Mapping[str, Any],
    plan: Mapping[str, Any],
) -> list[str]:
    """Load time, memory and disk, a line per measurement; what a reply took; what models.json says of each model.

    machine, plan: what machine.json and plan.json hold.
    """
    import pandas as pd

    lines = []
    taken = [r for r in resources if r.get("kind") != "precision"]
    peaks = {name: title for name, title in PEAKS.items() if any(r.get(name) is not None for r in taken)}
    for record in taken:
        line = {"Model": record["model"], "Load (s)": rounded(record.get("load_s"))}
        line |= {title: rounded(record.get(name)) for name, title in (MEMORY | peaks).items()}
        line["Disk (MB)"] = rounded(record.get("disk_mb"))
        kind = record.get("kind")
        lines.append(line | {"Remark": record.get("error") or REMARKS.get(kind) or kind or ""})
    blocks = [text.table(pd.DataFrame(lines)) if lines else "Not measured in this run."]
    worked = [_worked(record) for record in taken if record.get("work_tokens")]
    blocks += [WORK, text.table(pd.DataFrame(worked).dropna(axis="columns", how="all"))] if worked else []
    said = list(acceleration(plan, machine, resources))
    blocks += [text.bullets(said)] if said else []
    known = [
        {
            "Model": model,
            "Name": entry(entries, model, "display_name") or text.MISSING,
            "Licence": entry(entries, model, "licence") or text.MISSING,
            "Disk (MB), as listed": rounded(entry(entries, model, "size_mb")),
            "Capabilities, as listed": ", ".join(entry(entries, model, "capabilities") or ()) or text.MISSING,
        }
        for model in summary["model"]
    ]
    listed = "As models.json lists them; not measured here:"
    return [*blocks, listed, text.table(pd.DataFrame(known))] if known else blocks


def _worked(record: Mapping[str, Any]) -> dict[str, Any]:
    device = " ".join(filter(None, (record.get("device"), record.get("execution_provider"))))
    return {
        "Model": record["model"],
        "Ran on": device or text.MISSING,
        "Output tokens": record["work_tokens"],
        "Seconds": rounded(record.get("work_s")),
        "CPU seconds per 1,000 output tokens": rounded(record.get("cpu_s_per_1k_tokens")),
        "Energy (J)": rounded(record.get("energy_j")),
        "Power, mean (W)": rounded(record.get("power_w")),
        "Energy, counted by": record.get("energy_method"),
    }


def acceleration(
    plan: Mapping[str, Any], machine: Mapping[str, Any], resources: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Whether a GPU that is there was used, and whether one that a model is made for was: a sentence for each doubt."""
    gpus = [gpu.get("name") or "a GPU" for gpu in machine.get("gpus") or ()]
    asked = [target for target in plan.get("targets") or () if target.get("reason") is None]
    on_gpu = [target["alias"] for target in asked if target.get("device") == "gpu"]
    if gpus and asked and not on_gpu:
        yield f"This machine has {', '.join(gpus)}, and no model of this run used it: all ran on the CPU or an NPU."
    for alias in on_gpu:
        held = [r["gpu_memory_mb"] for r in resources if r["model"] == alias and r.get("gpu_memory_mb") is not None]
        if held and not max(held):
            yield f"{alias} is a model for the GPU, and its process held no GPU memory: it probably ran on the CPU."
        elif not held and not gpus:
            yield f"{alias} is a model for the GPU; nothing on this machine tells whether one was used."
