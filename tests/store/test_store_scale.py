"""The bench of many rows, with few: that it makes rows a run could have written, and counts them right."""

import dataclasses
from itertools import islice

import pandas as pd
import pytest
from made_runs import written

from bench import scale
from slmbench import store
from slmbench.records import LONG, Row


def test_the_rows_are_seeded_varied_and_such_as_a_run_writes(tmp_path):
    rows = list(islice(scale.rows(), 2000))
    assert rows[:5] == list(islice(scale.rows(), 5)) != list(islice(scale.rows(seed=1), 5))
    assert [Row.from_json(row.to_json()) for row in rows] == rows
    assert len({row.cell for row in rows}) == len({row.latency_s for row in rows}) == 2000
    assert {row.status for row in rows} == {"ok", "truncated"} and {row.load_index for row in rows} == {0, 1, 2}
    assert {len(row.chunk_s) for row in rows if row.status == "ok"} == {scale.TOKENS}
    path = written(tmp_path / "run", *rows[:50])
    pd.testing.assert_frame_equal(store.frame(path), store.read(path).frame().drop(columns=list(LONG)))


def test_a_line_for_each_size():
    lines = scale.measure((40, 20), repeats=1)
    assert [line.rows for line in lines] == [20, 40]
    assert all(line.peak_mb > 20 for line in lines)  # Python and pandas
    assert 0 < lines[0].file_mb < lines[1].file_mb < 40 * scale.ROW_BYTES / 1e6
    assert all(0 < line.load_s + line.summarise_s < line.whole_s for line in lines)


LINE = scale.Scale(1_000_000, 1700.0, 5.0, 1.0, 8.0, 8.0, 900.0, 6.0, 1.2)


@pytest.mark.parametrize(
    ("more", "missed"),
    [
        ({}, []),
        ({"load_s": 9.1}, ["1,000,000 rows took 10.1 s, at most 10 s were expected"]),
        ({"peak_mb": 2001.0}, ["1,000,000 rows took 2,001 MB, at most 2,000 MB were expected"]),
        ({"growth": 2.1}, ["a row of 1,000,000 took 2.1 times as long as one of the smallest run"]),
        ({"rows": 2_000_000, "load_s": 16.0, "peak_mb": 3000.0}, []),
    ],
    ids=str,
)
def test_what_misses_a_bound_is_said(monkeypatch, capsys, more, missed):
    line = dataclasses.replace(LINE, **more)
    assert line.missed() == missed
    monkeypatch.setattr(scale, "measure", lambda _: [line])
    assert scale.main([]) == (1 if missed else 0)
    assert capsys.readouterr().out.splitlines() == [*scale.table([line]).splitlines(), *missed]


def test_too_little_space_is_told_before_anything_is_written(monkeypatch, capsys):
    usage = scale.shutil.disk_usage(".")
    monkeypatch.setattr(scale.shutil, "disk_usage", lambda _: usage._replace(free=1e6))
    assert scale.main(["1000000"]) == 2
    assert "about 1,800 MB are needed for 1,000,000 rows" in capsys.readouterr().err
