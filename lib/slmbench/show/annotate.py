"""The annotator: replies are judged in the notebook, blind, by mouse or by keys, and each judgement is on disk at once.

`annotate.js` is its face: it shows texts as text, never as HTML, and asks nothing of any server. What a judgement is,
and which reply comes next, is `quality.annotation`'s; this module carries words and clicks between the two.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from slmbench.config import Rubric
from slmbench.errors import KitError
from slmbench.quality.annotation import NAME_MAX, Annotation, checked_name
from slmbench.show import quality_plots
from slmbench.show.front import has_front_end
from slmbench.show.text import plain

HERE = Path(__file__).parent
SCORES = tuple((str(n), str(n), n) for n in range(1, 6))  # key, label, value
CHOICES = (
    ("1", "Left is better", "left"),
    ("2", "Right is better", "right"),
    ("3", "Equally good", "tie"),
    ("4", "Both are bad", "both_bad"),
)
KEYS = (
    ("Enter", "save, and go to the next"),
    ("Ctrl+Enter", "the same, from inside the note"),
    ("Esc", "leave the note"),
    ("u", "undo: go back to the one before, to change it"),
    ("Tab, Space", "move on, and tick"),
    ("?", "show or hide this"),
)
BLIND = "You will not see which model wrote a reply until you have judged them all."


class Panel(anywidget.AnyWidget):
    """The widget. view: what is shown, as plain JSON; draft: what is chosen and not saved; picture: PNG, at the end."""

    _esm = HERE / "annotate.js"
    _css = HERE / "annotate.css"
    view = traitlets.Dict().tag(sync=True)
    draft = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)

    def __init__(self, annotator: str, **how: Any):
        """annotator: a name; "" asks for one. how: as for `Annotation`, and theme and scale as for `theme.params`."""
        self._look = how.pop("theme", "light"), how.pop("scale", "normal")
        self._how, self._turn, self._said = how, 0, 0
        self._lock = threading.Lock()  # newer kernels call from other threads
        self.annotation: Annotation | None = None
        probe = Annotation(annotator=annotator or "nobody", **how)  # a run that can't be judged is told of now
        self._n = len(probe.todo)
        if annotator:
            self.annotation = probe
        super().__init__()
        self._show("")
        self.on_msg(self._hear)

    def _hear(self, _: object, message: Any, __: object = None) -> None:
        """What was pressed, from the browser."""
        with self._lock:
            name, said = "", "Not saved: something went wrong in here; the notebook's log tells what."
            try:
                if not isinstance(message, dict) or message.get("turn") != self.view["turn"]:
                    said = ""  # of a view that is not shown any more
                elif message.get("do") == "begin" and self.annotation is None:
                    name = message.get("name")
                    self.annotation = Annotation(annotator=checked_name(name), **self._how)
                    said = ""
                    self._turn += 1
                else:
                    said = self._do(message)
            except KitError as e:
                said = f"{e.message} {e.cure}" if e.cure else e.message
            finally:  # an error of our own goes on to the log
                self._show(said, name)

    def _do(self, message: Mapping[str, Any]) -> str:
        annotation = self.annotation
        if annotation is None:
            return ""
        if message.get("do") == "save":
            annotation.keep(message.get("draft") or {})
            said = annotation.save(message.get("spent_s"))
        elif message.get("do") == "undo":
            said = annotation.undo()
        else:
            return ""
        self._turn += not said
        return said

    def _show(self, said: str, name: Any = "") -> None:
        self._said += 1
        self.picture = b""
        self.view = self._view(said, name if isinstance(name, str) else "")
        if self.view["phase"] == "done":  # after the words: drawing takes longer
            self.picture = quality_plots.png_of(self.annotation, *self._look)

    def _view(self, said: str, name: str) -> dict[str, Any]:
        """All that the browser is told. No model's name is in it before everything is judged."""
        base = {"turn": self._turn, "said": self._said, "message": shown(said), "keys": KEYS, "task": "score"}
        annotation = self.annotation
        if annotation is None:
            what = f"{self._n} {'pairs of replies' if self._how.get('compare') else 'replies'} to judge"
            return base | {"phase": "name", "title": what, "about": BLIND, "annotator": name[:NAME_MAX], "options": []}
        base["task"] = "pair" if annotation.compare else "score"
        one = annotation.current
        if one is None:
            return base | self._end(annotation)
        pair = annotation.compare
        sides = annotation.sides
        draft, rubric = annotation.draft, one.rubric
        options = CHOICES if pair else SCORES
        labels = ("Left", "Right") if pair else ("Reply",)
        again = " (judged already; saving changes it)" if one.id in annotation.scores else ""
        return base | {
            "phase": "judge",
            "title": f"{'Pair' if pair else 'Reply'} {annotation.at + 1} of {len(annotation.todo)}{again}",
            "count": f"{annotation.n_done} of {len(annotation.todo)} judged by {shown(annotation.annotator)}",
            "n": len(annotation.todo),
            "done": annotation.n_done,
            "prompt": shown(one.prompt.text),
            "replies": [
                {"label": label, "text": shown(side.text), "cut": side.cut}
                for label, side in zip(labels, sides, strict=True)
            ],
            "question": shown(rubric.question),
            "options": [
                {"key": key, "label": label, "value": value, "anchor": "" if pair else shown(rubric.anchors[value - 1])}
                for key, label, value in options
            ],
            "aspects": [shown(aspect) for aspect in one.prompt.aspects],
            "ticks": not pair,
            "keys": ((("1 to 4", "choose"),) if pair else (("1 to 5", "choose"), ("a, b, c …", "tick"))) + KEYS,
            "draft": {
                "score": draft.score,
                "choice": draft.choice,
                "aspects": list(draft.aspects),
                "note": draft.note,
            },
        }

    def _end(self, annotation: Annotation) -> dict[str, Any]:
        table = quality_plots.revealed(annotation)
        what = "pairs" if annotation.compare else "replies"
        return {
            "phase": "done",
            "title": f"All {len(annotation.todo)} {what} are judged",
            "about": f"Saved as {shown(annotation.annotator)} in {shown(str(annotation.path))}. "
            f"These were the models; {quality_plots.CAREFUL}",
            "columns": list(table.columns),
            "rows": [[shown(str(cell)) for cell in row] for row in table.itertuples(index=False)],
            "alt": quality_plots.alt_of(annotation),
            "options": [],
        }


def shown(text: str) -> str:
    """Text without direction and control marks, which would reorder what stands around them."""
    return plain(text.replace("\r\n", "\n"), keep="\n\t")


def annotate(
    run: Path | str,
    annotator: str = "",
    *,
    compare: bool = False,
    replies: int | None = None,
    seed: int = 0,
    rubrics: Mapping[str, Rubric] | None = None,
    theme: str = "light",
    scale: str = "normal",
) -> None:
    """Shows the annotator in a notebook. Where nobody can click (papermill, nbconvert), says where judging stands.

    run: a run folder; it may still be written. annotator: who judges; "" or "auto" asks in the widget. compare: pairs
        of replies. replies: at most so many. seed, rubrics: as for `Annotation`. theme, scale: of the chart at the end.
    raises: UsageError, StoreError as `Annotation`.
    """
    annotator = named(annotator)
    how = {"path": Path(run), "compare": compare, "replies": replies, "seed": seed, "rubrics": rubrics}
    if has_front_end():
        from IPython.display import display

        display(Panel(annotator, **how, theme=theme, scale=scale))
        return
    print(state(Annotation(annotator=annotator or "nobody", **how), named=bool(annotator)))


def named(annotator: str) -> str:
    """An annotator's name, checked; "" for "auto" or "", where the widget asks. raises: UsageError."""
    return "" if annotator in ("", "auto") else checked_name(annotator)


def state(annotation: Annotation, *, named: bool = True) -> str:
    """Where judging stands, in a line or two. named: whether the annotator is somebody."""
    what = "pairs" if annotation.compare else "replies"
    if named:
        told = f"{plain(annotation.annotator)} has judged {annotation.n_done} of {len(annotation.todo)} {what}."
    else:
        told = f"{len(annotation.todo)} {what} are there to be judged."
    return f"{told} Nobody can click here: open the notebook in JupyterLab to judge them."
