"""From a failed run to its alerts: one for each cause, however many tasks met it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from sluice.alerts.alert import FAILED, HELD, LIMITS, TOTALS, Alert, Cause, some
from sluice.alerts.problems import GENERAL_ADVICE, Problem

UNACCOUNTED = "unaccounted"  # a breach that has no alert of its own where a task failed
HELD_ADVICE = (
    "Look at the held files and the Data Docs. Correct the expectation, or wait for corrected files: the next run"
    " judges them anew. If they may pass, `sluice release {feed} --note …`."
)
LIMITS_ADVICE = (
    "Look into the quarantine. Ask the sender (a corrected file is a new version and loads by itself), or correct the"
    " feed and `sluice replay {feed}`. What was good is loaded."
)

TOTALS_ADVICE = (
    "If records were rejected, look into the quarantine. Else ask the sender: a corrected file is a new version and"
    " loads by itself. What was good is loaded."
)


@dataclass(frozen=True, slots=True)
class RunLinks:
    """A run in Airflow's UI. ``base_url`` is '' where it is not set; then there are no links."""

    base_url: str
    dag_id: str
    dag_run_id: str

    @property
    def page(self) -> str:
        run = quote(self.dag_run_id)
        return f"{self.base_url}/dags/{self.dag_id}/runs/{run}" if self.base_url else ""

    def log(self, problem: Problem) -> str:
        """The log of the task that met ``problem``; '' where it is not known which of several it was."""
        if not self.page or not problem.kind or problem.kind == "WorkerDied":
            return ""
        mapped = f"/mapped/{problem.map_index}" if problem.map_index >= 0 else ""
        return f"{self.page}/tasks/{problem.stage}{mapped}"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a run has put into the quarantine or held. ``record`` is its place in the file, '' for all of it;
    ``code`` is '' for what is held.
    """

    file: str
    record: str
    code: str
    message: str

    def text(self) -> str:
        place = f", {self.record}" if self.record else ""
        code = f"{self.code}: " if self.code else ""
        return f"{self.file}{place}: {code}{self.message}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the warehouse knows of a run: the first of what it rejected, with how many of each code, and of what it
    holds. ``run_id`` is None where the run never got so far, or the warehouse does not answer. ``breach`` is what
    reconcile said of the run, with its main kind; None where it said nothing.
    """

    run_id: int | None = None
    rejected: tuple[Found, ...] = ()
    codes: tuple[tuple[str, int], ...] = ()
    held: tuple[Found, ...] = ()
    breach: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed, as far as it is known. ``problems``, at least one, are in the order of the stages."""

    feed: str
    links: RunLinks
    dates: str
    problems: tuple[Problem, ...]
    evidence: Evidence = field(default_factory=Evidence)
    data_docs: str = ""

    def alerts(self) -> list[Alert]:
        """One alert for each cause, those of tasks first."""
        found = list(self._of_tasks())
        found += [self._of_gate(text) for text in self._breaches(HELD)]
        limits = self._breaches(LIMITS)
        found += [self._of_limits(limits)] if limits else []
        found += [self._of_totals(text) for text in self._breaches(TOTALS)]
        return found or [self._of_problem(list(self.problems))]

    def _breaches(self, kind: str) -> list[str]:
        return [text for problem in self.problems for is_kind, text in problem.breaches if is_kind == kind]

    def _of_tasks(self) -> Iterator[Alert]:
        """Alike is what has the same kind, whichever stage met it; reconcile only sums up what others met."""
        by_kind: dict[str, list[Problem]] = {}
        for problem in self.problems:
            if problem.kind != "RunFailed":
                by_kind.setdefault(problem.kind, []).append(problem)
        for alike in by_kind.values():
            yield self._of_problem(alike)
        lost = self._breaches(UNACCOUNTED)
        if lost and not by_kind:
            yield self._of_problem([Problem("reconcile", "RunFailed", "\n".join(lost))])

    def _of_problem(self, alike: list[Problem]) -> Alert:
        first = alike[0]
        lost = [f"reconcile: {text}" for text in self._breaches(UNACCOUNTED)]
        others = [
            problem.place if problem.reason == first.reason else f"{problem.place}: {problem.reason}"
            for problem in alike[1:]
        ]
        return self._alert(
            Cause(self.feed, FAILED, own_key(self.feed, self.links.dag_id, first.kind), gist_of(first.reason)),
            f"{self.feed} failed in {first.stage}" if first.kind else f"{self.feed} failed",
            stage=first.stage if first.kind else "",
            tasks=len(alike),
            file=first.label,
            reason=first.reason,
            also=(*some(others), *([] if first.kind == "RunFailed" else lost)),
            advice=first.advice if first.kind else GENERAL_ADVICE,
            log=self.links.log(first),
        )

    def _of_gate(self, text: str) -> Alert:
        held = self.evidence.held
        return self._alert(
            Cause(
                self.feed, HELD, own_key(self.feed, self.links.dag_id), gist_of(*(one.message for one in held), text)
            ),
            f"{self.feed} is held",
            file=held[0].file if held else "",
            reason=text,
            also=some([one.text() for one in held[1:]]),
            advice=HELD_ADVICE.format(feed=self.feed),
            log=self.links.log(Problem("reconcile", "RunFailed", "")),
            quarantine=self._command(" --state held"),
            sql=self._sql(
                "SELECT f.uri, h.found, h.reason FROM sluice.holds h JOIN sluice.parts p USING (part_id)"
                " JOIN sluice.files f USING (file_id) WHERE h.run_id = {run};"
            ),
            data_docs=self.data_docs,
        )

    def _of_limits(self, texts: Sequence[str]) -> Alert:
        rejected, codes = self.evidence.rejected, self.evidence.codes
        counts = ", ".join(f"{number:,} × {code}" for code, number in codes)
        gist = ", ".join(sorted(code for code, _ in codes)) or gist_of(*texts)
        first = f"{rejected[0].code}: {rejected[0].message}" if rejected else ""
        is_of_gate = any(code == "expectation_failed" for code, _ in codes)
        return self._alert(
            Cause(self.feed, LIMITS, own_key(self.feed, self.links.dag_id), gist),
            f"{self.feed} passed a limit",
            file=rejected[0].file if rejected else "",
            record=rejected[0].record if rejected else "",
            reason="\n".join([*texts, *([first] if first not in " ".join(texts) else [])]),
            also=(*some([one.text() for one in rejected[1:]]), *([f"in all {counts}"] if counts else [])),
            advice=LIMITS_ADVICE.format(feed=self.feed),
            log=self.links.log(Problem("reconcile", "RunFailed", "")),
            quarantine=self._command(),
            sql=self._sql(
                "SELECT f.uri, q.member, q.ordinal, q.line, q.code, q.message FROM sluice.quarantine q"
                " JOIN sluice.files f USING (file_id) WHERE q.run_id = {run};"
            ),
            data_docs=self.data_docs if is_of_gate else "",
        )

    def _of_totals(self, text: str) -> Alert:
        return self._alert(
            Cause(self.feed, TOTALS, own_key(self.feed, self.links.dag_id), gist_of(text)),
            f"{self.feed} came with totals that differ",
            reason=text,
            advice=TOTALS_ADVICE,
            log=self.links.log(Problem("reconcile", "RunFailed", "")),
            sql=self._sql(
                # By the files, which the view's indexes know: the run of a total is only known when all are added up.
                "SELECT uri, member, path, measure, stated, found, unreadable FROM sluice.file_totals"
                " WHERE file_id = ANY (ARRAY(SELECT file_id FROM sluice.totals JOIN sluice.parts USING (part_id)"
                " WHERE run_id = {run})) AND is_complete AND (stated IS DISTINCT FROM found OR unreadable > 0);"
            ),
        )

    def _alert(self, cause: Cause, headline: str, **facts: object) -> Alert:
        known = {"run": self.links.dag_run_id, "dates": self.dates, "page": self.links.page}
        return Alert(cause=cause, headline=headline, **{**known, **facts})  # type: ignore[arg-type]

    def _command(self, options: str = "") -> str:
        run = f" --run {self.evidence.run_id}" if self.evidence.run_id is not None else ""
        return f"sluice quarantine {self.feed}{run}{options}"

    def _sql(self, statement: str) -> str:
        return statement.format(run=self.evidence.run_id) if self.evidence.run_id is not None else ""


def own_key(feed: str, dag_id: str, key: str = "") -> str:
    """``key`` for a run of the feed's own DAG; for one of another DAG (``replay``) apart from that."""
    return key if dag_id == feed else f"{dag_id}: {key}"


def is_of_dag(key: str, feed: str, dag_id: str) -> bool:
    """Whether ``own_key`` made ``key`` for a run of ``dag_id``."""
    return ": " not in key if dag_id == feed else key.startswith(f"{dag_id}: ")


def gist_of(*texts: str) -> str:
    """The texts without what differs from run to run: numbers, and names of files."""
    plain = (re.sub(r"(?<!\S)\S*/\S*|\d[\d,.]*", "…", text) for text in texts)
    return " | ".join(sorted(set(plain)))[:500]
