"""The widgets' scripts: what a model wrote is set as text, and nothing is asked for anywhere."""

import re
from pathlib import Path

import pytest

import slmbench.show

FACES = sorted(Path(slmbench.show.__file__).parent.glob("*.js"))
STYLES = sorted(Path(slmbench.show.__file__).parent.glob("*.css"))
AS_CODE = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc"
ELSEWHERE = r"https?:|\bfetch\b|XMLHttpRequest|WebSocket|sendBeacon|\bimport\b|EventSource|localStorage"


def test_they_are_found():
    assert {"annotate.js", "stage.js"} <= {file.name for file in FACES}


@pytest.mark.parametrize("file", FACES, ids=lambda file: file.name)
def test_a_face_makes_no_code_of_text_and_asks_nobody(file):
    code = re.sub(r"^\s*//.*$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert re.findall(AS_CODE, code) == []
    assert re.findall(ELSEWHERE, code) == []


@pytest.mark.parametrize("file", STYLES, ids=lambda file: file.name)
def test_a_style_asks_nobody(file):
    assert re.findall(r"url\(|@import|https?:", file.read_text(encoding="utf-8")) == []
