"""Bring your own model: GGUF to an ONNX Runtime GenAI folder, without torch; and the embedded comparison set."""

from slmbench.models.disk import DiskError, disk_mb
from slmbench.models.embedded import DEFAULT_SET, EMBEDDED, Variant
from slmbench.models.folder import CONVERTER, SCHEMES, convert, is_complete, manifest, with_threads
from slmbench.models.tiny import write_tiny, write_tiny_gguf

__all__ = [
    "CONVERTER",
    "DEFAULT_SET",
    "EMBEDDED",
    "SCHEMES",
    "DiskError",
    "Variant",
    "convert",
    "disk_mb",
    "is_complete",
    "manifest",
    "with_threads",
    "write_tiny",
    "write_tiny_gguf",
]
