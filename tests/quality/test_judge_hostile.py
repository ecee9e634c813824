"""A judge's server that misbehaves, and a judge that goes by another name: nothing is lost, asked twice, or untold."""

import json
from types import SimpleNamespace

import pytest

from slmbench import config, judging
from slmbench.errors import UsageError
from slmbench.quality import judge, scores, verdict
from slmbench.quality.items import Item, Pair
from support.judged import run_with, saved
from support.replies import plain
from support.server import HOLD, Drip, Server

KEY = "sk-canary-0123456789/+abc"
ANSWER = {"reason": "fine", "aspects": [True, False], "score": 4}
REFUSED = {"error": {"message": "unknown field response_format"}}


def answered(value, status="200 OK"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return [plain(body, status, "application/json")]


def completion(text, finish="stop"):
    message = {"role": "assistant", "content": text}
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": {"prompt_tokens": 5}}


GOOD = answered(completion(json.dumps(ANSWER)))


class Listing:
    """Lists models by id, and answers each chat request by a function of its body, which is kept."""

    def __init__(self, answer, *ids):
        self.answer, self.ids, self.bodies = answer, ids or ("judge",), []

    def __call__(self, request):
        if request.method == "GET":
            return answered({"object": "list", "data": [{"id": name} for name in self.ids]})
        self.bodies.append(json.loads(request.body))
        return self.answer(self.bodies[-1]) if callable(self.answer) else self.answer


@pytest.fixture
def folder(tmp_path):
    return run_with(tmp_path / "run", {(m, p): f"{m} on {p}" for m in "ab" for p in "pq"})


def judged(listing, folder, alias="judge", told=None, **how):
    with Server(listing) as server:
        say = (lambda _: None) if told is None else told.append
        return list(judging.judge_run(folder, alias, endpoint=f"{server.root}/v1", say=say, **how))


def test_an_answer_is_not_lost_to_a_failed_request(folder):
    before = judged(Listing(GOOD), folder)
    again = judged(Listing(answered({}, "503 Busy")), folder, again=True)
    assert [s.status for s in again] == ["failed"] * 4
    assert scores.read_scores(folder) == before and before[0].status == "ok"


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": {"a": 1}}',
        b'{"choices": {"0": 1}}',
        b'{"choices": "text"}',
        b'{"choices": [{"message": "text"}]}',
        b'{"choices": [{"message": {"content": ["text"]}}]}',
        b"[" * 200_000,
        b"null",
        b"[]",
        b'{"id": ' + b"1" * 5000 + b"}",
        b'{"choices": "\xff"}',
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_whatever_a_server_sends_is_a_row_and_the_rest_goes_on(folder, body):
    found = judged(Listing(answered(body)), folder)
    assert [s.status for s in found] == ["failed"] * 4 and scores.read_scores(folder) == found


def test_an_endless_answer_leaves_the_scores_of_people_readable(folder):
    found = judged(Listing(answered(completion("x" * 2_000_000))), folder)
    assert {(s.status, len(s.reply)) for s in found} == {("unparsable", judge.REPLY_MAX)}
    assert "2,000,000 characters" in found[0].error and scores.read_scores(folder) == found
    assert judged(Listing(answered(b" " * 9_000_000)), folder, again=True)[0].status == "failed"


@pytest.mark.parametrize("then", [Drip(b" ", 0.05, forever=True), HOLD], ids=["drips", "holds"])
def test_a_request_ends_at_its_deadline(folder, monkeypatch, then):
    monkeypatch.setattr(judging, "DEADLINE_S", 0.3)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    [one] = judged(Listing([head, then]), folder, replies=1)
    assert one.status == "failed" and "within 0.3 s" in one.error


def test_a_redirect_is_not_followed(folder):
    asked = []
    with Server(lambda request: asked.append(request) or GOOD) as other:
        place = f"HTTP/1.1 307 Go\r\nLocation: {other.root}/v1/chat/completions\r\nContent-Length: 0\r\n\r\n"
        [one] = judged(Listing([place.encode()]), folder, replies=1)
    assert one.status == "failed" and asked == []


@pytest.mark.parametrize(("message", "n"), [("the prompt is too long", 1), ("out of memory", 1), ("bad grammar", 2)])
@pytest.mark.parametrize("status", ["400 Bad", "500 Oops"])
def test_only_who_refuses_the_form_by_name_is_asked_without(folder, status, message, n):
    listing = Listing(answered({"error": {"message": message}}, status))
    [one] = judged(listing, folder, replies=1)
    assert (one.status, len(listing.bodies)) == ("failed", n)


def test_who_has_refused_the_form_once_is_not_asked_with_it_again(folder):
    listing = Listing(lambda body: answered(REFUSED, "400 Bad") if "response_format" in body else GOOD)
    found = judged(listing, folder)
    assert [s.flags for s in found] == [["form_not_forced"]] * 4 and len(listing.bodies) == 5


def test_a_refusal_that_is_named_late_is_heard(folder):
    long = {"error": {"message": "x" * 1000 + " failed to create: Error creating grammar"}}
    listing = Listing(lambda body: answered(long, "500 Oops") if "response_format" in body else GOOD)
    assert judged(listing, folder, replies=1)[0].flags == ["form_not_forced"]


def test_an_answer_that_the_token_limit_has_ended_says_so(folder):
    [one] = judged(Listing(answered(completion('{"reason": "x', "length"))), folder, replies=1)
    assert one.status == "unparsable" and one.error.startswith("ended by the token limit: ")


def test_a_key_written_with_escapes_is_in_no_reason(folder, monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    text = json.dumps(ANSWER).replace("fine", escaped)
    [one] = judged(Listing(answered(completion(text))), folder, replies=1)
    assert (one.status, one.explanation, one.flags) == ("ok", "[key removed]", ["key_removed"])
    assert all(KEY not in str(value) for value in saved(folder)[0].values())


@pytest.mark.parametrize(
    ("alias", "ids"), [("a", ("a:1",)), ("a:1", ("a:1",)), ("A", ("a:1",)), ("a:2", ("a:1", "a:2"))]
)
def test_its_own_replies_are_told_by_whatever_name_it_is_called(folder, alias, ids):
    told = []
    found = judged(Listing(GOOD, *ids), folder, alias, told)
    assert {s.models[0]: s.flags for s in found} == {"a": ["self_judged"], "b": []}
    assert sum(line.startswith("Careful: ") for line in told) == 1


@pytest.mark.parametrize(
    ("alias", "model_id", "own", "kin"),
    [
        ("x", "served-x:3", {"x"}, {"y", "z"}),
        ("served-x", "served-x:4", {"x"}, {"y", "z"}),
        ("y", "y", {"y"}, {"x", "z"}),
        ("smollm2-135m-int8", "smollm2-135m-int8:1", set(), {"smollm2-135m-int4-1thread"}),
        ("smollm2-135m-int4-1thread:1", "smollm2-135m-int4-1thread:1", {"smollm2-135m-int4-1thread"}, set()),
        ("other", "other:1", set(), set()),
    ],
)
def test_who_is_of_the_same_weights(alias, model_id, own, kin):
    names = ("x", "y", "z", "smollm2-135m-int4-1thread")
    entries = {"y": {"alias": "y", "variant_of": "x"}, "z": {"alias": "z", "variant_of": "x"}}
    targets = [{"alias": "x", "id": "served-x:3"}, {"alias": "y", "id": None}]
    plan = {"models": list(names), "entries": entries, "targets": targets}
    target = SimpleNamespace(alias=alias, id=model_id)
    assert judging.related(target, plan, config.read_models()) == (own, kin)


def test_pairs_of_a_run_without_any_are_refused_before_anything_is_asked(tmp_path):
    alone = run_with(tmp_path / "alone", {("a", "p"): "text"})
    listing = Listing(GOOD)
    with pytest.raises(UsageError, match="no two different replies"):
        judged(listing, alone, compare=True)
    assert listing.bodies == []
    with Server(listing) as server:
        found = judging.judge_if_asked(alone, "judge", endpoint=f"{server.root}/v1", say=lambda _: None)
    assert [s.task for s in found] == ["score"]


PROMPT = config.Prompt("p", "Say why.", ("says what",))
RUBRIC = config.Rubric("r", "Is it good?", ("bad", "poor", "fair", "good", "best"))
ONE, OTHER = (Item(name, PROMPT, RUBRIC, name) for name in ("i1", "i2"))


@pytest.mark.parametrize("one", [ONE, Pair("p1", ONE, OTHER)])
def test_the_reason_comes_before_what_it_is_for_also_where_keys_are_sorted(one):
    keys = list(verdict.schema(one)["properties"])
    assert keys == sorted(keys) and keys[-2] == "reason"
    form = verdict.asked(one)[1]["content"].rpartition("Its keys: ")[2]
    assert [form.index(f'"{key}"') for key in keys] == sorted(form.index(f'"{key}"') for key in keys)


@pytest.mark.parametrize("one", [ONE, Pair("p1", ONE, OTHER)])
def test_no_answer_stands_there_to_be_copied(one):
    assert "{" not in verdict.asked(one)[1]["content"]
