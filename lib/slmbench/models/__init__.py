"""Bring your own model: GGUF to an ONNX Runtime GenAI folder, without torch; and the embedded comparison set."""

from slmbench.models.disk import DiskError, disk_mb
from slmbench.models.embedded import DEFAULT_SET, EMBEDDED, Variant
from slmbench.models.folder import (
    CONFIG,
    CONVERTER,
    MANIFEST,
    SCHEMES,
    convert,
    is_complete,
    manifest,
    runtime_of,
    take,
    with_threads,
)
from slmbench.models.tiny import write_tiny, write_tiny_gguf

__all__ = [
    "CONFIG",
    "CONVERTER",
    "DEFAULT_SET",
    "EMBEDDED",
    "MANIFEST",
    "SCHEMES",
    "DiskError",
    "Variant",
    "convert",
    "disk_mb",
    "is_complete",
    "manifest",
    "runtime_of",
    "take",
    "with_threads",
    "write_tiny",
    "write_tiny_gguf",
]
