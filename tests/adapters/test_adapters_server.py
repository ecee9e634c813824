"""An adapter's endpoint, read by the kit's own strict reader: clean where it behaves, a status where it does not."""

import http.client
import json
import socket
import threading

import openai
import pytest

from slmbench.adapters import Ended
from slmbench.measure import shape, stream
from support.adapting import Endless, Words, served

WAIT_S = 20


def ask(server, *, stream_it=True, max_tokens=64, model="a"):
    payload = stream.body(model, "a b", max_tokens=max_tokens, temperature=0.0, seed=1, stream=stream_it)
    return stream.ask(f"{server.root}/v1/chat/completions", payload, stream=stream_it, deadline_s=WAIT_S)


def raw(server, method="POST", path="/v1/chat/completions", body=b"{}", **headers):
    """(status, JSON) of one plain request. Names of headers are written with _ for -; None leaves one out."""
    line = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=WAIT_S)
    sent = {"Host": "127.0.0.1", "Content-Length": str(len(body))}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    line.putrequest(method, path, skip_host=True)
    for name, value in sent.items():
        if value is not None:
            line.putheader(name, value)
    line.endheaders(body)
    reply = line.getresponse()
    told = json.loads(reply.read())
    line.close()
    return reply.status, told


def chat(**more):
    return json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]} | more).encode()


def test_the_audit_of_a_stream_finds_nothing():
    with served(Words()) as server:
        seen = shape.look(f"{server.root}/v1/chat/completions", "a")
    assert (seen.status, seen.error, seen.transfer) == ("ok", None, "chunked")
    assert (seen.chunks, seen.output_tokens, seen.prompt_tokens, seen.token_a_chunk) == (3, 3, 7, True)
    assert (seen.usage, seen.finish_reason, seen.model, seen.other_model) == ("own chunk", "stop", "a", False)
    assert (seen.empty_chunks, seen.comments, seen.reasoning_chunks) == (0, 0, 0)
    assert seen.role_s is not None and seen.done_s is not None


def test_the_openai_package_reads_it_whole_and_streamed():
    with served(Words()) as server:
        client = openai.OpenAI(base_url=f"{server.root}/v1", api_key="none", max_retries=0, timeout=WAIT_S)
        with client:
            assert [model.id for model in client.models.list()] == ["a"]
            wanted = {"model": "a", "messages": [{"role": "user", "content": "Hi"}]}
            whole = client.chat.completions.create(**wanted)
            chunks = list(client.chat.completions.create(**wanted, stream=True))
    assert whole.choices[0].message.content == "one two three "
    assert (whole.usage.completion_tokens, whole.choices[0].finish_reason) == (3, "stop")
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "one two three "
    assert all(c.usage is None for c in chunks)  # it was not asked for
    assert len({c.id for c in chunks}) == 1 and chunks[0].id != whole.id


def row_of(reply):
    return reply.status, reply.text, reply.finish_reason


HOSTILE = {  # what it yields or raises: the row of a stream, the status of a whole reply, words of the error
    "raises at once": ([ValueError("bad")], ("http_500", None, None), "http_500", "ValueError: bad"),
    "raises in the middle": (["one ", OSError("disk")], ("server_error", "one ", None), "http_500", "OSError: disk"),
    "wants to end the process": (["one ", SystemExit(3)], ("server_error", "one ", None), "http_500", "SystemExit"),
    "runs out of iterators": (["one ", StopIteration()], ("server_error", "one ", None), "http_500", "RuntimeError"),
    "says nothing": ([""], ("empty_reply", None, "stop"), "empty_reply", "without any content"),
    "gives a number": (["one ", 5], ("server_error", "one ", None), "http_500", "a piece of the type int"),
    "gives half a character": (["a\ud83d", "b"], ("ok", "a\ufffdb", "stop"), "ok", None),
    "gives a control character": (["\0\r\n\n\x1b"], ("ok", "\0\r\n\n\x1b", "stop"), "ok", None),
    "gives much at once": (["x" * 500_000], ("ok", "x" * 500_000, "stop"), "ok", None),
    "gives too much at once": (["x" * 2_000_000], ("protocol_error", None, None), "ok", None),
}


@pytest.mark.parametrize(("pieces", "row", "status", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_adapter_has_a_status_and_harms_nobody(pieces, row, status, words, capfd):
    adapter = Words(*pieces)
    with served(adapter) as server:
        streamed = ask(server)
        whole = ask(server, stream_it=False)
        adapter.pieces = ("well",)
        assert ask(server).text == "well"
    assert row_of(streamed) == row
    assert whole.status == status
    if words:
        assert words in whole.error and (words in streamed.error or row[0] == "protocol_error")
    traceback = "Traceback" in capfd.readouterr().err  # its author is to see where
    assert traceback == (status == "http_500" and words != "SystemExit")


@pytest.mark.parametrize("given", [None, 7])
def test_what_is_no_reply_at_all(given):
    class Odd(Words):
        def generate(self, _):
            return given

    with served(Odd()) as server:
        assert ask(server).status == "http_500"


@pytest.mark.parametrize("count", ["many", -1, True])
def test_a_count_that_is_none(count):
    class Odd(Words):
        def count_tokens(self, _):
            return count

    with served(Odd()) as server:
        reply = ask(server)
        assert (reply.status, reply.text) == ("server_error", "one two three ")
        assert "count_tokens() gave" in reply.error


def test_a_text_at_once_is_one_piece():
    class Whole(Words):
        def generate(self, prompt):
            return f"You said {prompt}"

    with served(Whole()) as server:
        reply = ask(server)
    assert (reply.text, len(reply.chunk_s), reply.output_tokens) == ("You said a b", 1, 4)


@pytest.mark.parametrize("stream_it", [True, False])
def test_a_budget_ends_an_adapter_that_does_not_know_it(stream_it):
    adapter = Endless()
    with served(adapter) as server:
        reply = ask(server, max_tokens=5, stream_it=stream_it)
        assert adapter.closed.acquire(timeout=WAIT_S)
    assert (reply.status, reply.text, reply.finish_reason, reply.output_tokens) == ("ok", "on " * 5, "length", 5)


def test_an_adapter_may_tell_how_it_ended():
    class Knows(Words):
        def generate(self, _):
            yield "one"
            return Ended("length", 11, 12)

    with served(Knows()) as server:
        reply = ask(server)
    assert (reply.finish_reason, reply.prompt_tokens, reply.output_tokens) == ("length", 11, 12)


def test_who_counts_no_tokens_claims_none():
    class Silent:
        def load(self, weights_path): ...

        def generate(self, _):
            yield from ("a", "b")

    with served(Silent()) as server:
        reply = ask(server)
        status, whole = raw(server, body=chat())
    assert (reply.status, reply.token_source, reply.output_tokens, reply.prompt_tokens) == ("ok", "chunks", 2, None)
    assert status == 200 and "usage" not in whole


def test_it_gets_what_was_asked_for_and_what_it_takes():
    class Few(Words):
        def generate(self, prompt, seed, temperature=9):
            self.got.append((prompt, seed, temperature))
            return "ok"

    both = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    asked = {"messages": both, "max_tokens": 9, "max_completion_tokens": 4, "seed": 3, "stop": "x", "other": 1}
    with served(Words()) as all_of_it, served(Few()) as few:
        raw(all_of_it, body=chat(**asked))
        raw(few, body=chat(**asked))
        assert few.adapter.got == [("Be brief.\n\nHi", 3, 9)]
        [got] = all_of_it.adapter.got
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert got == {"prompt": "Be brief.\n\nHi", "max_tokens": 4, "seed": 3, "stop": ["x"], "messages": said}


@pytest.mark.parametrize("stream_it", [True, False])
@pytest.mark.parametrize("piece", ["on ", ""])
def test_a_client_that_goes_stops_it(stream_it, piece):
    adapter = Endless(piece)
    with served(adapter) as server:
        with socket.create_connection(("127.0.0.1", server.server_address[1]), WAIT_S) as client:
            body = chat(stream=stream_it)
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            if stream_it and piece:
                assert client.recv(10)
        assert adapter.closed.acquire(timeout=WAIT_S)


def test_one_at_a_time_and_who_goes_while_waiting_holds_up_nobody():
    adapter = Endless()
    with served(adapter) as server:
        first = socket.create_connection(("127.0.0.1", server.server_address[1]), WAIT_S)
        body = chat(stream=True)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        first.sendall(head.encode() + body)
        assert first.recv(10)  # it has the turn, and keeps it
        for _ in range(2):  # gone again at once
            with socket.create_connection(("127.0.0.1", server.server_address[1]), WAIT_S) as other:
                other.sendall(head.encode() + body)
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(ask(server, max_tokens=3))) for _ in range(3)]
        for thread in threads:
            thread.start()
        first.close()
        for thread in threads:
            thread.join()
    assert [r.status for r in replies] == ["ok"] * 3
    assert adapter.most == 1


REFUSED = {
    "no JSON": ({"body": b"{"}, 400),
    "no object": ({"body": b"[]"}, 400),
    "nested": ({"body": b"[" * 100_000}, 400),
    "another model": ({"body": chat(model="b")}, 404),
    "no messages": ({"body": chat(messages=[])}, 400),
    "messages of texts": ({"body": chat(messages=["hi"])}, 400),
    "a picture": ({"body": chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}])}, 400),
    "a temperature in words": ({"body": chat(temperature="hot")}, 400),
    "a temperature that is none": ({"body": chat(temperature=float("nan"))}, 400),
    "no tokens": ({"body": chat(max_tokens=0)}, 400),
    "tokens that are true": ({"body": chat(max_tokens=True)}, 400),
    "half a token": ({"body": chat(max_tokens=1.5)}, 400),
    "two replies": ({"body": chat(n=2)}, 400),
    "a stream in words": ({"body": chat(stream="yes")}, 400),
    "an empty stop": ({"body": chat(stop=[""])}, 400),
    "another path": ({"path": "/v1/completions"}, 404),
    "no length": ({"Content_Length": None, "body": b""}, 411),
    "a length below": ({"Content_Length": "-1", "body": b""}, 411),
    "a long body": ({"Content_Length": str(9 * 2**20), "body": b""}, 413),
    "another host": ({"Host": "evil.example:80", "body": chat()}, 403),
    "no host": ({"Host": None, "body": chat()}, 403),
    "a page from elsewhere": ({"Origin": "https://evil.example", "body": chat()}, 403),
    "a page from nowhere": ({"Origin": "null", "body": chat()}, 403),
    "a host that is none": ({"Host": "[::1", "body": chat()}, 403),
    "another thing to get": ({"method": "GET", "path": "/v1/models/b", "body": b""}, 404),
    "a list for another host": ({"method": "GET", "path": "/v1/models", "Host": "evil.example", "body": b""}, 403),
    "another method": ({"method": "PUT"}, 501),
}


@pytest.fixture(scope="module")
def untouched():
    with served(Words()) as server:
        yield server
    assert server.adapter.got == []


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED)
def test_refused_before_the_adapter_hears_of_it(untouched, request_, status):
    found, told = raw(untouched, **request_)
    assert found == status
    assert told["error"]["message"] and told["error"]["type"]


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
def test_this_machine_by_any_of_its_names(host):
    with served(Words()) as server:
        assert raw(server, Host=host, Origin=f"http://{host}", body=chat())[0] == 200
