"""The table of dependencies: how it is made, and that the one in SECURITY.md is of the pins and licences here."""

from __future__ import annotations

from datetime import date
from email.message import Message
from types import SimpleNamespace

import pytest
import upkeep
from licences import licence
from locks import ROOT, pins, project
from resolving import Found, Wheel
from upkeep import Row, direct, grouped, installed, keeper, people, quiet, second_look, table

PAGE = ROOT / "SECURITY.md"
ROW = Row("a", "run", ("1.0", date(2026, 1, 2)), ("1.1", date(2026, 3, 4)), "MIT", 1_250_000, True, "A. Body")


def test_a_row():
    (row,) = table([ROW]).splitlines()[2:]
    assert row == "| a | run | 1.0 (2026-01-02) | 1.1 (2026-03-04) | MIT | 1.2 | pure | A. Body |"


def test_a_row_of_an_index_that_tells_little():
    row = Row("a", "run", ("1.0", None), ("1.0", None), "MIT", None, False, "–")
    assert row.cells() == ["a", "run", "1.0", "the same", "MIT", "–", "compiled", "–"]
    assert Row("a", "run", ("1.0", None), ("1.0", None), "MIT", 900, False, "–").cells()[5] == "< 0.1"


def test_what_had_no_release_for_a_year():
    assert quiet([ROW], date(2027, 3, 4)) == "No release for a year: none."
    assert quiet([ROW], date(2027, 3, 5)) == "No release for a year: a (2026-03-04)."


def test_licences_are_grouped_the_largest_first():
    lines = grouped({"c": "MIT", "a": "MIT", "b": "0BSD"}).splitlines()[2:]
    assert lines == ["| MIT | 2 | a, c |", "| 0BSD | 1 | b |"]


def test_what_was_not_looked_at_is_told():
    lines = second_look({"a": "GPL-3.0-only", "b": "MIT", "fqdn": "MPL-2.0", "scipy": "MIT"}).splitlines()
    assert lines[0] == "- a, GPL-3.0-only: NOT LOOKED AT"
    assert [line.split(",")[0].split(" has")[0] for line in lines[1:]] == ["- fqdn", "- scipy"]


def package(**fields):
    said = Message()
    for name, value in ({"Name": "thing"} | fields).items():
        said[name.replace("_", "-")] = value
    return SimpleNamespace(metadata=said)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"Author": "A Body", "Maintainer": "B Body"}, "B Body"),
        ({"Author": "Jupyter Team", "Author_email": "team@example.org"}, "Jupyter Team"),
        ({"Author_email": "Unknown <list@example.org>"}, "–"),
        ({"Maintainer_email": '"A, Inc." <a@example.org>, B <b@example.org>'}, "A, Inc., B"),
        ({"Author": "A; B, C"}, "A, B and others"),
        ({"Author": "list@example.org"}, "–"),
        ({"Name": "matplotlib", "Author": "Its founder"}, "Matplotlib development team"),
    ],
)
def test_who_keeps_a_package(fields, wanted):
    assert keeper(package(**fields)) == wanted


def test_an_address_alone_is_nobody():
    assert people("a@example.org, B <b@example.org>", addresses=True) == ["B"]


def test_rows_of_what_the_index_says():
    def found(version, size):
        return {n: Found(n, version, (Wheel(f"{n}-py3-none-any.whl", "0", size, date(2026, 1, 1)),)) for n in direct()}

    made = upkeep.rows(installed(), found("1", 10), found("2", 20))
    assert [row.name for row in made] == sorted(direct())
    assert {(row.pinned[0], row.newest[0], row.size, row.pure) for row in made} == {("1", "2", 10, True)}
    assert {row.name for row in made if row.purpose == "run"} == {*project()}
    assert {row.name for row in made if row.purpose == "session"} == {"hatchling", "jupyterlab", "pip", "voila"}


def test_the_page_is_that_of_these_pins_and_licences():
    part = PAGE.read_text(encoding="utf-8").partition("<!-- upkeep -->")[2].partition("<!-- end of upkeep -->")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]
    rows = {cells[0]: cells for cells in lines if len(cells) == len(upkeep.HEAD)}
    remade = "make it again: .venv/bin/python tests/supply/upkeep.py SECURITY.md"
    assert rows.keys() - {upkeep.HEAD[0], "---"} == direct().keys(), remade
    versions = {pin.name: pin.version for pin in pins()}
    for name, purpose in direct().items():
        said = rows[name]
        assert (said[1], said[2].split()[0]) == (purpose, versions[name]), f"{name}: {remade}"
        assert said[4] == licence(installed()[name]), f"{name}: {remade}"
    groups = {name for cells in lines if len(cells) == 3 for name in cells[2].split(", ")} - {"which", "---"}
    assert groups == versions.keys(), remade
