"""What a model takes: the report's tables, and doubts about a GPU. Made-up records: this machine has no GPU."""

import pandas as pd

from slmbench.show import taken

RECORD = {"kind": "footprint", "model": "a", "load_s": 1.0, "rss_peak_mb": 512.0, "device": "cpu"}
RECORD |= {"execution_provider": "CPUExecutionProvider", "work_tokens": 64, "work_s": 1.25, "cpu_s_per_1k_tokens": 37.5}
SUMMARY = pd.DataFrame({"model": ["a"]})
TARGET = {"alias": "a", "device": "cpu", "reason": None}


def page(*records, gpus=(), target=TARGET):
    return "\n".join(taken.footprint(SUMMARY, records, {}, {"gpus": list(gpus)}, {"targets": [target]}))


def test_peaks_and_work_have_columns_where_they_were_measured():
    new = page(RECORD)
    assert "RSS at most (MB)" in new and "| 512 |" in new and "USS at most" not in new
    assert "| a | cpu CPUExecutionProvider | 64 | 1.25 | 37.5 |" in new and "Energy" not in new
    old = page({"kind": "footprint", "model": "a", "load_s": 1.0})
    assert "at most" not in old and taken.WORK not in old


def test_energy_is_told_with_what_counted_it():
    told = page(RECORD | {"energy_j": 42.0, "power_w": 33.6, "energy_method": "RAPL package"})
    assert "| Energy (J) | Power, mean (W) | Energy, counted by |" in told and "| 42 | 33.6 | RAPL package |" in told


def test_a_gpu_that_nobody_used_is_said():
    gpu = {"name": "RTX 4000 (made up)"}
    assert "has RTX 4000 (made up), and no model of this run used it" in page(RECORD, gpus=[gpu])
    assert "used it" not in page(RECORD, gpus=[gpu], target=TARGET | {"device": "gpu"})


def test_a_model_for_the_gpu_that_held_none_of_its_memory_is_doubted():
    on_gpu = TARGET | {"device": "gpu"}
    assert "probably ran on the CPU" in page(RECORD | {"gpu_memory_mb": 0.0}, target=on_gpu)
    assert "probably" not in page(RECORD | {"gpu_memory_mb": 900.0}, target=on_gpu)
    assert "nothing on this machine tells" in page(RECORD, target=on_gpu)
    assert "nothing" not in page(RECORD, target=on_gpu | {"reason": "not fetched"})
