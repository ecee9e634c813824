"""The run in data/: whole, small, nobody's secret, and as the notebook and its README tell it."""

import json
import re

import pytest

from slmbench import paths, store
from slmbench.analyse import compare, outliers, stats
from slmbench.records import Row

FILES = {"README.md", "machine.json", "plan.json", "resources.jsonl", "rows.jsonl"}
MACHINE = {  # what `machine.facts` writes, and what a run adds
    *("os", "os_version", "architecture", "cpu", "cores_logical", "cores_physical", "memory_mb", "memory_available_mb"),
    *("gpus", "on_battery", "python", "packages", "service", "calibration"),
}
PATH = re.compile(r"""(?:^|[\s"'=(])(?:~?/[\w.-]+/|[A-Za-z]:\\)""")  # an absolute one, where a word begins
MAX_BYTES = 1_250_000


@pytest.fixture(scope="module")
def folder():
    return paths.run_folder("example")


@pytest.fixture(scope="module")
def run(folder):
    return store.read(folder)


@pytest.fixture(scope="module")
def rows(run):
    return run.frame()


def test_it_is_small_and_holds_a_runs_files_only(folder):
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert FILES <= sizes.keys() <= FILES | {"prompts.json"}
    assert sum(sizes.values()) < MAX_BYTES


def test_every_line_is_a_row_that_writes_itself_again(folder, run):
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(run.rows) == len(lines)
    assert all(json.loads(Row.from_json(line).to_json()).items() >= json.loads(line).items() for line in lines)


def test_all_that_was_asked_was_answered(run, rows):
    timed = rows[rows.phase == "timed"]
    assert set(rows.status) == {"ok"}
    assert timed.groupby(["model", "prompt_id"]).size().unique().tolist() == [run.plan["rounds"]]
    assert (timed.groupby("model").size() >= 72).all()  # all that stats.claim has to say of a p95
    assert set(timed.model) == set(run.plan["models"]) == {r["model"] for r in run.resources if r["kind"] == "load"}
    assert set(timed.prompt_id) == {p["id"] for p in run.plan["prompts"]}
    assert rows["order"].tolist() == list(range(len(rows)))
    assert set(rows[rows.phase == "warmup"].model) <= set(timed.model)


def test_times_are_in_order_and_tokens_the_servers(rows):
    assert (rows.ttft_s > 0).all() and (rows.ttft_s < rows.latency_s).all()
    assert set(rows.token_source) == {"server"}
    assert all(row.chunk_s[0] == row.ttft_s and row.chunk_s[-1] == row.latency_s for row in rows.itertuples())
    assert all(row.chunk_s == sorted(row.chunk_s) for row in rows.itertuples())


def test_the_models_did_not_take_turns_in_blocks(rows):
    timed = rows[rows.phase == "timed"]
    assert (timed.model != timed.model.shift()).mean() > 0.5


def test_nothing_in_it_tells_whose_machine_it_was(folder, run):
    assert run.machine.keys() <= MACHINE
    for path in folder.iterdir():
        found = PATH.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found.group()}"
    assert run.plan["endpoint"]["url"].startswith("http://127.0.0.1:")


def test_the_pattern_finds_paths_and_no_addresses():
    assert all(PATH.search(text) for text in ('"/home/me/x"', "in ~/runs/a", r'"C:\\me"', "--out=/mnt/x/y"))
    assert not any(PATH.search(text) for text in ("http://127.0.0.1:5273/catalogs/local/v1", "and/or", "data/x/y"))


def test_the_readme_names_models_numbers_and_licence(folder, run):
    readme = (folder / "README.md").read_text(encoding="utf-8")
    timed = sum(row.phase == "timed" for row in run.rows)
    for words in (*run.plan["models"], f"{timed} timed", "Apache-2.0", run.machine["cpu"], run.plan["command"]):
        assert words in readme, words


def test_what_was_disturbed_on_purpose_shows(folder, rows):
    told = re.search(r"at the positions (\d+) to (\d+)", (folder / "README.md").read_text(encoding="utf-8"))
    first, last = map(int, told.groups())
    caused = rows.loc[outliers.causes(rows) == "other load on the machine", "order"]
    assert caused.between(first, last).sum() >= 5
    assert 0.02 < (last - first) / len(rows) < 0.2


def test_faster_depends_on_what_one_waits_for(rows):
    """As the notebook ends: of the two nearest models one has the first token earlier, the other writes faster."""
    pair = rows[rows.model.isin(["smollm2-135m-int4", "smollm2-135m-int8"])]
    verdicts = {
        column: compare.models(pair, column, base="smollm2-135m-int4").verdict.item()
        for column in ("ttft_s", "decode_tps")
    }
    assert verdicts == {"ttft_s": "faster", "decode_tps": "slower"}
    assert stats.usable(rows).sum() == (rows.phase == "timed").sum()
