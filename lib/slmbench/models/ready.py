"""ONNX Runtime GenAI folders that somebody else has made: whether all is there that the runtime will ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slmbench.config.reading import clean, read_json
from slmbench.errors import UsageError
from slmbench.models.folder import CONFIG, MANIFEST
from slmbench.models.gguf import BUILDER

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
FORM = "a GenAI folder has genai_config.json, model.onnx with its data, and the tokenizer's files, all side by side"
NAMES_TOLD = 5


def files_of(folder: Path) -> list[Path]:
    """The files of a ready folder, in order of their names; folders inside it and hidden files belong to none.

    raises: UsageError if it is no GenAI folder, or lacks a file that its configuration names.
    """
    if not (folder / CONFIG).is_file():
        raise UsageError(
            f"{clean(folder)}: a folder without {CONFIG} was found; expected a GenAI folder", _cure(folder)
        )
    said = read_json(folder / CONFIG, FORM)
    if not isinstance(said, dict) or not isinstance(said.get("model"), dict):
        raise UsageError(f'{clean(folder / CONFIG)}: no object "model" was found in it, one was expected', FORM)
    if not isinstance(said["model"].get("decoder"), dict):
        raise UsageError(
            f'{clean(folder / CONFIG)}: no "model.decoder" was found, that of a language model was expected', FORM
        )
    named = dict.fromkeys(_filenames(said["model"]))
    if strange := [name for name in named if Path(name).name != name or "\\" in name]:
        found = f"{clean(folder / CONFIG)}: it names {clean(strange[0])!r}; a file beside it was expected"
        raise UsageError(found, FORM)
    missing = [name for name in named or ["model.onnx"] if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in TOKENIZERS):
        missing.append(TOKENIZERS[0])
    if not (folder / "tokenizer_config.json").is_file():
        missing.append("tokenizer_config.json")
    if missing:
        more = f" and {len(missing) - NAMES_TOLD} more" if len(missing) > NAMES_TOLD else ""
        names = ", ".join(clean(name) for name in missing[:NAMES_TOLD])
        raise UsageError(
            f"{clean(folder)}: {names}{more} not found; {FORM}", "fetch the folder again, with all its files"
        )
    return [f for f in sorted(folder.iterdir()) if f.is_file() and f.name != MANIFEST and not f.name.startswith(".")]


def _filenames(value: Any) -> Iterator[str]:
    """What stands under "filename" anywhere in a configuration: a model may be cut into several graphs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "filename" and isinstance(inner, str):
                yield inner
            else:
                yield from _filenames(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _filenames(inner)


def _cure(folder: Path) -> str:
    """What helps with a folder that is none, by what is in it."""
    if inside := sorted(folder.glob(f"*/{CONFIG}")) or sorted(folder.glob(f"*/*/{CONFIG}")):
        return f"name the folder inside it that has one: {clean(inside[0].parent)}"
    if ggufs := sorted(folder.glob("*.gguf")):
        return f"name the file: slmbench add {clean(ggufs[0])} --name NAME"
    if any(folder.glob("*.safetensors")):
        return f"these are weights as Hugging Face has them; take a GGUF of the model, or {BUILDER}"
    return FORM
