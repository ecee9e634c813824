"""What the tests of hostile texts open in a browser: an endpoint that says them, notebooks that show them, a report."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from slmbench.records import Row
from support import hostile
from support.replies import DONE, behaved, delta, events, head, message, plain, usage
from support.server import Request, Script

MAIN = Path(__file__).parents[2] / "notebooks" / "session03_benchmark_oss_models.ipynb"
MODELS = ("img-onerror", "out-of-attribute", "mathtext", "md-image")  # an endpoint may list any printable name
PROMPTS = ("script", "mathjax-link", "md-table")
FIRST = """\
import json
import pandas as pd
from IPython.display import Markdown
from slmbench.analyse import stats, teach
from slmbench.errors import UsageError
from slmbench.records import Row, to_frame
from slmbench.show import board, live, plots, report, tables, theme, tokens, verdict
from slmbench.show.text import fenced, markdown, plain
theme.apply()
pd.set_option("display.max_colwidth", 200, "display.max_rows", 500)
texts = json.load(open("texts.json", encoding="utf-8"))
kept = {name: text for name, text in texts.items() if text == plain(text, keep="\\n\\t") and len(text) < 3000}
rows = [Row.from_json(line) for line in open("rows.jsonl", encoding="utf-8")]
frame = to_frame(rows)"""
CELLS = {  # every way in which the kit's notebooks show a text
    "print": 'for name, text in texts.items():\n    print(plain(f"[{name}] {text}", keep="\\n"))',
    "frame": 'pd.DataFrame(kept.items(), columns=["name", "text"])',
    "headers": "pd.DataFrame([range(len(kept))], columns=list(kept.values())).T",
    "list": "list(texts.values())[:-2]",
    "table": 'report.table(stats.summarise(frame), [], {}).set_index("Model").T',
    "verdict": 'print(*verdict.headline(frame), sep="\\n")\nprint(plain(teach.sentences(frame), keep="\\n"))',
    "picture": 'plots.picture(frame, "latency_by_model")',
    "replay": "tokens.replay(frame)",
    "chart": "with live.LiveChart(len(rows)) as chart:\n    for row in rows:\n        chart.update(row)",
    "waiting": "waiting = live.LiveChart(2, live=True)\nwaiting.update(rows[0])",
    "board": 'board.show(["."], scale="normal")',
    "board-prompts": 'board.show(["."], scale="normal", view="prompts")',
    "styled": 'tables.styled(pd.DataFrame(texts.items(), columns=["name", "text"])[:-2]).format(precision=1)',
    "styled-headers": "tables.styled(pd.DataFrame([range(len(kept))], columns=list(kept.values())).T)",
    "markdown": 'Markdown("\\n".join(f"- {markdown(text)}" for text in list(texts.values())[:-2]))',
    "fenced": 'Markdown("\\n\\n".join(fenced(text) for text in list(texts.values())[:-2]))',
    "error": 'raise UsageError(texts["img-onerror"] + texts["mathtext"], texts["ansi-cursor"])',
}
NAIVE = {  # what an attendee may write, and what runs what a model has said
    "style": 'pd.DataFrame(kept.items(), columns=["name", "text"]).style.format(precision=1)',
    "style-headers": "pd.DataFrame([range(len(kept))], columns=list(kept.values())).T.style",
    "markdown": "Markdown(texts['img-onerror'] + '\\n\\n' + texts['md-image'])",
    "html": "from IPython.display import HTML\nHTML(texts['script'])",
}


def endpoint(texts: dict[str, str]) -> Callable[[Request], Script]:
    """A server whose models have hostile names, and that gives one hostile text after the other as a reply."""
    said = itertools.cycle(texts.values())

    def reply(asked: dict) -> Script:
        text = next(said)
        if not asked.get("stream"):
            return [plain(message(text))]
        pieces = [text[i : i + 9] for i in range(0, min(len(text), 900), 9)]
        chunks = [delta(piece) for piece in pieces] + [delta(finish="stop"), usage()]
        return [head(), events(*map(json.dumps, chunks)) + DONE]  # in ASCII: there are halves of characters

    return behaved(*(texts[name] for name in MODELS), reply=reply)


def main_notebook(folder: Path, address: str, texts: dict[str, str]) -> str:
    """A copy of the kit's main notebook for that endpoint. returns: its name."""
    prompts = folder / "prompts.json"
    prompts.write_text(json.dumps([texts[name] for name in PROMPTS]), encoding="utf-8")
    given: dict[str, object] = {"endpoint": address, "prompts": str(prompts), "rounds": 1, "acceleration": ""}
    notebook = nbformat.read(MAIN, 4)
    [cell] = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    for name, value in given.items():
        cell.source, found = re.subn(
            rf"(?m)^({name}: str = ).*?(?=  #)", lambda match, value=value: match[1] + repr(value), cell.source
        )
        assert found == 1, name
    nbformat.write(notebook, folder / MAIN.name)
    return MAIN.name


def text_notebook(folder: Path, texts: dict[str, str], rows: Sequence[Row], name: str, cells: dict[str, str]) -> str:
    """A notebook that shows each text in each way. returns: its name."""
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    (folder / "rows.jsonl").write_text("".join(f"{row.to_json()}\n" for row in rows), encoding="ascii")
    words = [text for text in texts.values() if len(text) < 3000]
    plan = {"command": words[0], "rounds": 1, "prompts": [{"id": f"p{n}", "text": w} for n, w in enumerate(words)]}
    plan["targets"] = [{"alias": word, "id": word, "reason": None} for word in words]
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")  # the folder is a run, too
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for title, source in {"first": FIRST, **cells}.items():
        more = {"tags": ["raises-exception"]} if title == "error" else {}
        notebook.cells.append(nbformat.v4.new_code_cell(source, id=f"cell-{title}", metadata=more))
    nbformat.write(notebook, folder / name)
    return name


def texts_for(port: int) -> dict[str, str]:
    """All texts by name, the two long ones last. port: of the canary."""
    return {h.name: h.text for h in hostile.corpus(port)}
