"""How much of a reply is read before it counts as broken."""

HEADER_BYTES_MAX = 64 * 1024
LINE_BYTES_MAX = 1024 * 1024
REPLY_BYTES_MAX = 8 * 1024 * 1024
