"""A bare socket reader: the least that can read a stream, as the floor for what a careful client can reach.

    python bare.py URL MODEL[,MODEL] REQUESTS STREAMS TOKENS

So many requests to each model, so many at once, in one thread; a JSON line of each to standard output at the end.
"""

import gc
import json
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

url, models, requests, streams, tokens = sys.argv[1], sys.argv[2].split(","), *map(int, sys.argv[3:6])
host, port = urlsplit(url).hostname, urlsplit(url).port
waiting = [m for m in models for _ in range(requests)]
selector, ended = selectors.DefaultSelector(), []


def begin() -> None:
    asked = {"model": waiting.pop(), "max_tokens": tokens, "stream": True, "stream_options": {"include_usage": True}}
    body = json.dumps(asked | {"messages": [{"role": "user", "content": "Say something."}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    sock = socket.create_connection((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pieces = [(time.perf_counter_ns(), b"")]
    sock.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
    selector.register(sock, selectors.EVENT_READ, pieces)


def figures(pieces: list[tuple[int, bytes]]) -> dict:
    """Every write of the server came as a piece of its own, or several together: its lines are whole."""
    start_ns, chunk_s, text, counted = pieces[0][0], [], "", None
    for at_ns, piece in pieces[1:]:
        for line in piece.split(b"\n"):
            if line.startswith(b"data: {"):
                value = json.loads(line[6:])
                said = value["choices"][0]["delta"].get("content") if value["choices"] else None
                counted = value["usage"]["completion_tokens"] if value.get("usage") else counted
                if said:
                    chunk_s.append((at_ns - start_ns) / 1e9)
                    text += said
    return {"text": text, "ttft_s": chunk_s[0], "latency_s": chunk_s[-1], "tokens": counted}


gc.disable()
while waiting or selector.get_map():
    while waiting and len(selector.get_map()) < streams:
        begin()
    for key, _ in selector.select():
        piece = key.fileobj.recv(65536)
        key.data.append((time.perf_counter_ns(), piece))
        if not piece:
            selector.unregister(key.fileobj)
            key.fileobj.close()
            ended.append(key.data)
print(*(json.dumps(figures(pieces)) for pieces in ended), sep="\n")
