"""Licences from metadata, and that none of what is locked is unclear or came in unnoticed."""

from __future__ import annotations

from importlib.metadata import PathDistribution

import licences
import pytest
from licences import UNKNOWN, asks_for_a_note, licence, of_text
from locks import pins
from upkeep import installed

BSD = "Redistribution and use in source and binary\nforms, with or without modification, are permitted"
CLAUSE = "may be used to endorse or\n promote products"
LOCKED = sorted({pin.name for pin in pins()} & installed().keys())


@pytest.fixture
def package(tmp_path):
    """A function: the header lines of a package's metadata, and the text of its licence → the package."""

    def made(*lines, text=None):
        info = tmp_path / "thing-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("\n".join(["Name: thing", "Version: 1.0", *lines, ""]), encoding="utf-8")
        (info / "RECORD").write_text("thing-1.0.dist-info/LICENSE,,\n", encoding="utf-8")
        (info / "LICENSE").write_text(text or "", encoding="utf-8")
        return PathDistribution(info)

    return made


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["License-Expression: GPL-3.0-only", "License: MIT"], "GPL-3.0-only"),
        (["License: MPL-2.0 AND MIT"], "MPL-2.0 AND MIT"),
        (["License: Apache 2.0"], "Apache-2.0"),
        (["License: Apache License, Version 2.0"], "Apache-2.0"),
        (["License: 3-Clause BSD License"], "BSD-3-Clause"),
        (["License: UNKNOWN", "Classifier: License :: OSI Approved :: ISC License (ISCL)"], "ISC"),
        (["Classifier: License :: DFSG approved", "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (["License: BSD", "Classifier: License :: OSI Approved :: BSD License"], UNKNOWN),
        (["License: Proprietary"], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_what_the_metadata_say(package, lines, wanted):
    assert licence(package(*lines)) == wanted


def test_two_classifiers_tell_nothing(package):
    both = ("MIT License", "Apache Software License")
    assert licence(package(*(f"Classifier: License :: OSI Approved :: {name}" for name in both))) == UNKNOWN


@pytest.mark.parametrize(
    ("text", "wanted"), [(BSD, "BSD-2-Clause"), (f"{BSD} {CLAUSE}", "BSD-3-Clause"), ("MIT", UNKNOWN)]
)
def test_which_bsd_licence_its_text_tells(package, text, wanted):
    assert licence(package("License: BSD", text=text)) == wanted
    assert (of_text(text) or UNKNOWN) == wanted


@pytest.mark.parametrize(
    ("package", "expression", "noted"),
    [
        ("a", "MIT", False),
        ("a", "(MIT OR Apache-2.0) AND 0BSD", False),
        ("a", "MPL-2.0 AND MIT", True),
        ("a", "LGPL-2.1-or-later", True),
        ("a", "GPL-3.0-only WITH GCC-exception-3.1", True),
        ("a", UNKNOWN, True),
        ("onnxruntime-genai-core", "MIT", True),
    ],
)
def test_what_asks_for_a_note(package, expression, noted):
    assert asks_for_a_note(package, expression) is noted


@pytest.mark.parametrize("name", LOCKED)
def test_a_locked_package_is_permissive_or_was_looked_at(name):
    told = licence(installed()[name])
    assert told != UNKNOWN, "look at its licence, and say so in licences.OVERRIDES"
    assert asks_for_a_note(name, told) == (name in licences.NOTES), told


@pytest.mark.parametrize("name", sorted(licences.INSIDE))
def test_a_package_with_others_inside_brings_their_licences(name):
    texts = [
        f.locate().read_text(encoding="utf-8")
        for f in installed()[name].files
        if "licenses/" in str(f).lower() or f.name == "LICENSE.txt"
    ]
    assert any("GPL" in text or "Mozilla Public License" in text for text in texts)


def test_notes_and_overrides_are_of_locked_packages():
    assert {*licences.NOTES, *licences.OVERRIDES, *licences.INSIDE} <= {pin.name for pin in pins()}
