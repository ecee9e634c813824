"""Adapters that behave, and some that don't; and a server of one in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from slmbench.adapters.server import Server


class Words:
    """Says what it is made with, a piece each; counts words."""

    def __init__(self, *pieces: object):
        self.pieces = pieces or ("one ", "two ", "three ")
        self.got: list[dict] = []

    def load(self, weights_path):
        self.weights = weights_path.read_text(encoding="utf-8")

    def generate(self, prompt, **params):
        self.got.append({"prompt": prompt, **params})
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def count_tokens(self, text):
        return len(text.split())


class Broken(Words):
    """Its weights are never right."""

    def load(self, weights_path):
        print("about to fail")
        raise ValueError(f"no weights in {weights_path.name}")


class Endless(Words):
    """Goes on until it is closed."""

    def __init__(self, piece: str = "on "):
        super().__init__()
        self.piece, self.closed, self.running = piece, threading.Semaphore(0), 0
        self.most = 0

    def generate(self, *_, **__):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            while True:
                yield self.piece
        finally:
            self.running -= 1
            self.closed.release()


@contextmanager
def served(adapter: object, name: str = "a") -> Iterator[Server]:
    """A server on a free port, in a thread."""
    with Server(adapter, name, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
