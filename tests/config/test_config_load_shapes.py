"""Settings of load, precision and limits: the forms in which they are accepted, and what does not go together."""

import dataclasses
import json

import pytest

from slmbench import config
from slmbench.config import plans
from slmbench.config.limits import limits, limits_text
from slmbench.config.values import Origin
from slmbench.errors import UsageError
from support.plans import settings

TTFT_TPOT = (("ttft_s", 0.5), ("tpot_s", 0.1))


@pytest.mark.parametrize(
    ("given", "found"),
    [(4, (4,)), ("4", (4,)), ([1, 2, 4], (1, 2, 4)), ((8, 1), (8, 1)), ("1,2,4", (1, 2, 4)), (" 512 , 1 ", (512, 1))],
    ids=str,
)
@pytest.mark.parametrize("given_as", ["parameter", "option"])
def test_concurrency_as_a_number_a_list_or_with_commas(given, found, given_as):
    got = config.settings(environ={}, given_as=given_as, concurrency=given)
    assert got.concurrency == found
    assert got.to_dict()["concurrency"] == (found[0] if len(found) == 1 else list(found))


@pytest.mark.parametrize(
    "given",
    [
        "ttft=500ms,tpot=100ms",
        " tpot = 0.1 s , ttft=0.5s ",
        "tpot=100000us,ttft=500000µs",
        "ttft=500MS,tpot=100Ms",
        {"tpot_s": 0.1, "ttft_s": 0.5},
        '{"ttft_s": 0.5, "tpot_s": 0.1}',
        [["tpot_s", 0.1], ["ttft_s", 0.5]],
        TTFT_TPOT,
    ],
    ids=str,
)
@pytest.mark.parametrize("given_as", ["parameter", "option"])
def test_limits_have_one_form_inside_however_they_are_written(given, given_as):
    got = config.settings(environ={}, given_as=given_as, slo=given)
    assert got.slo == TTFT_TPOT
    assert got.to_dict()["slo"] == {"ttft_s": 0.5, "tpot_s": 0.1}


@pytest.mark.parametrize(
    ("slo", "text"),
    [
        ((), ""),
        (TTFT_TPOT, "ttft=500ms,tpot=100ms"),
        ((("ttfa_s", 2.0), ("latency_s", 90.25)), "ttfa=2s,latency=90.25s"),
        ((("tpot_s", 0.000001),), "tpot=0.001ms"),
        ((("latency_s", 86400.0),), "latency=86400s"),
        ((("ttft_s", 1 / 3),), "ttft=333.3333333333333ms"),
    ],
)
def test_limits_as_text_and_back(slo, text):
    assert limits_text(slo) == text
    assert not slo or limits(text, Origin("slo", "test", "cure")) == slo


def test_a_millisecond_is_the_same_time_as_its_seconds():
    """9 * 0.001 is not the float 0.009; a resumed run must not find that its limit has changed."""
    for number in range(1, 2000):
        assert limits(f"ttft={number}ms", Origin("slo", "test", "cure")) == (("ttft_s", number / 1000),)


@pytest.mark.parametrize(
    "run",
    [
        {"concurrency": [1, 2], "slo": {"latency_s": 2}, "retries": 2, "nonce": True},
        {"concurrency": "1, 2", "slo": "latency=2s", "retries": 2, "nonce": True},
    ],
)
def test_a_file_may_hold_them(tmp_path, run):
    (tmp_path / "m.json").write_text(json.dumps({"run": run}), encoding="utf-8")
    got = config.settings(tmp_path / "m.json", environ={})
    assert (got.concurrency, got.slo, got.retries, got.nonce) == ((1, 2), (("latency_s", 2.0),), 2, True)


def test_null_in_a_file_is_as_if_unsaid(tmp_path):
    said = {"rate": None, "slo": None, "budget_s": None, "precision_pct": None}
    (tmp_path / "m.json").write_text(json.dumps({"run": said}), encoding="utf-8")
    assert config.settings(tmp_path / "m.json", environ={}) == config.settings(environ={})


def test_numbers_become_what_the_plan_holds():
    got = config.settings(environ={}, given_as="option", rate="2", arrivals="constant", nonce=True)
    assert (got.rate, type(got.rate), got.arrivals, got.nonce) == (2.0, float, "constant", True)
    got = config.settings(environ={}, precision_pct=5, budget_s=60, retries=1)
    assert (got.precision_pct, type(got.precision_pct), got.budget_s, got.retries) == (5.0, float, 60.0, 1)


# parameters, then fragments of the message
REFUSED = {
    "no request at once": ({"concurrency": 0}, ["concurrency (parameter)", "0 was found", "from 1 to 512"]),
    "too many": ({"concurrency": 513}, ["concurrency (parameter)", "513 was found"]),
    "too many of several": ({"concurrency": "1,513"}, ["concurrency (parameter)", "513 in place 2 was found"]),
    "twice": ({"concurrency": [2, 1, 2]}, ["concurrency (parameter)", "2 twice was found", "each number once"]),
    "none": ({"concurrency": []}, ["concurrency (parameter)", "an empty list"]),
    "a comma at the end": ({"concurrency": "1,"}, ["concurrency (parameter)", '"" in place 2 was found']),
    "half a request": ({"concurrency": 1.5}, ["concurrency (parameter)", "1.5 was found", "a whole number"]),
    "a float": ({"concurrency": [1, 2.0]}, ["concurrency (parameter)", "2.0 in place 2 was found"]),
    "truth": ({"concurrency": True}, ["concurrency (parameter)", "true was found"]),
    "an object": ({"concurrency": {"a": 1}}, ["concurrency (parameter)", "an object was found"]),
    "no rate": ({"rate": 0}, ["rate (parameter)", "0 was found", "above 0 and up to 10000"]),
    "a negative rate": ({"rate": -2.5}, ["rate (parameter)", "-2.5 was found"]),
    "a rate beyond any server": ({"rate": 10001}, ["rate (parameter)", "10001 was found"]),
    "a rate that is none": ({"rate": float("nan")}, ["rate (parameter)", "nan was found"]),
    "arrivals": ({"rate": 1, "arrivals": "uniform"}, ["arrivals (parameter)", "one of poisson, constant"]),
    "arrivals as a number": ({"arrivals": 5}, ["arrivals (parameter)", "5 was found"]),
    "too precise": ({"precision_pct": 0.05}, ["precision_pct (parameter)", "0.05 was found", "from 0.1 to 50"]),
    "not precise": ({"precision_pct": 51}, ["precision_pct (parameter)", "51 was found"]),
    "no budget": ({"precision_pct": 5, "budget_s": 0}, ["budget_s (parameter)", "0 was found", "above 0"]),
    "retries": ({"retries": 11}, ["retries (parameter)", "11 was found", "from 0 to 10"]),
    "fewer than none": ({"retries": -1}, ["retries (parameter)", "-1 was found"]),
    "a nonce as text": ({"nonce": "1"}, ["nonce (parameter)", '"1" was found', "true or false"]),
    "an unknown limit": ({"slo": "tfft=1s"}, ["slo (parameter)", 'unknown limit "tfft"; did you mean "ttft"?']),
    "a column as name": ({"slo": "ttft_s=1s"}, ['unknown limit "ttft_s"; did you mean "ttft"?']),
    "a name as column": ({"slo": {"ttft": 1}}, ['unknown limit "ttft"; did you mean "ttft_s"?']),
    "a limit without unit": ({"slo": "ttft=500"}, ["slo (parameter)", "ttft=500 was found", "with its unit"]),
    "another unit": ({"slo": "ttft=1min"}, ["ttft=1min was found", "s, ms or us"]),
    "a limit below": ({"slo": "ttft=-1s"}, ["ttft=-1s was found"]),
    "a limit of no time": ({"slo": "ttft=0s"}, ["ttft_s: 0.0 was found", "from 0.000001 to 86400 seconds"]),
    "a limit beyond a day": ({"slo": {"ttft_s": 10**400}}, ["ttft_s: a number of more than 18 digits"]),
    "a limit twice": ({"slo": "ttft=1s,ttft=2s"}, ["ttft_s twice was found", "each limit once"]),
    "a limit twice in JSON": ({"slo": '{"ttft_s": 1, "ttft_s": 2}'}, ["ttft_s twice was found"]),
    "a limit that is no number": ({"slo": {"ttft_s": "500ms"}}, ['ttft_s: "500ms" was found', "a number of seconds"]),
    "a limit that is NaN": ({"slo": '{"ttft_s": NaN}'}, ["ttft_s: nan was found"]),
    "no limit": ({"slo": ""}, ["slo (parameter)", '"" was found', "ttft=500ms"]),
    "half a limit": ({"slo": "ttft=1s,"}, ["slo (parameter)", '"" was found']),
    "broken JSON": ({"slo": '{"ttft_s": '}, ["slo (parameter)", "was found", '{"ttft_s": 0.5}']),
    "limits as a number": ({"slo": 0.5}, ["slo (parameter)", "0.5 was found"]),
    "a rate of several": ({"rate": 5, "concurrency": 8}, ["rate (parameter): 5 was found beside 8 for concurrency"]),
    "a rate of a sweep": ({"rate": 5, "concurrency": [1, 2]}, ["5 was found beside 1,2 for concurrency (parameter)"]),
    "retries at a rate": (
        {"rate": 5, "retries": 2},
        ["retries (parameter): 2 was found beside 5 for rate (parameter)"],
    ),
    "arrivals alone": ({"arrivals": "constant"}, ["arrivals (parameter): constant was found without a rate"]),
    "a budget alone": ({"budget_s": 60}, ["budget_s (parameter): 60 was found", "ends what precision_pct asks for"]),
    "precision of several": (
        {"precision_pct": 5, "concurrency": 2},
        ["precision_pct (parameter): 5 was found beside 2 for concurrency (parameter)", "one request at a time"],
    ),
    "precision at a rate": ({"precision_pct": 5, "rate": 1.5}, ["5 was found beside 1.5 for rate (parameter)"]),
    "first tokens unseen": (
        {"slo": "ttft=1s,latency=9s", "stream": False},
        ["slo (parameter): a limit on ttft_s was found", "see stream (parameter)"],
    ),
}


@pytest.mark.parametrize(("given", "fragments"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(given, fragments):
    with pytest.raises(UsageError) as caught:
        config.settings(environ={}, **given)
    for fragment in fragments:
        assert fragment in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.cure


def test_a_clash_names_the_options_as_they_were_typed():
    with pytest.raises(UsageError, match=r"--budget-s \(option\): 60 .* --budget-s ends what --precision") as caught:
        config.settings(environ={}, given_as="option", budget_s="60")
    assert caught.value.cure == "Add --precision with the percentage, or leave --budget-s out."
    with pytest.raises(UsageError, match=r"see BENCH_STREAM \(environment variable\)"):
        config.settings(environ={"BENCH_STREAM": "0"}, slo="tpot=1s")


def test_arrivals_that_are_typed_ask_for_a_rate_even_if_they_are_the_default():
    """A notebook's parameters always say them; who types them believes that there is an open loop."""
    assert config.settings(environ={}, arrivals="poisson").arrivals == "poisson"
    with pytest.raises(UsageError, match=r"--arrivals \(option\): poisson was found without a rate"):
        config.settings(environ={}, given_as="option", arrivals="poisson")


@pytest.mark.parametrize("more", [{"rate": 1.0, "concurrency": (2,)}, {"budget_s": 9.0}, {"arrivals": "constant"}])
def test_a_clash_is_refused_however_the_settings_are_made(more):
    with pytest.raises(UsageError, match=f"^{next(iter(more))}: "):
        dataclasses.replace(config.settings(environ={}), **more)


SHAPES = [
    {"concurrency": (4,)},
    {"concurrency": (1, 2, 16), "retries": 3, "nonce": True},
    {"rate": 2.5},
    {"rate": 0.1, "arrivals": "constant"},
    {"precision_pct": 2.5, "budget_s": 90.0},
    {"slo": (("ttft_s", 0.25), ("latency_s", 10.0))},
    {"stream": False, "slo": (("latency_s", 1 / 3),), "deadline_s": 12.3456789},
]


@pytest.mark.parametrize("more", SHAPES, ids=str)
def test_options_ask_for_the_settings_they_were_made_from(tmp_path, more):
    """Over a file that says something else, too."""
    (tmp_path / "m.json").write_text(json.dumps({"run": {"retries": 1, "nonce": True, "max_tokens": 7}}), "utf-8")
    (tmp_path / "bare.json").write_text('{"run": {}}', "utf-8")
    for file in (config.read_models(tmp_path / "m.json"), config.read_models(tmp_path / "bare.json")):
        wanted = settings(**more)
        words = config.as_options(wanted, file)
        given, at = {}, 0
        while at < len(words):
            name = words[at].removeprefix("--").replace("-", "_")
            if name.removeprefix("no_") in ("stream", "nonce"):
                given[name.removeprefix("no_")] = not name.startswith("no_")
                at += 1
            else:
                given["precision_pct" if name == "precision" else name] = words[at + 1]
                at += 2
        got = config.settings(file, environ={}, given_as="option", prompts=wanted.prompts, **given)
        assert dataclasses.replace(got, prompts_from="test") == wanted


def test_options_that_are_as_by_default_are_left_out():
    words = config.as_options(settings(rounds=3), config.read_models())
    assert words == ["--rounds", "3", "--max-tokens", "96", "--temperature", "0", "--seed", "0", "--deadline-s", "10"]


def test_a_plan_of_an_older_version_is_the_same_plan():
    new = config.settings(environ={}).to_dict()
    old = {name: value for name, value in new.items() if name not in plans._UNSAID}
    assert len(new) - len(old) == 8
    assert plans.changes(old, new) == plans.changes(new, old) == []
    assert plans.changes(old, new | {"concurrency": 2}) == ["concurrency: 1 -> 2"]


GROWTH = {
    "a larger budget": ({"budget_s": 60.0}, {"budget_s": 90.0}, []),
    "no budget": ({"budget_s": 60.0}, {"budget_s": None}, []),
    "a smaller budget": ({"budget_s": 60.0}, {"budget_s": 30.0}, ["budget_s: 60.0 -> 30.0"]),
    "a budget after none": ({}, {"budget_s": 30.0}, ["budget_s: null -> 30.0"]),
    "narrower": ({}, {"precision_pct": 2.0}, ["precision_pct: 5.0 -> 2.0"]),
    "a precision after none": ({"precision_pct": None}, {"precision_pct": 2.0}, []),
    "no precision after one": ({}, {"precision_pct": None}, ["precision_pct: 5.0 -> null"]),
    "more levels": ({"concurrency": [1, 2]}, {"concurrency": [4, 1, 2]}, []),
    "levels after one": ({"concurrency": 2}, {"concurrency": [1, 2]}, []),
    "fewer levels": ({"concurrency": [1, 2]}, {"concurrency": 2}, ["concurrency: [1, 2] -> 2"]),
    "another rate": ({"rate": 1.0}, {"rate": 2.0}, ["rate: 1.0 -> 2.0"]),
    "other limits": ({"slo": {}}, {"slo": {"ttft_s": 0.5}}, ['slo: {} -> {"ttft_s": 0.5}']),
    "retries": ({}, {"retries": 1}, ["retries: 0 -> 1"]),
    "a nonce": ({}, {"nonce": True}, ["nonce: false -> true"]),
}


@pytest.mark.parametrize(("old", "new", "told"), GROWTH.values(), ids=GROWTH)
def test_what_of_a_plan_may_grow(old, new, told):
    base = {"rounds": 3, "precision_pct": 5.0}
    assert plans.changes(base | old, base | new) == told


def test_in_what_two_plans_differ():
    one = config.settings(environ={}, prompts=["a", "b"], models="x").to_dict() | {"endpoint": {"url": "here"}}
    other = config.settings(environ={}, prompts=["a", "c", "d"], models="x,y", rounds=2).to_dict()
    other |= {"started_at": "later", "endpoint": {"url": "there"}}
    assert plans.differences(one, other) == [
        'models: ["x"] -> ["x", "y"]',
        "rounds: 3 -> 2",
        "prompts with another text: p2",
        "prompts in the second run only: p3",
    ]
    assert plans.differences(one, one) == []
