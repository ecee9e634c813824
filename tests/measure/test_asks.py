"""What a plan asks: cells, blocks, and the beginnings that keep a prefix cache out."""

import json

from slmbench.measure import asks
from support.plans import PROMPTS, settings, targets

ALL = targets("http://127.0.0.1:1/v1", "a", "b", "c")


def key(ask):
    return ask.target.alias, ask.prompt.id, ask.round, ask.streams


def test_one_at_a_time_is_one_block_of_all_models():
    [block] = asks.blocks(ALL, settings(rounds=3), 0)
    assert block == asks.timed_order(ALL, settings(rounds=3), 0)
    assert len({ask.target.alias for ask in block[:6]}) > 1  # shuffled, not a model after the other


def test_several_streams_are_a_block_for_each_model_and_level():
    found = asks.blocks(ALL, settings(rounds=3, concurrency=(1, 4)), 0)
    assert [{(a.target.alias, a.streams) for a in block} for block in found[:1]] == [{("a", 1), ("b", 1), ("c", 1)}]
    assert [len({(a.target.alias, a.streams) for a in block}) for block in found[1:]] == [1, 1, 1]
    assert sorted(block[0].target.alias for block in found[1:]) == ["a", "b", "c"]
    every = [key(a) for block in found for a in block]
    assert len(every) == len(set(every)) == 3 * 2 * 3 * 2
    assert asks.count(ALL, settings(rounds=3, concurrency=(1, 4))) == len(every) + 3 + 3 * 3  # warm-ups, company


def test_what_an_earlier_part_has_finished_is_not_counted_again():
    plan = settings(rounds=2, warmup=1, concurrency=(1, 4))
    cells = [asks.cell_of(ask, plan) for block in asks.blocks(ALL[:1], plan, 0) for ask in block]
    assert asks.count(ALL[:1], plan) == len(cells) + 1 + 3 == 12
    assert asks.count(ALL[:1], plan, {"another cell"}) == 12
    assert asks.count(ALL[:1], plan, set(cells[1:])) == 1 + 1  # one at a time needs no company
    assert asks.count(ALL[:1], plan, set(cells[:-1])) == 1 + 1 + 3
    assert asks.count(ALL[:1], plan, set(cells)) == 0


def test_the_company_of_a_block_fills_the_other_streams():
    plan = settings(rounds=1, concurrency=(4,))
    block = asks.blocks(ALL[:1], plan, 2)[0]
    company = asks.company(block, plan)
    assert [(a.phase, a.prompt.id, a.load_index, a.streams) for a in company] == [
        ("cooldown", "p1", 2, 4),
        ("cooldown", "p2", 2, 4),
        ("cooldown", "p1", 2, 4),
    ]
    assert len({asks.cell_of(a, plan) for a in [*block, *company]}) == len(block) + 3
    assert asks.company(block, settings(rate=5.0)) == []


def test_an_open_loop_is_a_block_for_each_model():
    found = asks.blocks(ALL, settings(rounds=2, rate=5.0), 0)
    assert [len(block) for block in found] == [4, 4, 4]
    assert [len({a.target.alias for a in block}) for block in found] == [1, 1, 1]


def test_blocks_of_a_level_come_in_an_order_that_the_seed_decides():
    orders = {
        tuple(block[0].target.alias for block in asks.blocks(ALL, settings(concurrency=(4,), seed=n), 0))
        for n in range(9)
    }
    assert len(orders) > 1


def test_the_cell_knows_the_load_shape():
    ask = asks.Ask(ALL[0], PROMPTS[0], "timed", 0, 0)
    four = asks.Ask(ALL[0], PROMPTS[0], "timed", 0, 0, streams=4)
    cells = {
        asks.cell_of(ask, settings()),
        asks.cell_of(four, settings(concurrency=(4,))),
        asks.cell_of(ask, settings(rate=2.0)),
        asks.cell_of(ask, settings(rate=3.0)),
        asks.cell_of(ask, settings(rate=3.0, arrivals="constant")),
        asks.cell_of(ask, settings(nonce=True)),
    }
    assert len(cells) == 6
    for more in (
        {"precision_pct": 5.0, "budget_s": 9.0},
        {"retries": 2, "slo": (("ttft_s", 0.5),)},
        {"concurrency": (1, 4)},
    ):
        assert asks.cell_of(ask, settings(**more)) == asks.cell_of(ask, settings())  # changes no single request


def test_a_nonce_begins_every_request_differently_and_is_the_same_for_every_model():
    asked = settings(rounds=4, nonce=True)
    order = asks.timed_order(ALL, asked, 0) + asks.timed_order(ALL, asked, 1)
    texts = {}
    for ask in order:
        text = json.loads(asks.payload(ask, asked))["messages"][0]["content"]
        assert text.endswith(f"] {ask.prompt.text}") and text[0] == "["
        texts.setdefault((ask.prompt.id, ask.round, ask.load_index), set()).add(text)
    assert all(len(of_all_models) == 1 for of_all_models in texts.values())
    assert len(set.union(*texts.values())) == len(texts) == 2 * 4 * 2
    starts = {text[:9] for of_all in texts.values() for text in of_all}
    assert len(starts) == len(texts)  # they differ from the first tokens on
    assert asks.text_of(order[0], asked, "another run") not in texts.values()
    assert asks.text_of(order[0], settings()) == order[0].prompt.text
