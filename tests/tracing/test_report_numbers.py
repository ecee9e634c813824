"""Every number in the report of a recorded run can be derived from its records, by other code than the report's own.

A number that is altered in the report, or a record that is altered below it, is found.
"""

import functools

import pytest
import traced_choice as choice
import traced_quality as quality
import traced_speed as speed
from traced_rows import Records
from traced_text import CONSTANTS, blank, differences, numbers, plain, sections

from slmbench import choosing, config, paths, runner, store
from slmbench.quality.scores import of_run
from slmbench.show import report

SECTIONS = {
    "Benchmark report": speed.opening,
    "Comparison": speed.comparison,
    "Highlights": speed.highlights,
    "Pictures": speed.pictures,
    "Quality": quality.section,
    "Choice": choice.section,
    "Cost": choice.cost,
    "Routing": choice.routes,
    "Load": speed.load,
    "Outliers": speed.outlier_table,
    "Drift": speed.drifting,
    "By prompt": speed.by_prompt,
    "Samples of the replies": speed.samples,
    "Load time, memory and footprint": speed.footprint,
    "Machine": speed.machine,
    "Method": speed.method,
    "How to repeat it": speed.command,
    "What this does not tell": speed.nothing,
}


EVERY = 7  # of the numbers of a report, so many are left out for each that is altered


class Traced:
    """The report of a run, as its reader sees it, and what its records give for each section."""

    def __init__(self, name):
        found = store.read(paths.run_folder(name))
        told = {"plan": found.plan, "machine": found.machine, "resources": found.resources, "scores": of_run(found)}
        self.folder, self.chosen = found.path, None
        if told["scores"]:
            known = choosing.evidence(found.path)
            self.chosen = known, choosing.decide(known, config.read_selection())
        entries = runner.entries_of(found.plan)
        self.page = plain(report.markdown(found.frame(), entries=entries, choice=self.chosen, **told))
        self.names = self.records().names
        self.expected = self.derived(self.records())

    def records(self):
        return Records(self.folder)

    def derived(self, records, titles=None):
        """Section: the numbers that the records give for it, of all or of those named."""
        parts = sections(self.page)
        found = {title: SECTIONS[title](records, parts[title]) for title in titles or parts}
        if self.chosen and "Benchmark report" in found:  # which then begins with the choice
            found["Benchmark report"] = choice.verdict(records) + found["Benchmark report"]
        return found

    def problems(self, page=None, expected=None):
        """Sections whose numbers are not the expected ones, each with the first such number."""
        parts, expected = sections(blank(page or self.page, self.names)), expected or self.expected
        assert parts.keys() == self.expected.keys(), "a section without a derivation, or the other way round"
        found = {title: [match[0] for match in numbers(parts[title])] for title in expected}
        wrong = {title: differences(found[title], expected[title]) for title in found}
        return {title: said for title, said in wrong.items() if said}


BOTH = (paths.EXAMPLE, paths.QUALITY)
once = functools.cache(Traced)


@pytest.fixture(params=BOTH)
def traced(request):
    return once(request.param)


def test_every_number_follows_from_the_records(traced):
    assert traced.problems() == {}
    assert sum(map(len, traced.expected.values())) > 500


def test_an_altered_number_is_found(traced):
    """Also one of a constant, which then is none."""
    everywhere = numbers(blank(traced.page, traced.names), constants=True)
    assert len(everywhere) > 600
    missed = []
    for match in everywhere[::EVERY]:
        place = match.start() + next((i for i, c in enumerate(match[0]) if c in "123456789"), len(match[0]) - 1)
        digit = str((int(traced.page[place]) + 1) % 10)
        if not traced.problems(traced.page[:place] + digit + traced.page[place + 1 :]):
            missed.append(traced.page[max(0, place - 40) : place + 20])
    assert missed == []


def test_a_number_too_many_is_found(traced):
    for title in traced.expected:
        heading = f"# {title}\n"
        assert title in traced.problems(traced.page.replace(heading, f"{heading}\nAnd 4 more.\n", 1))


def slower(records):
    row = records.of(records.models[0])[-1]
    row["latency_s"] *= 3


def longer(records):
    records.of(records.models[1])[0]["output_tokens"] += 100


def failed(records):
    next(row for row in reversed(records.rows) if row["phase"] == "timed")["status"] = "timeout"


def heavier(records):
    records.resources[0]["rss_loaded_mb"] += 20


def another_plan(records):
    records.plan["max_tokens"] += 1


def another_machine(records):
    records.machine["memory_mb"] += 1


ALTERED = {
    slower: {"Comparison", "Pictures", "Load", "By prompt"},
    longer: {"Comparison", "Load", "By prompt"},
    failed: {"Comparison", "Pictures", "Load", "By prompt"},
    heavier: {"Comparison", "Highlights", "Load time, memory and footprint"},
    another_plan: {"Method"},
    another_machine: {"Machine"},
}


@pytest.mark.parametrize("alter", ALTERED, ids=lambda alter: alter.__name__)
def test_an_altered_record_is_found_where_it_counts(traced, alter):
    records = traced.records()
    alter(records)
    assert traced.problems(expected=traced.derived(records, ALTERED[alter])).keys() == ALTERED[alter]


def slower_biggest(records):
    biggest = max(records.models, key=lambda model: records.sizes(model, "disk_mb"))
    records.of(biggest)[-1]["latency_s"] *= 3


def held(records):
    records.resources[0]["rss_after_mb"] += 20


@pytest.mark.parametrize(
    ("alter", "found"),
    [(slower_biggest, {"Choice", "Cost", "Routing"}), (longer, {"Choice", "Cost"}), (held, {"Choice"})],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_altered_record_is_found_in_the_choice(alter, found):
    traced = once(paths.QUALITY)
    records = traced.records()
    alter(records)
    assert traced.problems(expected=traced.derived(records, ["Choice", "Cost", "Routing"])).keys() == found


def test_the_first_is_called_so_as_far_as_is_sure():
    traced = once(paths.QUALITY)
    assert choice.Chosen(traced.records()).sure() == traced.page.split("**")[1].startswith("Choose ")


@pytest.mark.parametrize(
    ("kind", "field"), [("human", "score"), ("model", "score"), ("code", "checks"), ("pair", "choice")]
)
def test_an_altered_score_is_found(kind, field):
    traced = once(paths.QUALITY)
    records = traced.records()
    one = next(s for s in records.scores if kind in (s["kind"], s["task"]))
    if field == "checks":
        one["checks"][0]["passed"] = not one["checks"][0]["passed"]
    else:
        one[field] = {1: 4, 2: 5, "first": "second", "second": "first"}.get(one[field], 1)
    assert "Quality" in traced.problems(expected=traced.derived(records, ["Quality"]))


def test_constants_are_phrases_of_the_reports_with_a_number_in_each():
    pages = [once(name).page for name in BOTH]
    assert [phrase for phrase in CONSTANTS if not numbers(phrase, constants=True)] == []
    assert [phrase for phrase in CONSTANTS if not any(phrase in page for page in pages)] == []
