"""Sliders for the weights: move one, and see which model wins, and how sure that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from slmbench.analyse.choose import Choice
from slmbench.config.selection import DIMENSIONS, Selection
from slmbench.show import choice as telling, choice_plots, theme as looks
from slmbench.show.quality_sections import told
from slmbench.show.stage import Stage

MOST, STEP = 10.0, 0.5
ALL_ZERO = "All weights are 0: give at least one of them some."
SENTENCES = 3  # of a choice, the most important ones


class Weighing(widgets.VBox):
    """Sliders and what they come to. `selection` and `choice` are those in force; a cell after it shows them for good,
    as widgets are gone when a notebook is opened again.

    choose: from a selection to a choice. selection: what the sliders start from.
    """

    def __init__(
        self, choose: Callable[[Selection], Choice], selection: Selection, theme: str = "light", scale: str = "normal"
    ):
        self._choose, self._look = choose, (theme, scale)
        self.selection, self.choice = selection, choose(selection)
        self._sliders = {name: self._slider(name, selection.weights.get(name, 0)) for name in DIMENSIONS}
        self._words = widgets.VBox([])  # a label a line: labels take no HTML, and can be read in every theme
        self._words.add_class("slmbench-choice")
        self._picture = Stage("What the weights come to", look=theme, scale=scale)
        super().__init__([*self._sliders.values(), self._words, self._picture])
        self._show()

    def _slider(self, name: str, value: float) -> widgets.FloatSlider:
        style, layout = {"description_width": "7em"}, widgets.Layout(width="420px")
        slider = widgets.FloatSlider(
            value=min(value, MOST),
            min=0,
            max=MOST,
            step=STEP,
            description=name,
            continuous_update=False,
            style=style,
            layout=layout,
        )
        slider.observe(self._moved, "value")
        slider.add_class(f"slmbench-weight-{name}")
        return slider

    def _moved(self, _: Any) -> None:
        weights = {name: slider.value for name, slider in self._sliders.items()}
        if not any(weights.values()):
            self._say(ALL_ZERO)
            self._picture.layout.visibility = "hidden"
            return
        self.selection = dataclasses.replace(self.selection, weights=weights)
        self.choice = self._choose(self.selection)
        self._show()

    def _show(self) -> None:
        self._say(told(telling.sentences(self.choice)[:SENTENCES]))
        self._picture.layout.visibility = "visible" if self.choice.winner else "hidden"
        if self.choice.winner:
            with looks.use(*self._look):
                figure = choice_plots.profile(self.choice).figure
                size = [round(side) for side in figure.bbox.size]
                self._picture.show(looks.png(figure), alt=choice_plots.profile_words(self.choice), size=size)

    def _say(self, text: str) -> None:
        size = "20px" if self._look[1] == "projector" else "14px"
        self._words.children = [widgets.Label(line, style={"font_size": size}) for line in text.split("\n")]

    @property
    def words(self) -> str:
        """What it says at the moment."""
        return "\n".join(label.value for label in self._words.children)
