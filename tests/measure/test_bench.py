"""A plan of many requests: their order, what is kept of each, and what happens when some fail."""

import dataclasses
import json
from collections import Counter

import pytest

from slmbench import store
from slmbench.config import Prompt
from slmbench.endpoint.target import Target
from slmbench.errors import UsageError
from slmbench.measure import asks, bench
from slmbench.records import OK, Row
from support.plans import PROMPTS, Loader, broken, cells, settings, targets
from support.replies import behaved, good, head, plain
from support.server import Server


def test_the_order_is_a_permutation_that_the_seed_decides():
    wanted = targets("http://127.0.0.1:1/v1", "a", "b", "c")
    first, again = (asks.timed_order(wanted, settings(rounds=4, seed=1), 0) for _ in range(2))
    other = asks.timed_order(wanted, settings(rounds=4, seed=2), 0)
    later = asks.timed_order(wanted, settings(rounds=4, seed=1), 1)
    assert first == again
    assert len({(a.target.alias, a.prompt.id, a.round) for a in first}) == len(first) == 3 * 2 * 4
    keys = [[(a.target.alias, a.prompt.id, a.round) for a in order] for order in (first, other, later)]
    assert sorted(keys[0]) == sorted(keys[1]) == sorted(keys[2])
    assert keys[0] != keys[1] and keys[0] != keys[2] and keys[0] != sorted(keys[0])


def test_every_request_is_a_row(measure):
    rows, requests = measure(behaved("a", "b"), "a", "b", warmup=1)
    assert len(requests) == len(rows) == asks.count(targets("", "a", "b"), settings(warmup=1)) == 2 * (1 + 2 * 2)
    sent = Counter((json.loads(r.body)["model"], json.loads(r.body)["messages"][0]["content"]) for r in requests)
    assert sent == {(f"{m}:1", p.text): 2 + (p.id == "p1") for m in "ab" for p in PROMPTS}
    assert sorted(cells(rows)) == [(m, p, n, 0) for m in "ab" for p in ("p1", "p2") for n in (0, 1)]
    assert [r.order for r in rows] == list(range(10))


def test_a_row_says_what_was_asked_and_what_came(measure, tmp_path):
    rows, requests = measure(behaved("a"), "a", warmup=0, rounds=1, max_tokens=5, temperature=0.5, seed=9)
    row = rows[0]
    asked = json.loads(requests[0].body)
    assert [asked[name] for name in ("model", "max_tokens", "temperature", "seed")] == ["a:1", 5, 0.5, 9]
    assert (row.run, row.model, row.model_id, row.device, row.attempt, row.status) == ("run", "a", "a:1", "cpu", 1, OK)
    assert (row.text, row.output_tokens, row.finish_reason, row.concurrency) == ("Hello!", 3, "stop", 1)
    assert 0 < row.ttft_s <= row.latency_s and len(row.chunk_s) == 3
    assert row.started_at.endswith("+00:00") and (row.host_cpu_pct is None or 0 <= row.host_cpu_pct <= 100)
    assert store.read(tmp_path / "run").rows == rows


def test_a_row_is_on_disk_when_it_is_yielded(tmp_path):
    with (
        Server(behaved("a")) as server,
        store.RunFolder.open(tmp_path / "run", {}, {}) as folder,
    ):
        for number, row in enumerate(bench.run(targets(f"{server.root}/v1", "a"), settings(), Loader(), folder), 1):
            lines = (tmp_path / "run" / "rows.jsonl").read_bytes().splitlines()
            assert (len(lines), len(server.posts)) == (number, number)
            assert Row.from_json(lines[-1]) == row


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_warm_up_rows_are_exactly_n_for_each_load(measure, warmup):
    rows, requests = measure(behaved("a", "b"), "a", "b", warmup=warmup, loads=2, rounds=1)
    warm = Counter((r.model, r.load_index) for r in rows if r.phase == "warmup")
    assert warm == ({(m, load): warmup for m in "ab" for load in (0, 1)} if warmup else {})
    assert len(requests) == len(rows) == 2 * 2 * (warmup + 2)
    assert {r.prompt_id for r in rows if r.phase == "warmup"} <= {"p1"}
    for load in (0, 1):  # all of a load's warm-ups come before its timed requests
        phases = [r.phase for r in rows if r.load_index == load]
        assert phases == sorted(phases, reverse=True)


def test_models_are_loaded_afresh_for_each_load(measure, tmp_path):
    loader = Loader()
    measure(behaved("a"), "a", loader=loader, loads=2, rounds=1, warmup=0)
    assert loader.calls == [("unload", "a"), ("load", "a")] * 2
    found = store.read(tmp_path / "run").resources
    assert [(r["kind"], r["model"], r["load_index"], r["load_s"]) for r in found] == [
        ("load", "a", 0, 0.25),
        ("load", "a", 1, 0.25),
    ]


def test_loads_that_are_not_ours_to_do_are_refused_before_any_request(tmp_path):
    with Server(behaved("a")) as server, store.RunFolder.open(tmp_path / "run", {}, {}) as folder:
        wanted = [*targets(f"{server.root}/v1", "a"), Target("gone", reason="not here")]
        with pytest.raises(UsageError, match=r"loads: 3 was found, 1 was expected: .*/v1 has no way to load a afresh"):
            list(bench.run(wanted, settings(loads=3), Loader(), folder))
        assert (server.requests, folder.rows) == ([], [])
        asks.check(wanted, settings(loads=1))
        asks.check(wanted[1:], settings(loads=3))  # nobody to load


def test_a_single_load_unloads_nothing(measure):
    loader = Loader()
    measure(behaved("a", "b"), "a", "b", loader=loader)
    assert loader.calls == [("load", "a"), ("load", "b")]


def test_a_model_that_keeps_failing_is_given_up_and_the_others_go_on(measure):
    rows, requests = measure(broken("b"), "a", "b", "c", rounds=5, warmup=0)
    of_b = [r for r in rows if r.model == "b"]
    assert [r.status for r in of_b] == ["http_500"] * 3 + ["skipped"]
    assert (of_b[-1].prompt_id, of_b[-1].round, of_b[-1].phase) == (None, None, "timed")
    assert of_b[-1].error == "3 failed in a row; the last: out of memory"
    assert [r.status for r in rows if r.model != "b"] == [OK] * 20
    assert len(requests) == 23


def test_failures_that_are_not_in_a_row_give_nothing_up(measure):
    turns = iter([[plain({}, "500 Oops")], [plain({}, "500 Oops")], [head(), good()]] * 4)
    rows, _ = measure(behaved(reply=lambda _: next(turns)), "a", rounds=6, warmup=0)
    assert Counter(r.status for r in rows) == {"http_500": 8, OK: 4}


def test_a_failed_warm_up_counts_against_nobody(measure):
    first = iter([[plain({}, "500 Oops")]] * 3)
    rows, _ = measure(behaved(reply=lambda _: next(first, [head(), good()])), "a", warmup=3)
    assert [r.status for r in rows] == ["http_500"] * 3 + [OK] * 4


def test_a_model_that_cannot_be_had_is_one_skipped_row(measure):
    gone = Target("gemma-2-2b", reason="not in the catalogue; nearest there: gemma-4-e2b-it")
    rows, requests = measure(behaved("a"), "a", more=[gone], warmup=0)
    [skipped] = [r for r in rows if r.model == "gemma-2-2b"]
    assert (skipped.status, skipped.prompt_id, skipped.error) == ("skipped", None, gone.reason)
    assert len(requests) == len(rows) - 1 == 4


def test_an_endpoint_that_is_at_fault_has_its_status(measure):
    rows, requests = measure(behaved(), more=[Target("a", reason="nothing answers", fault="refused")])
    assert [(r.status, r.error, r.prompt_id) for r in rows] == [("refused", "nothing answers", None)]
    assert requests == []


def test_a_model_that_cannot_be_loaded_is_skipped(measure):
    rows, requests = measure(behaved("a"), "a", "big", loader=Loader(bad=["big"]), loads=2, warmup=0)
    [skipped] = [r for r in rows if r.model == "big"]
    assert (skipped.status, skipped.load_index) == ("skipped", 0)
    assert "can't be loaded: not enough memory" in skipped.error
    assert len(requests) == len(rows) - 1 == 2 * 4


def test_two_prompts_with_one_text_are_two_measurements(measure):
    rows, _ = measure(behaved("a"), "a", prompts=(Prompt("p1", "Same?"), Prompt("p2", "Same?")), rounds=2, warmup=0)
    assert Counter(r.prompt_id for r in rows) == {"p1": 2, "p2": 2}


def test_without_a_stream_there_is_a_latency_but_no_ttft(measure):
    rows, requests = measure(behaved("a"), "a", stream=False, warmup=0, rounds=1)
    assert json.loads(requests[0].body)["stream"] is False
    assert [(r.status, r.ttft_s, r.ttfa_s, r.chunk_s, r.output_tokens) for r in rows] == [(OK, None, None, None, 3)] * 2
    assert all(r.latency_s > 0 and r.text == "Hello!" for r in rows)


def test_a_short_deadline_is_kept_for_each_request(measure):
    from support.server import HOLD

    rows, _ = measure(behaved(reply=lambda _: [head(), HOLD]), "a", deadline_s=0.1, warmup=0, rounds=1)
    assert [r.status for r in rows] == ["timeout"] * 2


def test_the_cell_tells_what_can_be_compared():
    asked, [target] = settings(), targets("http://127.0.0.1:1/v1", "a")
    ask = asks.Ask(target, PROMPTS[0], "timed", 0, 0)
    others = [
        asks.cell_of(dataclasses.replace(ask, **{name: value}), asked)
        for name, value in (("prompt", PROMPTS[1]), ("phase", "warmup"), ("round", 1), ("load_index", 1))
    ]
    others += [
        asks.cell_of(dataclasses.replace(ask, target=dataclasses.replace(target, **more)), asked)
        for more in ({"id": "a:2"}, {"device": "gpu"})
    ]
    others += [
        asks.cell_of(ask, settings(**more))
        for more in ({"max_tokens": 1}, {"temperature": 1.0}, {"seed": 5}, {"stream": False})
    ]
    mine = asks.cell_of(ask, asked)
    assert len({mine, *others}) == 1 + len(others)
    elsewhere = dataclasses.replace(target, base_url="http://127.0.0.1:2/v1")  # the port may change between two parts
    assert asks.cell_of(dataclasses.replace(ask, target=elsewhere), settings(rounds=9)) == mine


def test_keys_go_out_as_headers(tmp_path):
    with Server(behaved("a")) as server, store.RunFolder.open(tmp_path / "run", {}, {}) as folder:
        wanted = targets(f"{server.root}/v1", "a")
        list(bench.run(wanted, settings(), Loader(), folder, headers={"Authorization": "Bearer k"}))
    assert {r.headers["authorization"] for r in server.posts} == {"Bearer k"}
    assert b"Bearer" not in (tmp_path / "run" / "rows.jsonl").read_bytes()
