"""What the chunks of one reply say: their texts and channels, the token counts, and the times in a `stream.Reply`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from slmbench.measure.framing import Event, ProtocolError

if TYPE_CHECKING:
    from slmbench.measure.stream import Reply

COUNT_MAX = 2**31  # of tokens: what is not below it is no count


class ServerError(Exception):
    """The server reported an error inside a reply that began as a success."""


class Said:
    """Collects what the chunks of one reply say."""

    def __init__(self, start_ns: int):
        self.start_ns = start_ns
        self.chunks: list[tuple[int, str, str]] = []  # (arrival, channel, text)
        self.finish: str | None = None
        self.usage: Any = None
        self.model: str | None = None
        self.judged: str | None = None

    def event(self, event: Event) -> None:
        """raises: ProtocolError, ServerError."""
        try:
            text = event.data.decode("utf-8")
        except UnicodeDecodeError as e:
            raise ProtocolError(f"invalid UTF-8: {e.reason} at byte {e.start} of a chunk") from e
        if event.name == "error":
            raise ServerError(error_text(event.data) or text[:300])
        try:
            value = strict_json(text)
        except (ValueError, RecursionError) as e:
            raise ProtocolError(f"invalid JSON in a chunk: {e}") from e
        self.take(value, event.at_ns, "delta")

    def take(self, value: Any, at_ns: int, part: str) -> None:
        """One JSON object of the reply. part: "delta" in a stream, "message" in a whole body."""
        if not isinstance(value, dict):
            raise ProtocolError(f"an object was expected, and {type(value).__name__} came")
        if value.get("error"):
            raise ServerError(error_text(json.dumps(value).encode()) or "an error without a message")
        if value.get("usage") is not None:
            self.usage = value["usage"]
        if isinstance(value.get("model"), str) and value["model"]:
            self.model = value["model"]
        choices = value.get("choices")
        if not isinstance(choices, list):
            raise ProtocolError("a chunk without a list of choices")
        for choice in choices:
            if not isinstance(choice, dict):
                raise ProtocolError("a choice that is no object")
            if choice.get("index", 0) != 0:
                continue  # one reply was asked for; what came beside it is not counted
            said = choice.get(part, {} if choice.get("finish_reason") else None)
            if not isinstance(said, dict):
                raise ProtocolError(f"a choice whose {part} is no object")
            for key, channel in ("reasoning_content", "reasoning"), ("reasoning", "reasoning"), ("content", "answer"):
                content = said.get(key)
                if content is None or (key == "reasoning" and said.get("reasoning_content") is not None):
                    continue
                if not isinstance(content, str):
                    raise ProtocolError(f"{key} is no string but {type(content).__name__}")
                if content:
                    self.chunks.append((at_ns, channel, content))
            if choice.get("finish_reason"):  # some servers send "" until there is one
                self.finish = str(choice["finish_reason"])

    def fill(self, reply: Reply, *, timed: bool, whole_ns: int) -> None:
        """Write times, texts and counts into `reply`. timed: chunks carry times of their own (a stream)."""
        texts = {c: "".join(t for _, channel, t in self.chunks if channel == c) for c in ("answer", "reasoning")}
        reply.finish_reason = self.finish
        if self.chunks:
            reply.text = _whole_characters(texts["answer"])
            reply.reasoning_text = _whole_characters(texts["reasoning"]) or None
            reply.text_sha256 = hashlib.sha256(reply.text.encode()).hexdigest()
            if "\ufffd" in reply.text and "\ufffd" not in texts["answer"]:
                reply.flags.append("half_character")
            if timed:
                reply.chunk_s = [round((ns - self.start_ns) / 1e9, 9) for ns, _, _ in self.chunks]
                reply.chunk_chars = [len(text) for _, _, text in self.chunks]
                reply.chunk_channel = [channel for _, channel, _ in self.chunks]
                reply.ttft_s, reply.latency_s = reply.chunk_s[0], reply.chunk_s[-1]
                answers = (
                    s for s, (_, channel, _) in zip(reply.chunk_s, self.chunks, strict=True) if channel == "answer"
                )
                reply.ttfa_s = next(answers, None)
            else:
                reply.latency_s = round((whole_ns - self.start_ns) / 1e9, 9)
        self._count(reply, timed)

    def _count(self, reply: Reply, timed: bool) -> None:
        """Tokens as the server counts them; chunks where it does not, and a flag that says so."""
        usage = self.usage if isinstance(self.usage, dict) else {}
        details = usage.get("prompt_tokens_details")
        reply.prompt_tokens = _count_of(usage.get("prompt_tokens")) or None  # no prompt has none
        reply.cached_tokens = _count_of(details.get("cached_tokens")) if isinstance(details, dict) else None
        tokens = _count_of(usage.get("completion_tokens"))
        counted = tokens is not None and (tokens > 0 or not self.chunks)
        if counted:
            reply.output_tokens, reply.token_source = tokens, "server"
        elif self.chunks and timed:
            reply.output_tokens, reply.token_source = len(self.chunks), "chunks"
        if self.chunks and not (counted and reply.prompt_tokens):
            reply.flags.append("usage_missing" if self.usage is None else "usage_invalid")


def strict_json(text: str) -> Any:
    """raises: ValueError, also for NaN and infinities; RecursionError."""
    return _DECODER.decode(text)


def _count_of(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_MAX else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _whole_characters(text: str) -> str:
    """Characters that came in two escaped UTF-16 halves put together; a half without the other one as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def error_text(data: bytes) -> str | None:
    """The message inside an OpenAI-style error, else the start of the text."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return start_of(data) or None
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message") if isinstance(error, dict) else error
    return str(message if message else error)[:500]


def start_of(data: bytes) -> str:
    return data[:200].decode("utf-8", "replace").strip()
