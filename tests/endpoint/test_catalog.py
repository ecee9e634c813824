"""Foundry Local's catalogue, for real but for its contents: a server here lists two made-up models, one cached."""

import json
import sys
from pathlib import Path

import pytest

from slmbench import config, store
from slmbench.endpoint import catalog, connect, resolve, rest
from slmbench.endpoint.footprint import footprint
from slmbench.endpoint.rest import LOCAL_PREFIX
from slmbench.errors import UsageError
from slmbench.measure import bench
from slmbench.models import write_tiny
from support.replies import plain
from support.server import Server
from support.tiny import free_port, service_with_tiny

NAME = "made-up-instruct-generic-cpu"


def entry(name, alias, size_bytes, licence):
    """One model as the catalogue's service describes it: the fields that the runtime was seen to read."""
    asset = f"azureml://registries/azureml/models/{name}/versions/1"
    about = {"publisher": "Maker", "displayName": f"The {alias}", "maxOutputTokens": 2048, "alias": alias}
    about |= {"license": licence, "inferenceTasks": ["chat-completion"], "modelCapabilities": ["chat"]}
    about |= {"deploymentOptions": ["Foundry Local on Devices"]}
    runs_on = {"modelType": "ONNX", "device": "cpu", "executionProvider": "CPUExecutionProvider"}
    variant = {"parents": [{"assetId": asset}], "variantMetadata": runs_on | {"fileSizeBytes": size_bytes}}
    made = {"creationContext": {"createdTime": "2026-01-01T00:00:00Z"}, "variantInfo": variant}
    return {
        "assetId": asset,
        "entityId": asset,
        "annotations": {"tags": {"alias": alias}, "systemCatalogData": about},
        "properties": {"id": f"{name}:1", "name": name, "version": "1", **made},
    }


LISTED = [
    entry(NAME, "made-up", 123_000_000, "MIT"),
    entry("far-away-instruct-generic-cpu", "far-away", 4_100_000_000, "Apache-2.0"),
]
SETTINGS = config.Settings((config.Prompt("p1", "One?"),), "test", rounds=2, warmup=1, max_tokens=8)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """The kit's service with such a catalogue, and one of its models in the cache."""
    cache = tmp_path_factory.mktemp("cache")
    model = write_tiny(cache / "Maker" / NAME)
    (model / "inference_model.json").write_text(
        json.dumps({"Name": f"{NAME}:1", "PromptTemplate": None}), encoding="utf-8"
    )
    with (
        Server([plain({"value": LISTED, "totalCount": len(LISTED)})]) as server,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("SLMBENCH_CATALOG_URL", f"{server.root}/asset-gallery/v1.0/models")
        patched.setenv("SLMBENCH_MODEL_CACHE", str(cache))
        with service_with_tiny(tmp_path_factory.mktemp("home"), "tiny") as running:
            yield running


@pytest.fixture
def resolved(catalogue, silent):  # noqa: ARG001
    def resolve_all(*aliases, **entries):
        found = {alias: config.ModelEntry(alias, **fields) for alias, fields in entries.items()}
        endpoint = connect(say=silent)
        return endpoint, resolve(endpoint, aliases, config.ModelsFile(Path("models.json"), found, {}), say=silent)

    return resolve_all


@pytest.mark.usefixtures("catalogue")
def test_the_listing_says_what_a_choice_needs():
    found = {m.alias: m for m in catalog.listing()}
    assert set(found) == {"made-up", "far-away"}
    one = found["made-up"]
    assert (one.id, one.cached, one.default, one.licence) == (f"{NAME}:1", True, True, "MIT")
    assert (one.publisher, one.display_name, one.capabilities) == ("Maker", "The made-up", ("chat",))
    assert (one.device, one.execution_provider) == ("cpu", "CPUExecutionProvider")
    assert not found["far-away"].cached


@pytest.mark.usefixtures("catalogue")
def test_sizes_are_in_megabytes_of_a_million_bytes():
    sizes_mb = {m.alias: m.size_mb for m in catalog.listing()}
    assert sizes_mb == {"made-up": pytest.approx(123, abs=1), "far-away": pytest.approx(4100, abs=1)}


def test_a_cached_model_is_measured_under_plain_v1(resolved, catalogue, tmp_path):
    endpoint, [target] = resolved("made-up")
    assert (target.id, target.base_url) == (f"{NAME}:1", f"{catalogue.url}/v1")
    with store.RunFolder.open(tmp_path / "run", SETTINGS.to_dict(), {}) as folder:
        rows = list(bench.run([target], SETTINGS, endpoint, folder))
    told = {(r.status, r.model, r.model_id, r.device, r.execution_provider, r.output_tokens) for r in rows}
    assert told == {("ok", "made-up", f"{NAME}:1", "cpu", "CPUExecutionProvider", 8)}
    assert [r.phase for r in rows] == ["warmup", "timed", "timed"]
    [load] = store.read(tmp_path / "run").resources
    assert load["load_s"] > 0
    assert rest.get(f"{catalogue.url}/models/loaded") == [f"{NAME}:1"]
    assert endpoint.load(target) is None
    endpoint.unload(target)
    assert rest.get(f"{catalogue.url}/models/loaded") == []


def test_the_footprint_of_a_cached_model_is_measured_in_a_process_of_its_own(resolved):
    _, [target] = resolved("made-up")
    record = footprint(target)
    assert "error" not in record
    assert record["rss_before_mb"] < record["rss_loaded_mb"]
    assert record["disk_mb"] > 0 and record["load_s"] > 0
    assert record["reply"]


def test_another_foundry_service_loads_its_catalogue_models_too(catalogue, silent, tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "elsewhere"))  # so that it is not the kit's own
    endpoint = connect(f"{catalogue.url}/v1", say=silent)
    assert endpoint.own is None and endpoint.foundry
    [target] = resolve(endpoint, ["made-up"], config.ModelsFile(Path("models.json"), {}, {}), say=silent)
    with store.RunFolder.open(tmp_path / "run", SETTINGS.to_dict(), {}) as folder:
        rows = list(bench.run([target], SETTINGS, endpoint, folder))
    assert {(r.status, r.model_id, r.device) for r in rows} == {("ok", f"{NAME}:1", "cpu")}
    assert [t.alias for t in resolve(endpoint, None, config.ModelsFile(Path("m"), {}, {}))] == ["tiny", NAME]
    endpoint.unload(target)


def test_local_and_catalogue_models_stand_side_by_side(resolved, catalogue):
    _, targets = resolved("tiny", "made-up")
    assert [t.base_url for t in targets] == [f"{catalogue.url}{LOCAL_PREFIX}/v1", f"{catalogue.url}/v1"]


def test_a_model_that_is_not_downloaded_tells_its_size_and_how_to_get_it(resolved, silent):
    _, [target] = resolved("far-away")
    assert target.reason == "not downloaded (4,100 MB, licence Apache-2.0): slmbench fetch far-away"
    assert "Looking the other models up in Foundry Local's catalogue …" in silent.lines


def test_models_that_the_catalogue_does_not_have(resolved):
    _, [known] = resolved("made-upp", **{"made-upp": {}})
    assert known.reason == "not in Foundry Local's catalogue; nearest there: made-up"
    with pytest.raises(UsageError, match="'far-awayy' is known neither") as raised:
        resolved("far-awayy")
    assert "nearest: far-away" in raised.value.message


@pytest.mark.usefixtures("catalogue")
def test_downloads():
    done_pct = []
    assert catalog.download("made-up", done_pct.append).endswith(NAME)  # cached: at once
    assert done_pct[-1] == 100
    with pytest.raises(catalog.CatalogError, match="not in the catalogue") as raised:
        catalog.download("nobody")
    assert raised.value.exit_code == 1
    with pytest.raises(catalog.CatalogError):  # the registry that would send it is not there
        catalog.download("far-away")


@pytest.mark.usefixtures("catalogue")
def test_providers_are_those_that_are_registered():
    assert all(isinstance(name, str) for name in catalog.providers())


def test_out_of_reach_it_lists_nothing_and_known_models_have_that_reason(resolved, monkeypatch, tmp_path, silent):
    monkeypatch.setenv("SLMBENCH_CATALOG_URL", f"http://127.0.0.1:{free_port()}/asset-gallery/v1.0/models")
    monkeypatch.setenv("SLMBENCH_MODEL_CACHE", str(tmp_path / "empty"))
    _, [target] = resolved("qwen2.5-0.5b", **{"qwen2.5-0.5b": {}})
    assert target.reason.startswith("Foundry Local's catalogue can't be reached (offline?); can be had here now: tiny")
    assert any("models from it are skipped" in line for line in silent.lines)


def child(monkeypatch, code):
    """The catalogue's process does this instead."""
    popen = catalog.subprocess.Popen
    monkeypatch.setattr(catalog.subprocess, "Popen", lambda _, **more: popen([sys.executable, "-c", code], **more))


def test_a_runtime_that_crashes_is_an_error(monkeypatch):
    child(monkeypatch, "import os; os._exit(7)")
    with pytest.raises(catalog.CatalogError, match="ended with code 7"):
        catalog.listing()


def test_words_of_the_runtime_between_the_lines_are_passed_over(monkeypatch):
    child(monkeypatch, """print('[info] hello'); print('{"alias": "a", "id": "a:1", "of_tomorrow": 1}')""")
    assert catalog.listing() == [catalog.CatalogModel("a", "a:1")]


def test_an_error_of_the_runtime_is_passed_on(monkeypatch):
    child(monkeypatch, """print('{"error": "no space"}'); raise SystemExit(1)""")
    with pytest.raises(catalog.CatalogError, match="no space"):
        catalog.providers()
