"""`slmbench …`: the parser. Each verb is a function in a module beside this one, imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import io
import signal
import sys
from collections.abc import Callable, Sequence

from slmbench import __version__
from slmbench.cli import arguments
from slmbench.cli.arguments import Parser
from slmbench.errors import KitError, Terminated, terminate
from slmbench.show.text import plain

EPILOG = """\
exit codes: 0 at least one model was measured; 1 nothing could be measured; 2 bad usage or configuration.
environment: BENCH_MODELS, BENCH_ROUNDS, BENCH_PROMPT, BENCH_STREAM, BENCH_MAX_TOKENS, BENCH_TEMPERATURE,
FOUNDRY_LOCAL_ENDPOINT are defaults for the options; FOUNDRY_LOCAL_API_KEY is sent to an endpoint that wants a key;
SLMBENCH_HOME moves the kit's cache."""

PRECISION = "ask on until the interval of each median is within so many percent to either side, 200 rounds at most"


def _parser() -> Parser:
    parser = Parser(
        prog="slmbench",
        description="Measure small language models on your own machine, and choose one with good reason.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"slmbench {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    parser.verbs = verbs.choices

    def verb(name: str, room: str, text: str) -> Parser:
        one = verbs.add_parser(name, help=text, description=text)
        one.set_defaults(call=(room, name))
        return one

    doctor = verb("doctor", "here", "what is here, what is missing, one cure a line")
    _where(doctor)
    doctor.add_argument("--json", action="store_true")

    models = verb("models", "here", "embedded and catalogue models: size, licence, device; cached or loaded")
    models.add_argument("--offline", action="store_true", help="leave Foundry Local's catalogue alone")
    models.add_argument("--json", action="store_true")

    fetch = verb("fetch", "here", "get models ahead of time: size and licence first, then progress; nothing twice")
    fetch.add_argument("alias", nargs="*", metavar="ALIAS", help="none: the embedded default set")

    _own_models(verb)

    serve = verb("serve", "here", "start the local service (it stays; slmbench stop ends it)")
    serve.add_argument("--port", metavar="N", type=arguments.port, help="default: 5273, or the next free one")
    serve.add_argument("--offline", action="store_true", help="fetch nothing: serve what is prepared")
    verb("stop", "here", "end the local service")
    status = verb("status", "here", "the local service: address, models, what is loaded")
    status.add_argument("--json", action="store_true")

    calibrate = verb("calibrate", "here", "this machine's own timing error, and up to which speed it can be trusted")
    calibrate.add_argument("--json", action="store_true")

    probe = verb("probe", "bench", "the validation checklist: every target listed and answering")
    probe.add_argument("alias", nargs="*", metavar="ALIAS")
    _where(probe)
    probe.add_argument("--prompt", type=arguments.prompt, help="ask this instead of a short greeting")
    probe.add_argument("--shape", action="store_true", help="what a streamed reply is made of, and what that allows")
    probe.add_argument("--json", action="store_true")

    run = verb("run", "bench", "measure, and write a run folder")
    run.add_argument("--rounds", metavar="N", help="timed requests for each model and prompt")
    run.add_argument("--precision", metavar="PCT", dest="precision_pct", help=PRECISION)
    run.add_argument("--budget-s", metavar="S", help="seconds after which no more is measured for --precision")
    _selection(run)
    run.add_argument("--resume", action="store_true", help="go on with the run in --out DIR: the same, or more of it")

    plan = verb("plan", "plan", "how many rounds fit into the time there is: a pilot run, and how to go on with it")
    plan.add_argument("--minutes", metavar="N", required=True, help="for all of it, the pilot's own time included")
    _selection(plan)

    report = verb("report", "bench", "the report of run folders (Markdown, web page, JSON), CSV and pictures")
    report.add_argument("run", nargs="+", metavar="RUN", type=arguments.run)

    _quality(verb)

    _choosing(verb)

    _board(verb)

    _fleet(verb)

    session = verb("session", "session", "the whole session: models, service, main notebook, report")
    session.add_argument("--rounds", metavar="N")
    session.add_argument("--models", help="aliases, as a,b")
    session.add_argument("--out", metavar="DIR", type=arguments.out, help="default: runs/<time>-session in the clone")
    return parser


def _choosing(verb: Callable[[str, str, str], Parser]) -> None:
    """What is read off finished runs: which model to take, and how two runs differ."""
    choose = verb(
        "choose", "choose", "which model to take, how sure that is, what it costs, and which prompt goes where"
    )
    choose.add_argument("run", metavar="RUN", type=arguments.run, help="a run folder; quality, example: what ships")
    choose.add_argument("--weights", metavar="LIST", help="as quality=4,latency=2; 0 leaves a dimension out")
    choose.add_argument("--limits", metavar="LIST", help="as memory_mb=8000,ttft_s=none; none alone: no limits")
    choose.add_argument("--cost", metavar="LIST", help="as power_w=35,cloud_price_per_million_tokens=0.6")
    choose.add_argument(
        "--selection",
        metavar="FILE",
        help="all of these; default: data/selection.json; what was chosen by last is RUN/selection.json",
    )
    choose.add_argument("--json", action="store_true")

    compare = verb("compare", "compare", "the same models in two runs: two machines, or GPU and CPU")
    compare.add_argument("runs", nargs=2, metavar="RUN", type=arguments.run)
    compare.add_argument("--metric", default="latency_s", metavar="NAME", help="latency_s, or ttft_s, tpot_s …")
    compare.add_argument("--out", metavar="DIR", type=arguments.out, help="write what_changed.md and .html there")
    compare.add_argument("--json", action="store_true")


def _board(verb: Callable[[str, str, str], Parser]) -> None:
    """What is shown to a room."""
    board = verb("board", "board", "the live board in a browser: what is measured now, or was; until Ctrl-C")
    board.add_argument(
        "run",
        nargs="*",
        metavar="RUN",
        type=arguments.run,
        help="run folders, or a room, also if not there yet; example, quality: what ships; none: the newest in runs/",
    )
    board.add_argument("--theme", default="light", help="light (default) or dark")
    board.add_argument("--scale", default="projector", help="projector (default: for the back row) or normal")
    board.add_argument("--port", metavar="N", type=arguments.port, help="default: a free one")
    board.add_argument("--no-browser", action="store_true", help="only tell the address")


def _fleet(verb: Callable[[str, str, str], Parser]) -> None:
    """Many machines. Its verbs have options of their own, and the same ones as run for what is asked."""
    fleet = verb("fleet", "fleet", "a room of laptops: the same plan on all of them, one table")
    doings = fleet.add_subparsers(dest="do", required=True, metavar="invite | join | run | status | stop | collect")
    fleet.verbs = doings.choices

    def doing(name: str, text: str) -> Parser:
        return doings.add_parser(name, help=text, description=text)

    invite = doing("invite", "open a room here: certificates, the join file, and the scheduler, until Ctrl-C")
    invite.add_argument("--host", metavar="ADDRESS", help="of this machine, at which the laptops reach it")
    invite.add_argument("--port", metavar="N", type=arguments.port, help="default: 8786, or the next free one")
    invite.add_argument("--room", metavar="NAME", help="default: room-<month and day>")
    invite.add_argument("--out", metavar="FILE", type=arguments.out, help="the join file; default: room.join.json")
    invite.add_argument("--days", metavar="N", default="2", help="how long the join file holds; default: 2")
    invite.add_argument("--wait-s", metavar="S", default="60", help="until an absent laptop is called so; default: 60")

    join = doing("join", "be one of a room's machines, until Ctrl-C; what is sent is listed first")
    join.add_argument("file", metavar="FILE", help="the join file")
    join.add_argument("--name", metavar="NAME", help="of this machine in the room, as lap07")
    join.add_argument("--yes", action="store_true", help="agree to what is sent without being asked")
    join.add_argument("--endpoint", metavar="URL", help="of the local service; default: as slmbench run finds it")
    join.add_argument("--out", metavar="DIR", type=arguments.out, help="where its run folders are made; default: runs")

    run = doing("run", "ask every laptop in the room the same, and gather what they measure")
    run.add_argument("plan", nargs="?", metavar="PLAN", help="a run folder: what it asked is asked again")
    run.add_argument("--stations", metavar="A,B", help="who should be there; others are asked as well")
    run.add_argument("--limit-s", metavar="S", default="3600", help="until what there is is gathered; default: 3600")
    run.add_argument("--label", metavar="NAME", help="begins the names of the stations' run folders; default: the room")
    run.add_argument("--rounds", metavar="N", help="timed requests for each model and prompt")
    run.add_argument("--precision", metavar="PCT", dest="precision_pct", help=PRECISION)
    run.add_argument("--budget-s", metavar="S", help="seconds after which no more is measured for --precision")
    _measured(run)
    run.add_argument("--resume", action="store_true", help="go on with the room in --out DIR")

    status = doing("status", "who is in the room, and how far")
    stop = doing("stop", "call off what the laptops measure now; they keep what they have")
    collect = doing("collect", "merge run folders from a share or a stick, without a network")
    collect.add_argument("folder", nargs="+", metavar="FOLDER", help="run folders, folders of them, or NAME=FOLDER")
    collect.add_argument("--out", metavar="DIR", required=True, type=arguments.out, help="the room's folder")
    collect.add_argument("--run", metavar="NAME", help="of several run folders of a laptop, the ones called so")
    for parser in run, status, stop, collect:
        parser.add_argument("--room", metavar="NAME", help="which, if there are several")
    for parser in status, collect:
        parser.add_argument("--json", action="store_true")


def _own_models(verb: Callable[[str, str, str], Parser]) -> None:
    """Bring your own: weights for the runtime, or an adapter that generates."""
    add = verb("add", "add", "a model of your own: a GGUF file, or an ONNX Runtime GenAI folder")
    add.add_argument("path", metavar="PATH", help="the file, of a llama architecture, or the folder")
    add.add_argument("--name", metavar="N", required=True, help="what it is called from now on")
    add.add_argument("--scheme", metavar="S", help="of a GGUF: int4 (default), int4-rtn, int8 or fp32")
    add.add_argument("--licence", metavar="TEXT", help="default: what the GGUF says")
    add.add_argument("--capabilities", metavar="A,B", help="as chat,summarise: what it is for")
    add.add_argument("--replace", action="store_true", help="take the place of an added model of this name")
    add.add_argument("--json", action="store_true")
    remove = verb("remove", "add", "take a model away that was added")
    remove.add_argument("name", metavar="NAME")

    adapter = verb("adapter", "add", "serve an adapter (load, generate) as an OpenAI-compatible endpoint, until Ctrl-C")
    adapter.add_argument("name", metavar="NAME", help="a registered one, module:Class, or file.py:Class")
    adapter.add_argument("--weights", metavar="PATH", required=True, help="what its load() gets")
    adapter.add_argument("--port", metavar="N", type=arguments.port, help="default: 5373, or the next free one")


def _quality(verb: Callable[[str, str, str], Parser]) -> None:
    """Who judges replies, and how."""
    score = verb(
        "score", "score", "who scored a run's replies, and what that says; sheets for scoring in a spreadsheet"
    )
    score.add_argument("run", metavar="RUN", type=arguments.run, help="a run folder; quality: the one that ships")
    score.add_argument("--annotator", metavar="NAME", help="who scores")
    score.add_argument("--sheet", metavar="FILE", help="write a CSV file for this annotator to fill in")
    score.add_argument("--read", metavar="FILE", help="take the scores out of a filled-in file")
    score.add_argument("--replies", metavar="N", type=arguments.count, help="of --sheet: at most so many")
    score.add_argument(
        "--checks", action="store_true", help="have code check each reply: lengths, items, script, loops"
    )
    score.add_argument("--json", action="store_true")

    judge = verb("judge", "judge", "have a model judge a run's replies, by the rubric; pairs in both orders")
    judge.add_argument("run", metavar="RUN", type=arguments.run, help="a run folder; quality: the one that ships")
    judge.add_argument("--model", metavar="ALIAS", help="the judge")
    judge.add_argument("--pairs", action="store_true", help="pairs of replies instead of single ones")
    judge.add_argument("--replies", metavar="N", type=arguments.count, help="at most so many replies, or pairs")
    judge.add_argument("--again", action="store_true", help="ask also what was answered before")
    _where(judge)
    judge.add_argument("--json", action="store_true")


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", metavar="URL", help="an OpenAI-compatible service, with or without /v1")
    parser.add_argument("--allow-remote", action="store_true", help="the endpoint may be another machine")


def _selection(parser: argparse.ArgumentParser) -> None:
    """What is measured, where and how: what `run` and `plan` have in common."""
    _where(parser)
    _measured(parser)


def _measured(parser: argparse.ArgumentParser) -> None:
    """What is measured, and how."""
    parser.add_argument("--models", help="aliases, as a,b")
    parser.add_argument("--prompts", help="a set of data/prompts.json, a JSON or text file (a prompt a line)")
    parser.add_argument("--models-file", help="default: data/models.json")
    for name, metavar, text in (
        ("loads", "N", "how often each model is loaded afresh, where the service can do that"),
        ("warmup", "N", "untimed requests after each load"),
        ("max-tokens", "N", "passed on as given"),
        ("temperature", "T", "0 is deterministic"),
        ("seed", "N", "of the order of requests, and of the server's sampling"),
        ("deadline-s", "S", "seconds for one whole request"),
        ("concurrency", "N", "requests at once, and N - 1 untimed ones at the end; 1,2,4: one number after the other"),
        ("rate", "R", "requests started each second, whether or not replies have come"),
        ("arrivals", "KIND", "at --rate: poisson (independent users) or constant (evenly spaced)"),
        ("slo", "LIMITS", "limits of a good reply, as ttft=500ms,tpot=100ms"),
        ("retries", "N", "further attempts after a failed request, each of them recorded"),
    ):
        parser.add_argument(f"--{name}", help=text, metavar=metavar)
    for name, default, text in (
        ("stream", None, "--no-stream: without TTFT"),
        ("nonce", None, "begin every prompt differently, so that no prefix cache helps"),
        ("memory", True, "measure each model's memory"),
    ):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=default, help=text)
    parser.add_argument("--out", metavar="DIR", type=arguments.out, help="the run folder; default: runs/<time>-<hash>")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")


def main(words: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code; an error a person can act on is a sentence, not a traceback."""
    for stream in sys.stdout, sys.stderr:  # a reply in any script must not end in an encoding error (Windows cp1252)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    words = list(sys.argv[1:] if words is None else words)
    verb = ""
    try:
        parser = _parser()
        arguments.check_verb(words, parser.verbs)
        verb = f" {words[0]}"
        given, more = parser.parse_known_args(words)
        if more:
            one = parser.verbs[given.verb]
            raise one.verbs.get(getattr(given, "do", None), one).unknown(more)
        signal.signal(signal.SIGTERM, terminate)
        room, name = given.call
        code = getattr(importlib.import_module(f"slmbench.cli.{room}"), name)(given)
    except KitError as e:
        print(plain(f"slmbench{verb}: {e}", keep="\n"), file=sys.stderr)
        code = e.exit_code
    except KeyboardInterrupt as e:
        print("slmbench: stopped; what was measured is kept.", file=sys.stderr)
        code = 143 if isinstance(e, Terminated) else 130
    sys.exit(code)
