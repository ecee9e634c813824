"""Small plans to run against a scripted server."""

from __future__ import annotations

from collections import Counter

from slmbench.config import Prompt, Settings
from slmbench.endpoint.rest import RestError
from slmbench.endpoint.target import Target
from support.replies import behaved, good, head, plain

PROMPTS = (Prompt("p1", "One?"), Prompt("p2", "Two?"))


class Loader:
    """Loads nothing, and notes what it was asked for. bad: aliases that can't be loaded."""

    def __init__(self, bad=()):
        self.bad, self.calls = bad, []

    def load(self, target):
        self.calls.append(("load", target.alias))
        if target.alias in self.bad:
            raise RestError("http_500", "not enough memory", "stop other models")
        return 0.25

    def unload(self, target):
        self.calls.append(("unload", target.alias))

    def revive(self, targets):
        """The scripted server never ends."""


def settings(**given):
    return Settings(**{"prompts": PROMPTS, "prompts_from": "test", "rounds": 2, "deadline_s": 10.0} | given)


def targets(base_url, *aliases):
    return [Target(alias, f"{alias}:1", base_url, device="cpu") for alias in aliases]


def cells(rows):
    return [(r.model, r.prompt_id, r.round, r.load_index) for r in rows if r.phase == "timed" and r.prompt_id]


def broken(alias, status="500 Internal Server Error", good_first=0):
    """Answers well, but for one model after its first few requests."""
    seen = Counter()

    def reply(asked):
        seen[asked["model"]] += 1
        if asked["model"] == f"{alias}:1" and seen[asked["model"]] > good_first:
            return [plain({"error": {"message": "out of memory"}}, status)]
        return [head(), good()]

    return behaved(reply=reply)
