"""The truth server and other clients than the kit's; as a thread, and as a process of its own."""

import http.client
import json
import socket
import subprocess
import sys

import openai
import psutil
import pytest

from slmbench import truth
from slmbench.measure import stream
from slmbench.truth import Record, Schedule, TruthServer

QUICK = {"ttft_s": 0.01, "gap_s": 0.002, "tokens": 6}


def body(model, *, max_tokens=64):
    return stream.body(model, "a b c", max_tokens=max_tokens, temperature=0.0, seed=1, stream=True)


def ask(server, model):
    reply = stream.ask(f"{server.base_url}/chat/completions", body(model), deadline_s=20.0)
    return reply, server.record_of(reply.text)


def port_of(server):
    return int(server.root.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def server():
    with TruthServer({"plain": Schedule(**QUICK), "reasoning": Schedule(**QUICK, reasoning_tokens=4)}) as running:
        yield running


def test_the_openai_package_reads_it(server):
    with openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        asked = {"model": "reasoning", "messages": [{"role": "user", "content": "Hi"}]}
        assert [m.id for m in client.models.list()] == ["plain", "reasoning"]
        whole = client.chat.completions.create(**asked)
        chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        with pytest.raises(openai.NotFoundError, match="'none' is not served here"):
            client.chat.completions.create(**asked | {"model": "none"})
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens == 10
    told = "".join(c.choices[0].delta.content or "" for c in chunks[:-1])
    assert told[9:] == whole.choices[0].message.content[9:]
    assert truth.number_of(told) == truth.number_of(whole.choices[0].message.content) + 1
    assert chunks[0].id == f"chatcmpl-{truth.number_of(told):08d}"


def test_a_connection_is_kept_for_the_next_request(server):
    line = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=10)
    before = len(server.records())
    for model in "plain", "reasoning":
        line.request("POST", "/v1/chat/completions", body(model))
        reply = line.getresponse()
        assert (reply.status, reply.read()[-14:]) == (200, b"data: [DONE]\n\n")
    line.request("GET", f"/truth?since={before}")
    told = [Record.from_json(one) for one in json.loads(line.getresponse().read())]
    line.close()
    assert told == server.records(before)
    assert [r.model for r in told] == ["plain", "reasoning"]


def raw(server, *pieces):
    """All that comes back for these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", port_of(server)), 10) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def request_of(payload, *, last):
    end = "close" if last else "keep-alive"
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(payload)}\r\nConnection: {end}\r\n\r\n"
    )
    return head.encode() + payload


def test_requests_may_come_in_pieces_and_before_their_turn(server):
    two = request_of(body("plain"), last=False) + request_of(body("reasoning"), last=True)
    got = raw(server, two[:20], two[20:300], two[300:])
    assert got.count(b"data: [DONE]") == 2
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /v1/models HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET /v1/nothing HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /v1/models HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /health HTTP/1.0\r\n\r\n", b"200"),
        (request_of(b"[]", last=True), b"422"),
        (request_of(b"{", last=True), b"422"),
        (request_of(b'{"model": ["plain"]}', last=True), b"404"),
    ],
)
def test_what_is_no_chat_request_gets_its_status(server, sent, status):
    assert raw(server, sent).split(b" ", 2)[1] == status


def test_a_client_that_reads_late_gets_all_of_it():
    """More than the sockets hold, written at once."""
    much = Schedule(ttft_s=0.0, gap_s=0.0, tokens=40_000, tokens_per_chunk=10)
    with TruthServer({"m": much, "other": Schedule(**QUICK)}) as running:
        with socket.create_connection(("127.0.0.1", port_of(running)), 10) as sock:
            sock.sendall(request_of(body("m", max_tokens=10**6), last=True))
            while not running.records() or len(running.records()[0].writes) < 100:
                sock.recv(100)
            stuck, _ = ask(running, "other")  # others go on meanwhile
            got = b"".join(iter(lambda: sock.recv(65536), b""))
        record = running.records()[0]
    assert stuck.status == "ok"
    assert (record.tokens, record.ended) == (40_000, True)
    assert got.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_a_client_that_goes_early_leaves_a_record_without_an_end():
    with TruthServer({"m": Schedule(ttft_s=0.0, gap_s=0.02, tokens=500), "other": Schedule(**QUICK)}) as running:
        with socket.create_connection(("127.0.0.1", port_of(running)), 10) as sock:
            sock.sendall(request_of(body("m", max_tokens=500), last=True))
            while b"answer" not in sock.recv(65536) and not running.records()[0].chunk_s:
                pass
        reply, _ = ask(running, "other")
        first = running.records()[0]
    assert (reply.status, first.ended) == ("ok", False)
    assert 0 < first.tokens < 500


# As a process of its own.


def test_the_process_serves_and_ends():
    with truth.process({"m": Schedule(**QUICK)}) as running:
        reply, record = ask(running, "m")
        assert all(read >= written for read, written in zip(reply.chunk_s, record.chunk_s, strict=True))
        assert (record.number, record.tokens, running.records(since=1)) == (1, 6, [])
        child = psutil.Process(running.pid)
    assert not child.is_running()


def test_the_process_ends_with_the_one_that_started_it():
    code = "from slmbench import truth\nprint(truth.process({'m': truth.Schedule()}).pid, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert (gone, alive) == ([child], [])


def test_a_process_that_does_not_start_says_so(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false" if sys.platform != "win32" else "rundll32")
    with pytest.raises(RuntimeError, match="did not start"):
        truth.process({"m": Schedule()})


def test_it_needs_the_standard_library_only():
    code = "import sys, slmbench.truth; print(*{n.split('.')[0] for n in sys.modules} - {*sys.stdlib_module_names})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {n for n in told.split() if not n.startswith("_")} == {
        "slmbench"
    }  # an editable install brings an _ of its own
