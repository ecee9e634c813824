"""Tables with pandas' styles, in which the words of models and endpoints stay words."""

from __future__ import annotations

import html
from numbers import Number
from typing import TYPE_CHECKING, Any

from slmbench.show.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler


def styled(frame: pd.DataFrame) -> Styler:
    """`frame.style`, for colours, gradients and bars, without HTML or formulas in cells, headers and their names.

    `DataFrame.style` escapes nothing by itself: a reply in a cell, or a model's name in a header, would run in the
    notebook. Here the texts are escaped before pandas has them, as each call of `.format` sets its own `escape` back
    to none. Cells that are neither numbers, times nor texts (lists, say) are texts. A caption is taken for HTML.
    """
    shown = frame.map(_cell).rename(index=_label, columns=_label)
    for axis in shown.axes:
        axis.names = [_label(name) for name in axis.names]
    return shown.style.format(escape=None).set_table_attributes('class="tex2jax_ignore mathjax_ignore"')


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, Number) or hasattr(value, "isoformat"):
        return value
    return html.escape(plain(str(value), keep="\n"), quote=False)


def _label(value: Any) -> Any:
    return html.escape(plain(value), quote=False) if isinstance(value, str) else value
