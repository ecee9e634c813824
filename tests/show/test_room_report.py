"""The report of a room: who delivered, on which machines, what is told apart, and hostile texts that stay text."""

import csv
import re

import pytest

from slmbench.errors import UsageError
from slmbench.records import COLUMNS, DERIVED
from slmbench.show import room_report
from slmbench.store.rooms import STATES, Station
from support import gfm, hostile, room_reports
from support.made_hostile import CORPUS, NAME_MAX
from support.made_rooms import ASKED, MACHINE, room, rows, run, skipped, three
from support.pages import Page
from support.room_reports import section, written

FILES = ["room_report.md", "room_report.html", "room_report.json", "stations.csv", "rows.csv"]
ABSENT = Station("lap90", "absent", "not joined within 120 s")
LATE = Station("lap91", "late", "not finished after 900 s", done=4, total=12)
OURS = {"heading", "paragraph", "strong", "bullet_list", "list_item", "image"}
OURS |= {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.fixture(autouse=True)
def blank_but_for_some(request, monkeypatch):
    """Most tests are about words and tables: their pictures are blank."""
    if "drawn" not in request.keywords:
        room_reports.without_pictures(monkeypatch)


def sheet(path, name="stations.csv"):
    with (path / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.drawn
def test_the_files_of_a_room(tmp_path):
    (tmp_path / "room_latency_7.png").write_bytes(b"of an earlier report")
    (tmp_path / "room_photo.png").write_bytes(b"of somebody else")
    names, page, found = written(tmp_path, three(), [ABSENT])
    assert names == [*FILES, "room_latency_1.png", "room_speed_1.png"]
    assert {p.name for p in tmp_path.iterdir()} == {*names, "room_photo.png"}
    assert re.findall(r"!\[(?:[^\]\\]|\\.){40,}\]\((.+?)\)", page) == names[5:]  # each picture is in it, with words
    assert found["schema"] == "slmbench-room-report/1"
    html = Page((tmp_path / "room_report.html").read_text(encoding="utf-8"))
    assert html.problems == [] and len(html.all("img")) == 4


def test_it_opens_with_who_delivered_then_with_the_difference(tmp_path):
    late = {"lap91": run(rows("lap91", 1.5)[:4])}
    folder = room(tmp_path, three() | late)
    stations = [one for one in folder.stations if one.name != "lap91"]
    made = type(folder)(tmp_path, "monday", ASKED, [*stations, ABSENT, LATE], folder.runs)
    room_report.write(made)
    page = (tmp_path / "room_report.md").read_text(encoding="utf-8")
    opening = page.split("\n## ")[0]
    assert opening.startswith(
        "# Room report: monday\n\n**3 of 5 stations delivered all that was asked. 1 delivered a part: lap91 (late). "
        "1 delivered nothing: lap90 (absent).**\n\n- m: Median latency: fastest lap01 (1."
    )
    assert re.search(r"The slowest is (3\.9|4\.0)\d \\\[3\.\d+ to 4\.\d+\\\] times as slow \(12 pairs", opening)
    assert (
        "corrected for the 3 pairs of stations" in opening
        and "Against lap02: faster 1, slower 1, can't tell 1." in opening
    )
    lines = [line.split(" | ") for line in section(page, "Stations").strip().splitlines()[2:]]
    assert [line[0].strip("| ") for line in lines] == ["lap90", "lap91", "lap01", "lap02", "lap03"]
    assert lines[0][1:3] == ["absent: it never joined", "not joined within 120 s"]
    assert lines[1][2:4] == ["not finished after 900 s", "4 of 12"]
    assert lines[2][1:3] == ["delivered", "–"]


def test_every_state_has_words():
    assert set(room_report.room_machines.STATES) == set(STATES)


def test_the_numbers_are_those_that_were_built_in(tmp_path):
    _, page, found = written(tmp_path, three())
    [model] = found["models"]
    latency = model["metrics"]["latency_s"]
    assert (latency["reference"], latency["named"]) == ("lap02", False)
    assert [(line["station"], line["verdict"]) for line in latency["lines"]] == [
        *(("lap01", "faster"), ("lap02", "reference"), ("lap03", "slower"))
    ]
    assert latency["lines"][0]["ratio"] == pytest.approx(0.5, rel=0.03)
    assert model["metrics"]["decode_tps"]["lines"][0]["ratio"] == pytest.approx(2, rel=0.03)
    assert {metric["reference"] for metric in model["metrics"].values()} == {"lap02"}
    table = sheet(tmp_path)
    assert [line["station"] for line in table] == ["lap01", "lap02", "lap03"]
    assert float(table[2]["latency_s_ratio"]) == latency["lines"][2]["ratio"]
    assert (table[2]["latency_s_verdict"], table[2]["machine_cpu"], table[1]["latency_s_reference"]) == (
        *("slower", "Core i7", "lap02"),
    )
    assert "| lap03 | 12 | 0 |" in section(page, "m")
    raw = sheet(tmp_path, "rows.csv")
    assert list(raw[0]) == [*COLUMNS, *DERIVED] and [line["station"] for line in raw[::12]] == [
        "lap01",
        "lap02",
        "lap03",
    ]


def test_a_reference_that_is_named(tmp_path):
    _, page, found = written(tmp_path, three(), base="lap03")
    assert "| lap03 (as named) |" in page and found["models"][0]["metrics"]["ttft_s"]["named"] is True
    with pytest.raises(UsageError, match="one of lap01, lap02, lap03 was expected"):
        room_report.write(room(tmp_path, three()), "lap99")


def test_a_room_where_nobody_delivered(tmp_path):
    names, page, found = written(tmp_path, {}, [ABSENT, Station("lap91", "failed", "the service is not there")])
    assert names == FILES
    assert (
        "**0 of 2 stations delivered all that was asked. 2 delivered nothing: lap90 (absent) and lap91 (failed).**"
        in page
    )
    assert "Nothing was measured, so there is nothing to compare." in page
    assert [(line["station"], line["state"], line["model"]) for line in sheet(tmp_path)] == [
        *(("lap90", "absent", ""), ("lap91", "failed", ""))
    ]
    assert (found["models"], sheet(tmp_path, "rows.csv")) == ([], [])
    assert "m" in section(page, "What limits it").split("Asked for, and in no station's records: ")[1]


def test_an_empty_room_and_one_of_failures(tmp_path):
    assert "**No station is in this room.**" in written(tmp_path, {})[1]
    bad = run(rows("a", 1.0, status="timeout", error="no reply", latency_s=None, ttft_s=None))
    names, page, _ = written(tmp_path, {"a": bad})
    assert names == FILES and "- m: No station has measured it." in page
    assert "- Not measured on a: timeout: no reply" in page


def test_one_station_has_nobody_beside_it(tmp_path):
    _, page, found = written(tmp_path, {"a": run(rows("a", 1.0))})
    assert "The stations are not compared: only one station can be ranked." in page
    assert found["models"][0]["metrics"]["latency_s"]["span"] is None


def test_a_station_with_two_rows_proves_nothing(tmp_path):
    _, page, _ = written(tmp_path, three() | {"few": run(rows("few", 0.1)[:2])})
    assert "fastest lap01" in page
    [line] = [line for line in section(page, "m").splitlines() if line.startswith("| few |")]
    assert "can't tell" in line and "n = 2, and an interval of a median needs 6" in line
    assert "prove next to nothing: few." in page


def test_two_stations_with_different_models(tmp_path):
    runs = {"a": run([*rows("a", 1.0, model="m"), skipped("a", "n", "no memory")]), "b": run(rows("b", 1.0, model="n"))}
    _, page, found = written(tmp_path, runs, asked=ASKED | {"models": ["m", "n"]})
    assert [model["model"] for model in found["models"]] == ["m", "n"]
    assert "- Not measured on a: no memory" in section(page, "n")
    assert [(line["station"], line["model"]) for line in sheet(tmp_path)] == [("a", "m"), ("a", "n"), ("b", "n")]
    assert page.count("only one station can be ranked") == 4


def test_alike_machines_share_a_line(tmp_path):
    runs = three() | {
        "lap04": run(rows("lap04", 1.0), machine=MACHINE | {"cpu": "Apple M3", "gpus": [{"name": "RTX"}]})
    }
    page = written(tmp_path, runs, [ABSENT])[1]
    lines = section(page, "Machines").strip().splitlines()
    assert lines[2].startswith("| lap01, lap02 and lap03 | 3 | Core i7 | 12 | 16 | none found | no | Windows-11 |")
    assert lines[3].startswith("| lap04 | 1 | Apple M3 | 12 | 16 | RTX |")
    assert lines[-1] == "Nothing is known of lap90."


def test_in_what_both_ends_differ(tmp_path):
    runs = {"a": run(rows("a", 1.0)), "b": run(rows("b", 3.0), machine=MACHINE | {"cpu": "Old"} | {"station": "b"})}
    page = written(tmp_path, runs)[1]
    assert "- cpu: Core i7 -&gt; Old" in page and "- station:" not in page
    alike = written(tmp_path, {name: run(rows(name, 1.0)) for name in "ab"})[1]
    assert "That is a tie" in alike and "differ, as far as" not in alike


@pytest.mark.parametrize(
    "machine",
    [
        {},
        {
            "cpu": {"a": [1]},
            "memory_mb": "much",
            "gpus": {"name": 1},
            "service": "x",
            "packages": [],
            "on_battery": "=1",
        },
        {
            "gpus": [1, None, {"x": 2}],
            "memory_mb": True,
            "service": {"source": 5, "url": 7},
            "packages": {"slmbench": 3},
        },
        {f"fact{i}": i for i in range(500)},
    ],
)
def test_odd_facts_of_machines_are_shown_or_left_out(tmp_path, machine):
    runs = {
        "a": run(rows("a", 1.0), machine=machine),
        "b": run(rows("b", 3.0), machine={n: [v] for n, v in machine.items()}),
    }
    _, page, _ = written(tmp_path, runs)
    assert "fastest a" in page and len(page) < 30_000


def test_levels_are_compared_each_for_itself(tmp_path):
    made = {n: run([*rows(n, f), *rows(n, 3 * f, concurrency=4)]) for n, f in (("a", 1.0), ("b", 2.0))}
    names, page, found = written(tmp_path, made, asked=ASKED | {"concurrency": [1, 4]})
    assert [m["concurrency"] for m in found["models"]] == [1, 4] and len(names) == 9
    assert "- m, 4 requests at once: Median latency" in page


def test_two_hundred_stations(tmp_path):
    runs = {f"lap{i:03}": run(rows(f"lap{i:03}", 1 + i / 100, rounds=3)) for i in range(200)}
    names, page, found = written(tmp_path, runs, [ABSENT])
    assert page.startswith("# Room report: monday\n\n**200 of 201 stations delivered all that was asked.")
    assert len(section(page, "Stations").splitlines()) < 12 and "The other 200 delivered all: lap000, " in page
    assert "lines in the middle are left out" in page and len(section(page, "m").splitlines()) < 80
    assert (len(sheet(tmp_path)), len(found["stations"]), len(names)) == (201, 201, 7)


BAD = [h.text for h in CORPUS if h.name in {"script", "md-table", "md-image", "formula-dde", "surrogates", "controls"}]


@pytest.mark.drawn
@pytest.mark.parametrize("bad", BAD)
def test_hostile_text_anywhere_stays_text(tmp_path, bad):
    name, more = bad[:NAME_MAX], {"execution_provider": bad, "model_id": bad, "token_source": bad, "text": bad}
    prompts = [{"id": name, "text": bad}]
    machine = {"cpu": bad, "os": bad, "gpus": [{"name": bad}], "service": {"source": bad, "url": bad}, bad: bad}
    told = {"prompts": prompts, "models": [name, f"{name}2"], "temperature": 0.0}
    runs = {
        "a": run(rows("a", 1.0, model=name, started_at=bad, **more), machine=machine),
        "b": run([*rows("b", 3.0, model=name), skipped("b", f"{name}2", bad)], machine=machine | {bad: [bad]}),
        "c": run(rows("c", 3.0, model=name, prompt_id=name), plan=told | {"max_tokens": 1}),
    }
    others = [Station("d", "failed", bad, cpu=bad)]
    names, page, _ = written(tmp_path, runs, others, asked=told | {"max_tokens": 9}, name=bad[:64])
    assert gfm.kinds(page) <= OURS | {"code_inline"} and "image" in gfm.kinds(page)
    assert set(gfm.pictures(page)) == {n for n in names if n.endswith(".png")}
    assert hostile.commands(page, keep="\n") == [] and hostile.is_readable(bad[:40], gfm.shown(page))
    html = Page((tmp_path / "room_report.html").read_text(encoding="utf-8"))
    assert html.problems == [] and not html.all("script", "iframe", "form", "a[onclick]")
    assert all(e.attrs["src"].startswith("data:image/png;base64,") for e in html.all("img"))
    assert not any(attr.startswith("on") for e in html.elements for attr in e.attrs)
    assert hostile.commands(html.text, keep="\n") == []
    cells = [cell for file in ("stations.csv", "rows.csv") for line in sheet(tmp_path, file) for cell in line.values()]
    assert [cell for cell in cells if cell[:1] in ("=", "@", "\t", "\r")] == []
    assert {p.name for p in tmp_path.rglob("*")} == set(names)
