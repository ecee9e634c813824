from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest


@pytest.fixture
def wheels(tmp_path, tmp_path_factory, monkeypatch):
    """A folder of wheels to find, in place of any index, and a function that adds one: (name, tag, {file: text})."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv"))

    def add(name: str, tag: str = "py3-none-any", files: dict[str, str] | None = None) -> Path:
        made, info = folder / f"{name}-1.0-{tag}.whl", f"{name}-1.0.dist-info"
        with zipfile.ZipFile(made, "w") as archive:
            for path, content in (files or {}).items():
                archive.writestr(path, content)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            archive.writestr(f"{info}/RECORD", "")
        return made

    return add
