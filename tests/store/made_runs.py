"""Small run folders, written as a run writes them."""

from slmbench import store
from slmbench.records import Row

PLAN = {"models": ["a"], "prompts": [{"id": "p1", "text": "Hi"}], "rounds": 2, "max_tokens": 8, "temperature": 0.0}


def row(number, **more):
    return Row(run="r", cell=f"c{number}", model="a", text=f"reply {number} नमस्ते", **more)


def opened(path, plan=PLAN, **more):
    return store.RunFolder.open(path, plan, {"os": "test"}, **more)


def written(path, *rows):
    with opened(path) as folder:
        for one in rows:
            folder.append(one)
    return path
