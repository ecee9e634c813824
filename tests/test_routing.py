"""The router: the cheapest that can, another one where it fails, and reasons where none is left."""

import pytest

from slmbench import routing
from slmbench.analyse.keeping import kept
from slmbench.config import read_models
from slmbench.errors import KitError, UsageError
from slmbench.routing import NoRoute, Route, Router
from support.made_candidates import candidates

ROUTES = [
    Route("big", ("chat", "code"), 9.0),
    Route("small", ("chat",), 1.0),
    Route("odd", ("chat",), 0.5, None, ("quality",)),
]


def test_the_cheapest_that_has_what_is_needed_and_keeps_to_the_limits():
    router = Router(ROUTES)
    assert router.models(["chat"]) == ["small", "big"] and router.models(["code"]) == ["big"]
    assert router.models() == ["small", "big"]


def test_no_model_for_it_names_those_that_would_do():
    with pytest.raises(NoRoute) as none:
        Router(ROUTES).models(["vision"])
    assert none.value.exit_code == 1 and "no model of this table has vision" in str(none.value)
    able = [e.alias for e in read_models().entries.values() if "vision" in e.capabilities]
    assert any(alias in str(none.value) for alias in able)


def test_one_that_is_kept_out_is_told_with_its_limit():
    with pytest.raises(NoRoute, match="odd is kept out by quality"):
        Router(ROUTES[2:]).models(["chat"])


def test_an_unknown_need_is_refused():
    with pytest.raises(UsageError, match="did you mean 'code'"):
        Router(ROUTES).models(["coed"])


def test_where_a_model_fails_the_next_one_answers():
    asked = []

    def ask(model, prompt):
        asked.append((model, prompt))
        if model == "small":
            raise KitError("out of memory", "stop other models")
        return "hello"

    reply = Router(ROUTES).ask("Hi", ["chat"], ask)
    assert (reply.model, reply.text, asked) == ("big", "hello", [("small", "Hi"), ("big", "Hi")])
    assert "out of memory" in reply.failed["small"]


def test_other_errors_are_not_taken_for_a_models():
    with pytest.raises(ZeroDivisionError):
        Router(ROUTES).ask("Hi", [], lambda *_: 1 / 0)


def test_when_all_fail_each_reason_is_told():
    with pytest.raises(NoRoute, match="small: an empty reply; big: an empty reply"):
        Router(ROUTES).ask("Hi", [], lambda *_: " ")


def test_the_table_of_a_run_and_back_from_its_file(tmp_path):
    models = candidates(
        {"a": {"latency": 1, "tps": 20.0, "memory": 9000.0}, "b": {"latency": 1, "tps": 50.0, "memory": 10.0}}
    )
    entries = {"a": read_models().entries["phi-4-mini"]}
    limits = kept(models.table, {"memory_mb": 8000})
    table = routing.table(models, limits, entries, [])
    assert table["cheap_by"] == "s_per_1k_tokens"
    assert [(r["model"], r["price"], r["kept_out"]) for r in table["routes"]] == [
        ("b", 20.0, []),
        ("a", 50.0, ["memory_mb"]),
    ]
    assert table["routes"][1]["capabilities"] == list(entries["a"].capabilities)
    routing.write(tmp_path, table)
    assert Router.read(tmp_path).routes == Router.of(table).routes
    cpu = [{"model": "a", "cpu_s_per_1k_tokens": 3.0}, {"model": "b", "cpu_s_per_1k_tokens": 7.0}]
    table = routing.table(models, limits, entries, cpu)
    assert [r["model"] for r in table["routes"]] == ["a", "b"] and table["cheap_by"] == "cpu_s_per_1k_tokens"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"routes": []}', "missing"),
        ('{"cheap_by": "luck", "routes": []}', "luck"),
        ("[", "JSON"),
        (None, "routing.json"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, text, said):
    if text is not None:
        (tmp_path / "routing.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        Router.read(tmp_path)
