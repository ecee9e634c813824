"""The parts of a fleet, one by one: certificates, plain pickles, private words, answers, folders from a stick."""

from __future__ import annotations

import getpass
import pickle
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from dask._task_spec import Task
from distributed.protocol import deserialize, serialize
from distributed.scheduler import NoValidWorkerError

from slmbench import config, paths, store
from slmbench.errors import UsageError
from slmbench.fleet import certificates, desk, invitation, joining, measuring, plain, private, running, station
from slmbench.records import Row
from slmbench.store import rooms

# --- certificates


def test_two_authorities_that_nobody_can_sign_with_any_more():
    ours, theirs, until = certificates.papers("monday", 2)
    assert timedelta(hours=47) < until - datetime.now(UTC) < timedelta(hours=49)
    for papers, role in ((ours, "desk"), (theirs, "station")):
        authority, own = (x509.load_pem_x509_certificate(p.encode()) for p in (papers.authority, papers.certificate))
        own.verify_directly_issued_by(authority)
        assert f"slmbench {role}" in own.subject.rfc4514_string() and "monday" in own.subject.rfc4514_string()
        assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert papers.key.count("PRIVATE KEY") == 2
    with pytest.raises(ValueError, match="Issuer"):
        x509.load_pem_x509_certificate(theirs.certificate.encode()).verify_directly_issued_by(
            x509.load_pem_x509_certificate(ours.authority.encode())
        )


def test_python_3_13_takes_them_strictly(tmp_path):
    """Its default context checks certificates by the letter of RFC 5280."""
    ours, _, _ = certificates.papers("monday", 1)
    file = tmp_path / "own.pem"
    file.write_text(ours.certificate + ours.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=ours.authority)
    client.check_hostname, client.verify_flags = False, client.verify_flags | ssl.VERIFY_X509_STRICT
    to_client, to_server = (ssl.MemoryBIO() for _ in range(2))
    one = client.wrap_bio(to_client, to_server)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other, one, other):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert one.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("peer", "desks"),
    [
        ({"issuer": ((("commonName", "slmbench desk authority"),), (("organizationName", "x"),))}, True),
        ({"issuer": ((("commonName", "slmbench station authority"),),)}, False),
        ({"subject": ((("commonName", "slmbench desk authority"),),)}, False),
        ({}, False),
        (None, False),
    ],
)
def test_whose_certificate_it_is(peer, desks):
    assert certificates.is_of_desk(peer) is desks


# --- plain data


@pytest.mark.parametrize(
    "value",
    ["a text", b"bytes", 1.5, [1, {"a": (None, True)}], station.measure, Task("key", station.tell, "{}")],
)
def test_what_is_taken(value):
    with plain.guarded():
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 the point


def test_what_the_scheduler_says_of_an_absent_station_is_taken():
    found = NoValidWorkerError("key", set(), set(), {"measure lap07": 1}, 5.0)
    assert "lap07" in str(plain.loads(pickle.dumps(found)))


@pytest.mark.parametrize("value", [print, Path("x"), ValueError("x"), Task("key", print, "x"), datetime.now(UTC)])
def test_what_is_refused(value):
    data = pickle.dumps(value)
    with plain.guarded(), pytest.raises(pickle.UnpicklingError, match="only plain data"):
        pickle.loads(data)  # noqa: S301 the point
    with plain.guarded(strict=False):
        assert isinstance(pickle.loads(data), plain.Refused)  # noqa: S301 the point
    assert pickle.loads(data) is not None  # noqa: S301 as before


@pytest.mark.parametrize("data", [b"", b"\x80", b"c\n", b"\x80\x05\x95" + b"\xff" * 8, b"not a pickle", b"\x80\x05]."])
def test_damaged_data_is_refused_or_empty(data):
    assert isinstance(plain.loads_or_refused(data), plain.Refused | list)


def test_a_form_of_dasks_own_is_neither_written_nor_read():
    import numpy as np

    made = serialize(np.arange(3.0))
    assert made[0]["serializer"] == "dask"
    with plain.guarded():
        assert serialize("text")[0]["serializer"] == "pickle"
        with pytest.raises(plain.Refused):
            deserialize(*made)
    assert list(deserialize(*made)) == [0, 1, 2]


# --- private


def test_names_are_taken_out_of_words_and_left_in_replies(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Anas-MacBook.local")
    monkeypatch.setattr(getpass, "getuser", lambda: "ana")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ana"))
    value = {
        "error": "/home/ana/models is full on anas-macbook, says ana",
        "text": "ana banana",
        "n": [{"reason": "ana"}],
    }
    assert private.without_names(value, "lap07") == {
        "error": "~/models is full on lap07, says [user]",
        "text": "ana banana",
        "n": [{"reason": "[user]"}],
    }


def test_a_plan_goes_out_without_folders():
    plan = store.read(paths.data_file("example_run")).plan
    sent = private.plan({**plan, "command": "slmbench run --out /home/ana/x", "prompts_from": "/home/ana/p.json"})
    assert not {"command", "prompts_from"} & sent.keys() and {"prompts", "hash", "targets"} <= sent.keys()


def test_the_list_names_what_the_code_sends():
    listed = private.listed("monday", "lap07")
    for word in ("processor", "memory", "reply", "versions", "error", "network address", "host and user names"):
        assert word in listed


# --- answers


def heard(*messages):
    answer = desk.Answer(None, "lap07")
    for text, whole, last in messages:
        answer.hear(text, whole=whole, last=last)
    return answer


def test_an_answer_in_parts_and_pieces():
    answer = heard(('{"plan":', False, False), (" {}}", True, False), ('{"rows": []}', True, False), ("{}", True, True))
    assert answer.ended and not answer.problem
    assert answer.parts == [{"plan": {}}, {"rows": []}, {}]


@pytest.mark.parametrize("text", [None, 7, b"{}", "", "{", "[1]", '"x"', "{'a': 1}", '{"a": NaN}', '{"a": 1, "a": 2}'])
def test_what_is_no_json_object_ends_an_answer(text):
    answer = heard((text, True, False), ('{"rows": []}', True, True))
    assert answer.ended and answer.problem and answer.parts == []


def test_an_answer_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(desk, "ANSWER_CHARS", 1000)
    assert "more than" in heard(*[("x" * 300, False, False)] * 4).problem


# --- what the desk asks


def test_the_settings_come_back_as_they_were():
    asked = config.settings(models=["a", "b"], rounds=5, concurrency=[1, 4], slo="ttft=500ms", environ={}).to_dict()
    back = measuring.settings_of(asked).to_dict()
    assert {n: back[n] for n in (*measuring.ASKED, "prompts")} == {n: asked[n] for n in (*measuring.ASKED, "prompts")}


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": -1},
        {"prompts": []},
        {"prompts": "x"},
        {"prompts": [{"id": 1}]},
        {"models": ["../x y"]},
        {"rate": "x"},
    ],
)
def test_a_station_refuses_what_a_run_would_refuse(change):
    asked = config.settings(models=["a"], environ={}).to_dict()
    with pytest.raises(UsageError):
        measuring.settings_of({**asked, **change})


def test_another_machines_endpoint_is_not_asked():
    asked = {
        **config.settings(models=["a"], environ={}).to_dict(),
        "endpoint": "http://192.0.2.1/v1",
        "allow_remote": True,
    }
    found = measuring.settings_of(asked)
    assert found.endpoint is None and not found.allow_remote


@pytest.mark.parametrize("run", ["../x", "", "A", "/etc"])
def test_a_run_stays_in_its_folder(tmp_path, run):
    with pytest.raises(UsageError):
        station.Here("lap07", "t", tmp_path).folder(run)


def test_a_closed_port_is_told_in_a_sentence():
    papers = certificates.papers("monday", 1)[1]
    room = invitation.Invitation(
        "monday", "tls://127.0.0.1:9", {}, papers.authority, papers.certificate, papers.key, ""
    )
    assert "was not reached" in joining.knock(room)


# --- how far it is


def test_a_model_that_is_not_here_is_no_request_that_was_done():
    told = []
    with measuring._Watch(2, 0, told.append) as watch:
        for status in ("skipped", "ok", "timeout"):
            watch.update(Row("r", status, "m", status=status))
    assert told[-1] == {"done": 2, "total": 2, "failed": 1, "model": "m"}


def test_how_far_the_room_is_is_told_every_so_often(tmp_path):
    said, desk_ = [], invitation.Desk("monday", "tls://127.0.0.1:9", "", "", "", "", 5.0)
    asking = running.Asking(desk_, {}, tmp_path, label="x", expected=["a", "b"], say=said.append)
    for name, state, done in (("a", "measuring", 3), ("b", "gathered", 10)):
        asking._lines[name].now = rooms.Station(name, state, done=done, total=10)
    asking._write()
    assert "requests done" not in said[-1]
    asking._count_at = 0
    asking._write()
    assert said[-1] == "  13 of 20 requests done; 1 of 2 stations gathered"
    told, asking._count_at = len(said), 0
    asking._write()
    assert len(said) == told  # nothing new


def test_room_json_is_written_once_a_second_and_in_the_end(tmp_path, monkeypatch):
    written, desk_ = [], invitation.Desk("monday", "tls://127.0.0.1:9", "", "", "", "", 5.0)
    monkeypatch.setattr(rooms, "write", lambda *now: written.append(now))
    monkeypatch.setattr(running, "WRITE_S", 1000.0)
    asking = running.Asking(desk_, {}, tmp_path, label="x", expected=["a"], say=lambda _: None)
    for done in range(3):
        asking._lines["a"].now = rooms.Station("a", "measuring", done=done)
        asking._write()
    assert len(written) == 1
    asking._write(now=True)
    assert len(written) == 2


def test_a_plan_that_has_ended_keeps_no_station_busy():
    news = {"run": "before", "done": 1, "total": 3}
    assert running._unfinished(news) and not running._unfinished({**news, "ended": True})
