"""Parameters of the notebooks, as papermill injects them: what is wrong is refused by name before anything starts."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from hypothesis import example, given, settings, strategies as st
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from slmbench import adding, config, parameters, store
from slmbench.analyse import teach
from slmbench.cli import session
from slmbench.errors import KitError, UsageError
from slmbench.show import annotate, theme as look

FOLDER = Path(__file__).parents[2] / "notebooks"
MAIN, DISTRIBUTION = session.NOTEBOOK, "session03_read_the_distribution.ipynb"
QUALITY = "session03_score_quality.ipynb"
OWN = "session03_bring_your_own_model.ipynb"
CHECK = "parameters.check("


def cells(name, injected):
    """Code cells of a notebook up to the one that checks its parameters, with a cell of papermill's among them."""
    notebook = load_notebook_node(str(FOLDER / name))
    notebook = parameterize_notebook(notebook, injected) if injected else notebook
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    last = next(i for i, source in enumerate(code) if CHECK in source)
    return code[: last + 1]


def started(name, /, **injected):
    """What the notebook's names are after the check; its import cell is not run, only what the check needs is there.

    raises: KitError where a parameter is refused.
    """
    *above, check = cells(name, injected)
    names = {"In": ["", *above], "parameters": parameters, "look": look, "config": config, "store": store}
    names |= {"teach": teach, "annotate": annotate, "adding": adding, "Path": Path}
    for source in above:
        if "import" not in source:
            exec(compile(source, "parameters", "exec"), names)
    lines = check.splitlines()
    first = [line for line in lines if re.match(r"(parameters|acceleration|guess|store|annotator|source)\b", line)]
    whole = [ast.unparse(node) for node in ast.parse(check).body if "config.settings(" in ast.unparse(node)]
    for line in first + whole:
        exec(compile(line, "check", "exec"), names)
    return names


REFUSED = {  # notebook, what is injected, fragments of the message
    "resume in words": (MAIN, {"resume": "maybe"}, ["resume (parameter)", '"maybe" was found', "true or false"]),
    "resume as YAML's yes": (MAIN, {"resume": "yes"}, ["resume (parameter)", '"yes" was found']),
    "resume as a number": (MAIN, {"resume": 1}, ["resume (parameter)", "1 was found"]),
    "resume as nothing": (MAIN, {"resume": None}, ["resume (parameter)", "null was found"]),
    "remote in words": (MAIN, {"allow_remote": "yes"}, ["allow_remote (parameter)", '"yes" was found']),
    "a folder as a number": (MAIN, {"out": 5}, ["out (parameter)", "5 was found", "text"]),
    "no folder": (MAIN, {"out": " "}, ["out (parameter)", "the path of a folder"]),
    "a folder with NUL": (MAIN, {"out": "a\0b"}, ["out (parameter)", "a NUL character"]),
    "a folder that is too long": (MAIN, {"out": "x" * 5000}, ["out (parameter)", "File name too long"]),
    "a list of folders": (MAIN, {"out": ["a"]}, ["out (parameter)", "a list was found"]),
    "a file as folder": (MAIN, {"out": "/dev/null"}, ["--out: /dev/null is a file"]),
    "an unknown size": (MAIN, {"scale": "huge"}, ["scale (parameter)", '"huge" was found', "one of normal, projector"]),
    "a size as a number": (DISTRIBUTION, {"scale": 2}, ["scale (parameter)", "2 was found", "normal, projector"]),
    "a misspelt theme": (MAIN, {"theme": "darkk"}, ["theme (parameter)", 'did you mean "dark"?']),
    "a theme in capitals": (DISTRIBUTION, {"theme": "Dark"}, ["theme (parameter)", '"Dark" was found']),
    "themes": (MAIN, {"theme": ["light"]}, ["theme (parameter)", "a list was found"]),
    "three to compare": (MAIN, {"acceleration": "a,b,c"}, ["acceleration (parameter)", "a list of 3 aliases", "two"]),
    "one to compare": (MAIN, {"acceleration": "a"}, ["acceleration (parameter)", "one alias was found", "or nothing"]),
    "one to compare with itself": (MAIN, {"acceleration": "a,a"}, ["acceleration (parameter)", '"a" twice']),
    "half a pair": (MAIN, {"acceleration": "a,"}, ["acceleration (parameter)", "an empty name in place 2"]),
    "a number to compare": (MAIN, {"acceleration": 2}, ["acceleration (parameter)", "2 was found"]),
    "a number among models": (MAIN, {"models": ["a", 1]}, ["models (parameter)", "1 in place 2 was found"]),
    "a list as text": (MAIN, {"models": "['a', 'b']"}, ["models (parameter)", "quotes and brackets"]),
    "an object of models": (MAIN, {"models": {"a": 1}}, ["models (parameter)", "an object was found"]),
    "rounds in words": (MAIN, {"rounds": "many"}, ["rounds (parameter)", '"many" was found']),
    "half a round": (MAIN, {"rounds": 1.5}, ["rounds (parameter)", "1.5 was found"]),
    "a round that is true": (MAIN, {"rounds": True}, ["rounds (parameter)", "true was found"]),
    "no tokens": (MAIN, {"max_tokens": 0}, ["max_tokens (parameter)", "0 was found"]),
    "no number": (MAIN, {"temperature": float("nan")}, ["temperature (parameter)", "nan was found"]),
    "a prompt as a number": (MAIN, {"prompts": 5}, ["prompts (parameter)", "5 was found"]),
    "another machine": (MAIN, {"endpoint": "http://example.org"}, ["endpoint (parameter)", "example.org"]),
    "another scheme": (MAIN, {"endpoint": "file:///x"}, ["endpoint (parameter)", 'the scheme "file"']),
    "a seed in words": (DISTRIBUTION, {"seed": "x"}, ["seed (parameter)", '"x" was found', "a whole number from 0"]),
    "a seed below": (DISTRIBUTION, {"seed": -1}, ["seed (parameter)", "-1 was found"]),
    "half a seed": (DISTRIBUTION, {"seed": 0.5}, ["seed (parameter)", "0.5 was found"]),
    "a seed that is true": (DISTRIBUTION, {"seed": True}, ["seed (parameter)", "true was found"]),
    "a run as a number": (DISTRIBUTION, {"run": 5}, ["run (parameter)", "5 was found", "text"]),
    "a run with half a character": (DISTRIBUTION, {"run": "\udcff"}, ["run (parameter)", "U+DCFF"]),
    "a guess as a number": (DISTRIBUTION, {"guess": 1}, ["guess (parameter)", "1 was found"]),
    "another guess": (DISTRIBUTION, {"guess": "C"}, ["guess=", "A or B was expected"]),
    "unknown ones": (MAIN, {"round": 1, "zzz": 2}, ["'round'; did you mean 'rounds'?", "'zzz'"]),
    "no reply to score": (QUALITY, {"replies": 0}, ["replies (parameter)", "0 was found", "from 1 to 1000"]),
    "half a reply": (QUALITY, {"replies": 8.5}, ["replies (parameter)", "8.5 was found"]),
    "replies in words": (QUALITY, {"replies": "all"}, ["replies (parameter)", '"all" was found']),
    "an annotator as a number": (QUALITY, {"annotator": 7}, ["annotator (parameter)", "7 was found"]),
    "an annotator of spaces": (QUALITY, {"annotator": "  "}, ["annotator: ", "a name of 1 to 40 visible characters"]),
    "a judge as a list": (QUALITY, {"judge": ["a"]}, ["judge (parameter)", "a list was found"]),
    "a misspelt judge": (QUALITY, {"jugde": "a"}, ["'jugde'; did you mean 'judge'?"]),
    "a GGUF as a number": (OWN, {"gguf": 5}, ["gguf (parameter)", "5 was found"]),
    "a GGUF that is not there": (OWN, {"gguf": "no.gguf"}, ["gguf: there is no file", "no.gguf"]),
    "a name as a list": (OWN, {"name": ["a"]}, ["name (parameter)", "a list was found"]),
    "keep in words": (OWN, {"keep": "yes"}, ["keep (parameter)", '"yes" was found']),
    "no rounds of one's own": (OWN, {"rounds": 0}, ["rounds (parameter)", "0 was found"]),
    "one of the other notebook": (DISTRIBUTION, {"rounds": 1}, ["unknown notebook parameter 'rounds'"]),
}


@pytest.mark.parametrize(("name", "injected", "said"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_by_its_name(tmp_path, monkeypatch, name, injected, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        started(name, **injected)
    for fragment in said:
        assert fragment in refused.value.message
    assert refused.value.message.isprintable() and refused.value.cure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [MAIN, DISTRIBUTION, QUALITY, OWN])
def test_the_check_comes_before_everything_else(name):
    code = [c.source for c in nbformat.read(FOLDER / name, 4).cells if c.cell_type == "code"]
    check = next(i for i, source in enumerate(code) if CHECK in source)
    assert code[check].startswith(CHECK)
    above = [type(node) for source in code[:check] for node in ast.parse(source).body]
    assert set(above) == {ast.AnnAssign, ast.Import, ast.ImportFrom}


@pytest.mark.parametrize("name", [MAIN, DISTRIBUTION, QUALITY, OWN])
def test_as_they_stand_they_are_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = started(name)
    if name == MAIN:
        assert (names["where"], names["settings"].rounds) == (None, 3)
        assert names["acceleration"] == "smollm2-135m-int4-1thread,smollm2-135m-int4-2threads"


@pytest.mark.parametrize(
    ("injected", "expected"),
    [
        ({"out": "mine", "resume": False}, {"where": Path("mine")}),
        ({"acceleration": ""}, {"acceleration": ""}),
        ({"acceleration": " a , b "}, {"acceleration": "a,b"}),
        ({"theme": "dark", "scale": "projector"}, {"theme": "dark", "scale": "projector"}),
    ],
)
def test_what_is_right_is_taken(tmp_path, monkeypatch, injected, expected):
    monkeypatch.chdir(tmp_path)
    names = started(MAIN, **injected)
    assert {name: names[name] for name in expected} == expected


def test_a_number_where_text_belongs_is_told_how_papermill_takes_it():
    with pytest.raises(UsageError, match="5 was found") as refused:
        started(DISTRIBUTION, run=5)
    assert "-r run VALUE" in refused.value.cure and "run='example'" in refused.value.cure


TYPED = "a: bool = False  # help\nb: int = 1\nc: str = 'x'\nd: float = 0.5\ne: list = []\n"


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"a": True, "b": 2, "c": "", "d": 1, "e": 5}, None),
        ({"a": 0}, "a"),
        ({"b": "1"}, "b"),
        ({"c": None}, "c"),
        ({"d": "0.5"}, "d"),
        ({"d": float("inf")}, "d"),
        ({"e": object()}, None),  # what has no word in JSON is left to the notebook
        ({}, None),
    ],
)
def test_types_are_those_of_the_last_cell_of_typed_lines(values, refused):
    inputs = ["", "z: bool = True", "%matplotlib inline", TYPED, "f = 1", "import os"]
    if refused is None:
        parameters.check(inputs, values | {"z": "not asked"})
        return
    with pytest.raises(UsageError, match=rf"^{refused} \(parameter\): "):
        parameters.check(inputs, values)


def test_in_a_notebook_without_parameters_nothing_is_checked():
    parameters.check([], {"theme": 5}, theme=("light",))
    parameters.check(["", "x = 1", "\0"], {"x": 5})


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
SOURCES = {name: cells(name, {})[:-1] for name in (MAIN, DISTRIBUTION)}
DECLARED = [(name, one) for name, above in SOURCES.items() for one in parameters._assigned(above[0])]


@settings(max_examples=150, deadline=None, database=None)
@given(where=st.sampled_from(DECLARED), value=ANY | st.sampled_from(["a,b", "auto", "light", "normal", "A", "example"]))
@example(where=(MAIN, "acceleration"), value="a,b")
def test_any_value_of_any_parameter(where, value):
    name, parameter = where
    try:
        parameters.check(SOURCES[name], {parameter: value}, theme=look.THEMES, scale=look.SCALES)
        if parameter == "acceleration":
            assert parameters.pair(value).count(",") == (1 if value.strip() else 0)
        if parameter == "out":
            assert isinstance(parameters.folder(value), Path | None)
        if parameter in config.Settings.__slots__:
            config.plan_hash(config.settings(environ={}, **{parameter: value}).to_dict())
    except KitError as e:
        assert e.message.isprintable() and e.cure and parameter in e.message
