"""From a run folder to a choice, and what is kept of it."""

import json

import pytest

from slmbench import choosing, config, paths, routing, store
from slmbench.errors import UsageError
from slmbench.quality.items import items
from slmbench.quality.runs import working_copy
from slmbench.quality.scores import HUMAN, save, score_of
from slmbench.show import choice as telling
from support.judged import run_with


@pytest.fixture
def quality(tmp_path):
    return working_copy(paths.QUALITY, tmp_path)


def test_the_shipped_run_with_its_scores(quality):
    found = choosing.evidence(quality)
    decision = choosing.decide(found)
    assert decision.choice.winner == "smollm2-135m-int4"
    # the author's mean scores, by hand: 37, 22 and 33 points; two prompts of the plan weigh half
    points = {m: found.scores[m] for m in found.candidates.models}
    weights = {p["id"]: p["weight"] for p in found.run.plan["prompts"]}
    for model, of in points.items():
        mean = sum(of[p] * weights[p] for p in of.index) / sum(weights[p] for p in of.index)
        shown = found.candidates.table.set_index("model").loc[model, "quality"]
        assert shown == pytest.approx(mean)
    assert set(decision.routes.values()) == {"smollm2-135m-int4-rtn"}  # cheap, and bad: no limit keeps it out
    assert decision.saving.quality < 0 < 1 - decision.saving.ratio


def test_a_limit_on_quality_changes_the_routes(quality):
    found = choosing.evidence(quality)
    decision = choosing.decide(found, config.with_changes(config.read_selection(), limits="quality=1.5"))
    assert set(decision.routes.values()) == {"smollm2-135m-int4"}
    none = choosing.decide(found, config.with_changes(config.read_selection(), limits="quality=4"))
    assert none.choice.winner is None and set(none.routes.values()) == {None} and none.saving is None


def test_what_is_kept_is_strict_json_and_is_what_the_report_tells_of_later(quality):
    found = choosing.evidence(quality)
    assert choosing.chosen(quality) is None
    selection = config.with_changes(config.read_selection(), weights="quality=0", limits="ttft_s=none")
    choosing.keep(quality, choosing.decide(found, selection))
    kept = json.loads((quality / "choice.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert kept["winner"] == "smollm2-135m-int4-rtn" and kept["rivals"][0]["verdict"] in ("ahead", "tie", "can't tell")
    _, again = choosing.chosen(quality)
    assert again.selection == selection and again.choice.winner == kept["winner"]
    assert routing.Router.read(quality).models(["summarise"])[0] == kept["routes"]["release-date"]


def test_scores_that_come_later_change_the_choice(tmp_path):
    reply = {"number": 0}  # the same round of both, so that they have requests in common
    replies = {(m, f"p{i}"): reply | {"text": f"{m} {i}", "latency": 1.0 + (m == "b")} for i in range(8) for m in "ab"}
    folder = run_with(tmp_path / "run", replies)
    assert choosing.decide(choosing.evidence(folder)).choice.winner == "a"
    liked = {"a": 1, "b": 5}
    save(folder, [score_of(one, HUMAN, "Ana", score=liked[one.models[0]]) for one in items(store.read(folder))])
    assert choosing.decide(choosing.evidence(folder)).choice.winner == "b"


def test_a_run_without_a_usable_reply_has_nothing_to_choose_from(tmp_path):
    folder = run_with(tmp_path / "run", {("a", "p"): {"status": "timeout", "error": "120 s"}})
    with pytest.raises(UsageError, match="no timed request of this run has a usable reply"):
        choosing.evidence(folder)


def test_the_smallest_and_the_biggest(quality, tmp_path):
    assert choosing.sizes(choosing.evidence(quality)) == ("smollm2-135m-int4-rtn", "smollm2-135m-int8")
    assert choosing.sizes(choosing.evidence(run_with(tmp_path / "run", {("a", "p"): "x"}))) is None
    with pytest.raises(UsageError, match=r"pair \(parameter\): 'foo' was found"):
        choosing.sizes(choosing.evidence(quality), "smollm2-135m-int8,foo")


def test_routes_that_go_against_the_choice_are_told(quality):
    found = choosing.evidence(quality)
    told = " ".join(telling.departing(choosing.decide(found)))
    assert "9 of 9 prompts go to smollm2-135m-int4-rtn, which the choice puts behind smollm2-135m-int4." in told
    assert "cost quality, beyond chance" in told
    kept = config.with_changes(config.read_selection(), limits="quality=1.5")
    assert telling.departing(choosing.decide(found, kept)) == []
