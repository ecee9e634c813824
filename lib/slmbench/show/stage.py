"""The stage: one picture that changes, a line of text, and buttons that also have keys; in JupyterLab and in Voilà.

`stage.js` is its face: it shows texts as text, never as HTML, puts a new picture in place of the old one only once it
is decoded, and asks nothing of any server. What is shown is said from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from slmbench.show import theme
from slmbench.show.text import plain

HERE = Path(__file__).parent


class Button(dict):
    """A button: what the browser is told of it.

    id: what `on_press` is called with. group: the name of the buttons it stands with. key: as in KeyboardEvent.key,
    "Space" for a blank; shown: how the key is written on it. pressed: None for one that does not stay down. hidden:
    there is its key only.
    """

    def __init__(
        self,
        id: str,
        label: str,
        *,
        group: str = "Views",
        key: str | None = None,
        shown: str | None = None,
        pressed: bool | None = None,
        disabled: bool = False,
        hidden: bool = False,
    ):
        face = {"label": label, "group": group, "shown": shown or key, "pressed": pressed, "hidden": hidden}
        super().__init__(id=id, key=key, disabled=disabled, **face)


class Stage(anywidget.AnyWidget):
    """The widget. view: what is shown, as plain JSON; picture: PNG; room: what a page has for it, in pixels."""

    _esm = HERE / "stage.js"
    _css = HERE / "stage.css"
    view = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    room = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(
        self,
        name: str,
        *,
        look: str = "light",
        scale: str = "normal",
        everywhere: bool = False,
        on_press: Callable[[str], None] | None = None,
    ):
        """name: what a screen reader calls it. look, scale: as the names of `theme.params`.

        everywhere: it is all of a page: its keys count wherever the focus is, it fills the window, and `room` says what
        that leaves for the picture. on_press: called with a button's id, perhaps from another thread.
        """
        theme.params(look, scale)  # refuses other names
        view = {"name": name, "look": look, "scale": scale, "everywhere": everywhere, "size": theme.size_px(scale)}
        view |= dict.fromkeys(("title", "line", "said", "alt"), "")
        super().__init__(
            view=view | {"notes": [], "table": [], "buttons": [], "done": 0, "total": None, "pictured": True}
        )
        self._lock = threading.RLock()
        self._on_press = on_press
        self.on_msg(self._hear)

    def show(self, picture: bytes | None = None, *, buttons: Sequence[Button] | None = None, **what: Any) -> None:
        """Change what is shown. picture: PNG; None leaves the old one.

        what: title, line, said (which a screen reader reads out when it changes), notes (list of paragraphs), table
        (rows of texts, the first one its head), alt (of the picture), done and total (of a bar; total None for none),
        look, scale, size (width and height of the picture, in pixels), pictured (whether there is one at all).
        """
        with self._lock:
            told = {key: _shown(value) for key, value in what.items()}
            if buttons is not None:
                told["buttons"] = [dict(button) for button in buttons]
            with self.hold_sync():  # one message, so that a picture and its words come together
                self.view = self.view | told
                if picture is not None:
                    self.picture = picture

    def _hear(self, _: object, message: Any, __: object = None) -> None:
        """What was pressed, from the browser."""
        pressed = message.get("press") if isinstance(message, dict) else None
        known = {button["id"] for button in self.view["buttons"] if not button["disabled"]}
        if pressed in known and self._on_press:
            self._on_press(pressed)
        self.send_state("view")  # an answer, also to a button that changes nothing


def _shown(value: Any) -> Any:
    """Texts without direction and control marks, which would reorder what stands around them."""
    if isinstance(value, str):
        return plain(value)
    return [_shown(one) for one in value] if isinstance(value, list | tuple) else value
