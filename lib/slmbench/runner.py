"""From settings to a finished run folder: what the command line, the notebooks and the samples have in common."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from slmbench import config, machine, paths, store
from slmbench.endpoint import Endpoint, Target, connect, resolve
from slmbench.errors import KitError, NothingMeasured, Stopped, UsageError
from slmbench.measure import asks, bench
from slmbench.records import OK, Row
from slmbench.store import RunFolder

TARGET = ("alias", "id", "device", "execution_provider", "reason")
DOCTOR = "slmbench doctor   (what is here, what is missing)"
NO_API = "give the address of an OpenAI-compatible API, such as http://host:port/v1; slmbench probe   (asks it)"
NO_KEY = "set FOUNDRY_LOCAL_API_KEY to the endpoint's key"
CURES: Mapping[str, str] = {  # by the status of the first failure
    "refused": "slmbench serve   (starts the kit's own service), or correct the endpoint's address",
    "protocol_error": NO_API,
    "http_404": NO_API,
    "http_405": NO_API,
    "http_401": NO_KEY,
    "http_403": NO_KEY,
    "timeout": "raise --deadline-s, or see whether the service is busy: slmbench status",
}


class Watcher(Protocol):
    """A progress display: a context manager that is told of every row between requests."""

    def __enter__(self) -> Watcher: ...
    def __exit__(self, *_: object) -> None: ...
    def update(self, row: Row) -> None: ...


def plan_of(
    settings: config.Settings,
    endpoint: Endpoint,
    targets: Sequence[Target],
    models_file: config.ModelsFile | None = None,
    prompts_word: str | None = None,
) -> dict[str, Any]:
    """What stands in plan.json: the settings, the models they came to, and what is needed to do it again.

    models_file: what is known of the models; the kit's own if left out. prompts_word: as for `command_of`.
    """
    models_file = models_file or config.read_models()
    aliases = [t.alias for t in targets]
    entries = {alias: entry for alias in aliases if (entry := config.entry_for(alias, models_file))}
    return {
        **_asked(settings, targets),
        "hash": config.plan_hash(_asked(settings, targets)),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_of(settings, aliases, models_file, prompts_word),
        "endpoint": {"url": endpoint.base_url, "source": endpoint.source, "own": endpoint.own is not None},
        "entries": {alias: dataclasses.asdict(entry) for alias, entry in entries.items()},
        "targets": [{name: getattr(t, name) for name in TARGET} for t in targets],
        "versions": machine.packages(("slmbench", "foundry-local-sdk")) | _runtime(endpoint),
    }


def _runtime(endpoint: Endpoint) -> dict[str, str]:
    """The version that the kit's own service runs, which another environment may have started."""
    return {"foundry-local-sdk": endpoint.own.sdk_version} if endpoint.own else {}


def _asked(settings: config.Settings, targets: Sequence[Target]) -> dict[str, Any]:
    return settings.to_dict() | {"models": [t.alias for t in targets]}


def entries_of(plan: Mapping[str, Any]) -> dict[str, config.ModelEntry]:
    """What was known of a run's models when it was made: alias -> entry; older run folders have the kit's own."""
    if "entries" not in plan:
        return config.read_models().entries
    return {alias: config.entry_from(fields) for alias, fields in plan["entries"].items()}


def command_of(
    settings: config.Settings,
    aliases: Sequence[str],
    models_file: config.ModelsFile | None = None,
    prompts_word: str | None = None,
) -> str:
    """The command line that asks for the same run from any folder, however this one was started.

    models_file: the kit's own if left out; what it says need not be said again. prompts_word: the set or file that
    holds the prompts, if not what `settings` names.
    """
    models_file = models_file or config.read_models()
    words = ["slmbench", "run", "--models", ",".join(aliases), "--prompts", prompts_word or settings.prompts_from]
    file = models_file.path.resolve()
    words += [] if file == paths.data_file("models.json").resolve() else ["--models-file", str(file)]
    words += config.as_options(settings, models_file)
    words += ["--endpoint", settings.endpoint] if settings.endpoint else []
    words += ["--allow-remote"] if settings.allow_remote else []
    return shlex.join(words)


def _named(settings: config.Settings) -> bool:
    """Whether reading what `prompts_from` names gives these prompts: a set or a file does, a text in passing not."""
    try:
        return config.read_prompts(settings.prompts_from) == settings.prompts
    except UsageError:
        return False


def _prompts_json(prompts: Sequence[config.Prompt]) -> dict[str, Any]:
    """Prompts in the form of data/prompts.json. A rubric that only its own file knows is left out: it scores."""
    rubrics = config.read_rubrics()
    fields = [{k: v for k, v in p.to_dict().items() if v not in (None, [])} for p in prompts]
    return {"sets": {"run": [{k: v for k, v in f.items() if k != "rubric" or v in rubrics} for f in fields]}}


def open_run(
    settings: config.Settings,
    endpoint: Endpoint,
    targets: Sequence[Target],
    *,
    out: Path | str | None = None,
    resume: bool = False,
    models_file: config.ModelsFile | None = None,
    station: str | None = None,
) -> RunFolder:
    """The run folder of this plan, made now (or gone on with). out: None for a new one under runs/.

    models_file: what is known of the models, kept with the plan; the kit's own if left out. station: what this machine
    is called in a room. Prompts that came from no named set and no file are kept in the folder as prompts.json.
    raises: store.StoreError; UsageError as `asks.check`.
    """
    asks.check(list(targets), settings)
    if resume and not out:
        store.check_resume(None)
    fresh = None if out else _fresh(store.default_path(config.plan_hash(_asked(settings, targets))))
    path = Path(fresh or out).absolute()
    named = _named(settings)
    plan = plan_of(settings, endpoint, targets, models_file, None if named else str(path / "prompts.json"))
    facts = machine.facts()
    named_as = {"station": station} if station else {}  # as rows of a room have it
    facts |= {"service": _service_facts(endpoint), "calibration": _calibration(facts), **named_as}
    more = {} if named else {"prompts.json": _prompts_json(settings.prompts)}
    return RunFolder.open(path, plan | {"run": path.name}, facts, resume=resume, more=more)


def measure(
    settings: config.Settings,
    endpoint: Endpoint,
    targets: Sequence[Target],
    folder: RunFolder,
    *,
    memory: bool = True,
    say: Callable[[str], None] = print,
    begin: Callable[[asks.Ask], None] = lambda _: None,
) -> Iterator[Row]:
    """Memory and load time first (on the kit's own service), then the timed run; yields rows as they are kept.

    memory: False leaves the first part out. A model whose footprint is known in this folder is not
    measured again. say: is told of footprints, of a service that had to be started again, and of how to go on with
    what is left. begin: as for `bench.run`.
    raises: KitError where the run can't go on; it says what is kept, and how to go on.
    """
    if memory and endpoint.own:
        from slmbench.endpoint.footprint import footprint  # here: it starts services, which most runs do not

        known = {r["model"] for r in store.read(folder.path).resources if r.get("kind") == "footprint"}
        for target in targets:
            if target.available and target.load_url and target.alias not in known:
                record = footprint(target)
                folder.append_resource(record)
                say(_told(record))
    try:
        yield from bench.run(list(targets), settings, endpoint, folder, headers=endpoint.headers, say=say, begin=begin)
    except store.StoreError:
        raise
    except KitError as e:
        e.message = f"{e.message.rstrip('.')}. {len(folder.rows)} rows are kept in {folder.path}."
        e.cure = f"{e.cure}; then go on: {folder.resume_command}" if e.cure else f"to go on: {folder.resume_command}"
        raise
    except KeyboardInterrupt:
        say(f"Stopped; {len(folder.rows)} rows are kept. To go on: {folder.resume_command}")
        raise
    if left := asks.timed_left(targets, settings, folder.finished):
        say(f"{left} timed requests failed or were left out. To go on with them: {folder.resume_command}")


def rows(
    settings: config.Settings,
    endpoint: Endpoint,
    targets: Sequence[Target],
    *,
    out: Path | str | None = None,
    resume: bool = False,
    models_file: config.ModelsFile | None = None,
    **how: Any,
) -> Generator[Row, None, store.Run]:
    """A run folder from its making to its closing, for whoever takes the rows one by one; nothing happens before that.

    out, resume, models_file: as for `open_run`; how: as for `measure`. An `errors.Stopped` thrown into it ends it
    after the present row.
    returns: the run folder, read, also of a run that was stopped. raises: as those two.
    """
    with open_run(settings, endpoint, targets, out=out, resume=resume, models_file=models_file) as folder:
        how.get("say", print)(f"Run folder: {folder.path}")
        with contextlib.suppress(Stopped):
            yield from measure(settings, endpoint, targets, folder, **how)
    return store.read(folder.path)


def run(
    settings: config.Settings,
    models_file: config.ModelsFile,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    memory: bool = True,
    watch: Callable[[int], Watcher] | None = None,
    fetching: Callable[[str, int, int], None] | None = None,
    say: Callable[[str], None] = print,
    station: str | None = None,
) -> store.Run:
    """All of it in one call: find the service, get the models, measure. returns: the run folder, read.

    watch: makes a progress display from the number of requests (`show.progress.ConsoleProgress`).
    fetching: told of downloads and conversions as (stage, done, total). station: as for `open_run`.
    raises: UsageError and StoreError before any request. Whether anything was measured is asked with `finish`.
    """
    if resume:  # all before models are fetched, which may take minutes
        store.check_resume(out)
    store.check_place(out, resume=resume)
    endpoint = connect(settings.endpoint, allow_remote=settings.allow_remote, say=say)
    targets = resolve(endpoint, settings.models, models_file, progress=fetching, say=say)
    place = {"out": out, "resume": resume, "models_file": models_file, "station": station}
    with (
        open_run(settings, endpoint, targets, **place) as folder,
        watch(asks.count(targets, settings, folder.finished)) if watch else contextlib.nullcontext() as progress,
    ):
        say(f"Run folder: {folder.path}")
        for row in measure(settings, endpoint, targets, folder, memory=memory, say=say):
            if row.status != OK:
                say(f"{row.model}: {row.status}: {row.error}")
            if progress:
                progress.update(row)
    return store.read(folder.path)


def finish(rows: Sequence[Row]) -> None:
    """raises: NothingMeasured if no timed request succeeded, with the first reason."""
    if any(r.status == OK and r.phase == "timed" for r in rows):
        return
    first = next((r for r in rows if r.status != OK), None)
    why = f"{first.model}: {first.status} ({first.error})" if first else "no request was made"
    raise NothingMeasured(f"Nothing could be measured. {why}", CURES.get(first.status if first else "", DOCTOR))


def _told(record: dict[str, Any]) -> str:
    if "error" in record:
        return f"{record['model']}: memory not measured: {record['error']}"
    held = record["rss_loaded_mb"]  # what the report's main table calls memory; USS stands beside it there
    disk = f", {record['disk_mb']:,.0f} MB on disk" if "disk_mb" in record else ""
    return f"{record['model']}: loads in {record['load_s']:.1f} s, {held:,.0f} MB loaded{disk}"


def _service_facts(endpoint: Endpoint) -> dict[str, Any]:
    own = endpoint.own
    more = {"foundry_local_sdk": own.sdk_version, "pid": own.pid} if own else {}
    return {"url": endpoint.base_url, "source": endpoint.source, **more}


def _calibration(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """This machine's own timing error as `slmbench calibrate` has kept it; None if there is none of this machine.

    As `calibrate.latest`, without the server that its module brings.
    """
    try:
        found = store.read_calibration(paths.home() / paths.CALIBRATION)
    except store.StoreError:  # none, or none that can be read: calibrate makes a new one
        return None
    where, known = found["where"] if found else {}, {**facts, "slmbench": facts["packages"]["slmbench"]}
    return found if where and where == {name: known.get(name) for name in where} else None


def _fresh(path: Path) -> Path:
    """A folder of this name that is nobody else's: two jobs can start in the same second."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ["", *(f"-{n}" for n in range(2, 1000))]:
            fresh = path.with_name(path.name + suffix)
            with contextlib.suppress(FileExistsError):
                fresh.mkdir()
                return fresh
    except OSError as e:
        problem = f"{path.parent.absolute()} can't be written: {e.strerror}."
        raise store.StoreError(problem, "name a folder of your own: --out DIR") from e
    raise store.StoreError(f"{path.parent} holds a thousand runs of this second.", "name a folder: --out DIR")
