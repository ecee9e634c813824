"""The comparison set that needs one download only: SmolLM2-135M-Instruct in four qualities, on one or two threads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """One way to keep and run the embedded model."""

    alias: str
    scheme: str  # see models.convert
    threads: int | None = None  # CPU threads inside one operator; None: the runtime's choice

    @property
    def base(self) -> str:
        """The alias of the variant with the same weights and the runtime's choice of threads."""
        return f"{NAME}-{self.scheme}"


NAME = "smollm2-135m"
EMBEDDED: dict[str, Variant] = {
    variant.alias: variant
    for variant in (
        Variant(f"{NAME}-int4", "int4"),
        Variant(f"{NAME}-int4-rtn", "int4-rtn"),
        Variant(f"{NAME}-int8", "int8"),
        Variant(f"{NAME}-fp32", "fp32"),
        Variant(f"{NAME}-int4-1thread", "int4", threads=1),
        Variant(f"{NAME}-int4-2threads", "int4", threads=2),
    )
}
DEFAULT_SET: tuple[str, ...] = tuple(EMBEDDED)[:3]
