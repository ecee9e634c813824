"""The report of a room: what a reader may be tempted to conclude, and can't."""

import pytest

from slmbench.store.rooms import Station
from support import room_reports
from support.made_rooms import ASKED, MACHINE, rows, run, skipped, three
from support.room_reports import section, written


@pytest.fixture(autouse=True)
def blank_pictures(monkeypatch):
    room_reports.without_pictures(monkeypatch)


def test_what_limits_it_is_told(tmp_path):
    odd = MACHINE | {"on_battery": True, "service": MACHINE["service"] | {"foundry_local_sdk": "2.1.0"}}
    runs = three() | {
        "lap04": run(
            rows("lap04", 1.0, execution_provider="CUDAExecutionProvider", flags=["client_bound"]), machine=odd
        ),
        "lap05": run(rows("lap05", 0.2), plan=ASKED | {"max_tokens": 2}),
    }
    _, page, found = written(tmp_path, runs)
    told = "\n".join(found["limits"])
    assert "The stations measured at the same time, from 2026-03-01 10:00:00 to 2026-03-01 10:05:00 UTC" in told
    assert "On battery: lap04; it may" in told
    assert "Runtime differs: 2.2.1 (4 stations), 2.1.0 (lap04)." in told
    assert "lap05 was asked for something else, and is compared with nobody: max_tokens: 24 -> 2." in told
    assert "Client bound: on lap04 some times" in told
    remarks = "\n".join(found["models"][0]["remarks"])
    assert "Execution provider: CPUExecutionProvider (4 stations), CUDAExecutionProvider (lap04)." in remarks
    assert "Client bound on lap04 12 of 12 requests" in remarks
    lines = {line["station"]: line["verdict"] for line in found["models"][0]["metrics"]["latency_s"]["lines"]}
    assert lines["lap05"] == "not compared" and "fastest lap05" not in page


def test_stations_that_share_a_server_or_measured_apart_are_told(tmp_path):
    far = MACHINE | {"service": {"url": "http://10.0.0.9:8000/v1", "source": "--endpoint"}}
    runs = {name: run(rows(name, 1.0), machine=far) for name in "ab"}
    runs["c"] = run(rows("c", 1.0, started_at="2026-03-02T10:00:00+00:00"))
    for name, pid in (("d", 4711), ("e", 4711), ("f", 4712)):
        runs[name] = run(rows(name, 1.0), machine=MACHINE | {"service": {**MACHINE["service"], "pid": pid}})
    told = "\n".join(written(tmp_path, runs)[2]["limits"])
    assert "a and b asked one server, http://10.0.0.9:8000/v1: their times tell of it" in told
    assert "d and e asked one server, http://127.0.0.1:5273/v1 (process 4711) of one machine: their" in told
    assert told.count("asked one server") == 2 and "own machine" not in told
    assert "did not all measure at the same time" in told and "of the requests of a, 0% fell into the time" in told


def test_a_station_without_one_of_the_models_has_delivered_a_part(tmp_path):
    asked = ASKED | {"models": ["m", "large"]}
    runs = {"a": run([*rows("a", 1.0), *rows("a", 3.0, model="large")], plan=asked)}
    runs["b"] = run([*rows("b", 1.0), skipped("b", "large", "no memory for it")], plan=asked)
    page = written(tmp_path, runs, asked=asked)[1]
    assert "**1 of 2 stations delivered all that was asked. 1 delivered a part: b (without large).**" in page
    assert "| without large |" in section(page, "Stations") and "Not measured on b: no memory for it" in page


def test_stations_of_which_one_went_on_alone_did_not_measure_at_the_same_time(tmp_path):
    alone = [rows("b", 1.0, started_at=f"2026-03-01T10:0{n}:00+00:00")[n] for n in range(3)]
    later = [rows("b", 1.0, started_at="2026-03-01T12:00:00+00:00")[n] for n in range(3, 12)]
    told = "\n".join(written(tmp_path, {"a": run(rows("a", 1.0)), "b": run([*alone, *later])})[2]["limits"])
    assert "did not all measure at the same time" in told and "of the requests of b, 25% fell into" in told


def test_what_is_on_the_stations_only_is_not_called_nothing(tmp_path):
    page = written(tmp_path, {}, [Station("a", "measuring", done=46, total=162)])[1]
    assert "No records are here yet; they are on the stations" in page and "Nothing was measured" not in page
