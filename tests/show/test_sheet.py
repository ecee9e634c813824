"""Scores that are filled in outside the notebook: the sheet, and what spreadsheets make of it."""

import csv
import io

import pytest

from slmbench import paths
from slmbench.errors import UsageError
from slmbench.quality import runs
from slmbench.show import sheet
from slmbench.show.text import FORMULA_SIGNS
from support import hostile
from support.judged import run_with, saved

REPLIES = {(m, p): f"{m} on {p}, =1+1\nand «more»" for m in ("model-one", "model-two") for p in ("p", "q")}


@pytest.fixture
def folder(tmp_path):
    return run_with(tmp_path / "run", REPLIES)


@pytest.fixture
def blank(folder, tmp_path):
    return sheet.write(folder, tmp_path / "sheet.csv", "Ana")


def cells(path):
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def filled(path, scores, *, delimiter=",", encoding="utf-8-sig", ticks="x", note="नोट"):
    """The sheet as a person fills it in, and as a program saves it."""
    rows = cells(path)
    head = rows[0]
    for row, score in zip(rows[1:], scores, strict=False):
        row[head.index(sheet.SCORE)] = score
        row[head.index(sheet.HAS)] = ticks
        row[head.index(sheet.NOTE)] = note
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    path.write_bytes(out.getvalue().encode(encoding, "replace"))
    return path


def test_it_has_a_line_a_reply_and_names_no_model(blank):
    rows = cells(blank)
    assert len(rows) == 5 and {len(row) for row in rows} == {len(rows[0])}
    assert rows[0][:3] == ["reply id", "prompt", "reply"] and rows[0].count(sheet.HAS) == 2
    assert blank.read_bytes().startswith(b"\xef\xbb\xbf")
    told = blank.read_text(encoding="utf-8").replace("on p, =1+1", "").replace("on q, =1+1", "")
    assert "model-" not in "".join(c for row in rows for n, c in enumerate(row) if rows[0][n] != "reply")
    assert "Excellent" in told and "says why" in told


def test_no_id_can_be_taken_for_a_number_and_no_cell_for_a_formula(tmp_path):
    texts = {("m", f"p{n}"): one.text for n, one in enumerate(hostile.corpus())}
    rows = cells(sheet.write(run_with(tmp_path / "run", texts), tmp_path / "s.csv", "Ana"))
    assert len(rows) == len(texts) + 1
    for row in rows[1:]:
        assert row[0].startswith("r-")
        assert [cell for cell in row if cell.lstrip().startswith(tuple(FORMULA_SIGNS))] == []


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8-sig"), (",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (";", "cp1252")],
)
def test_what_spreadsheets_save_is_read_back(folder, blank, delimiter, encoding):
    note = "gut, für mich" if encoding == "cp1252" else "नोट"
    filled(blank, ["1", "4.0", "5,0", ""], delimiter=delimiter, encoding=encoding, note=note)
    assert [score.score for score in sheet.read(blank, folder, "Ana")] == [1, 4, 5]
    lines = saved(folder)
    assert [(line["score"], line["explanation"], line["position"]) for line in lines] == [
        (1, note, 0),
        (4, note, 1),
        (5, note, 2),
    ]
    assert all(line["aspects"] == [True, False] and line["kind"] == "human" for line in lines)


def test_reading_it_again_updates(folder, blank):
    sheet.read(filled(blank, ["1", "2", "3", "4"]), folder, "Ana")
    sheet.read(filled(blank, ["5", "2", "3", "4"]), folder, "Ana")
    assert [line["score"] for line in saved(folder)] == [5, 2, 3, 4]
    assert saved(folder)[0]["earlier"][0]["score"] == 1


@pytest.mark.parametrize("score", ["0", "6", "4.5", "good", "1e9", "nan", "²", "4 of 5"])
def test_a_score_that_is_none_is_named_and_nothing_is_saved(folder, blank, score):
    filled(blank, ["3", score])
    with pytest.raises(UsageError, match=r"sheet\.csv, line \d+: the score .* a whole number from 1 to 5 was expected"):
        sheet.read(blank, folder, "Ana")
    assert not (folder / "scores.jsonl").exists()


def test_other_mistakes_are_named(folder, blank, tmp_path):
    filled(blank, ["3"], ticks="maybe")
    with pytest.raises(UsageError, match='"maybe" was found in'):
        sheet.read(blank, folder, "Ana")
    filled(blank, ["3"])
    content = blank.read_text(encoding="utf-8")
    for change, message in (
        (lambda text: text.replace("r-", "q-"), "reply id .* one of this run's replies was expected"),
        (lambda text: text.replace("score 1-5", "punkte", 1), 'the column "score 1-5" is missing'),
        (lambda _: "", "the column .* is missing"),
        (lambda text: text + text.split("\n", 1)[1], "stands there twice"),
    ):
        blank.write_text(change(content), encoding="utf-8", newline="")
        with pytest.raises(UsageError, match=message):
            sheet.read(blank, folder, "Ana")
    with pytest.raises(UsageError, match="it cannot be read"):
        sheet.read(tmp_path / "none.csv", folder, "Ana")
    assert not (folder / "scores.jsonl").exists()


def test_an_empty_sheet_says_which_column_is_meant(folder, blank):
    with pytest.raises(UsageError, match=r'no score was found in 4 lines, .* "score 1-5"'):
        sheet.read(blank, folder, "Ana")


def test_a_sheet_that_is_there_is_not_written_over(folder, blank):
    before = filled(blank, ["3"]).read_bytes()
    with pytest.raises(UsageError, match="is there already, and may be filled in"):
        sheet.write(folder, blank, "Ana")
    assert blank.read_bytes() == before


def test_lines_may_be_sorted_and_left_out(folder, blank):
    rows = cells(filled(blank, ["1", "2", "3", "4"]))
    out = io.StringIO(newline="")
    csv.writer(out).writerows([rows[0], rows[4], [], rows[2]])
    blank.write_text(out.getvalue(), encoding="utf-8", newline="")
    assert [(s.score, s.position) for s in sheet.read(blank, folder, "Ana")] == [(4, 3), (2, 1)]


def test_the_stub_that_ships_is_what_the_kit_writes_and_can_be_read(tmp_path):
    shipped = paths.data_file("annotation_stub.csv")
    fresh = sheet.write(paths.run_folder(paths.QUALITY), tmp_path / "fresh.csv", "you", replies=8)
    assert shipped.read_bytes() == fresh.read_bytes(), "write it again: see data/quality_run/README.md"
    folder = runs.working_copy(root=tmp_path)
    filled(fresh, ["3"] * 8)
    assert len(sheet.read(fresh, folder, "you")) == 8
