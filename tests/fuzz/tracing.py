"""Which branches of the package an input takes; that is what guides the fuzzer.

From Python 3.12 on the interpreter itself reports them, and stops to once they are known; before, a trace function has
to look at each line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

Edge = tuple[CodeType, int, int]


class Tracer:
    """Collects the edges taken by code whose file's path holds one of ``files``, while ``watching``."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self._files = files
        self._is_ours: dict[CodeType, bool] = {}
        self._hits: dict[Edge, int] = {}
        self.known: set[tuple[Edge, int]] = set()
        """Each edge with how often one input took it, roughly: once, up to three times, up to seven times, …"""
        self._has_monitoring = sys.version_info >= (3, 12)

    @contextmanager
    def watching(self) -> Iterator[None]:
        start, stop = (
            (self._monitor, self._stop_monitoring) if self._has_monitoring else (self._trace, self._stop_trace)
        )
        start()
        try:
            yield
        finally:
            stop()
            self.known.update((edge, count.bit_length()) for edge, count in self._hits.items())
            self._hits.clear()

    def _owns(self, code: CodeType) -> bool:
        found = self._is_ours.get(code)
        if found is None:
            found = self._is_ours[code] = any(part in code.co_filename for part in self._files)
        return found

    # -- before Python 3.12 -------------------------------------------------------------------------------------------

    def _trace(self) -> None:
        sys.settrace(self._on_call)

    def _stop_trace(self) -> None:
        sys.settrace(None)

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not self._owns(code):
            return None
        hits, last = self._hits, 0

        def on_line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            edge = (code, last, frame.f_lineno)
            hits[edge] = hits.get(edge, 0) + 1
            last = frame.f_lineno
            return on_line

        return on_line

    # -- Python 3.12 and later ----------------------------------------------------------------------------------------

    def _monitor(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        tool, events = monitoring.COVERAGE_ID, monitoring.events
        if monitoring.get_tool(tool) is None:
            monitoring.use_tool_id(tool, "sluice fuzz")
            monitoring.register_callback(tool, events.LINE, self._on_monitored_line)
            monitoring.register_callback(tool, events.BRANCH, self._on_branch)
        monitoring.set_events(tool, events.LINE | events.BRANCH)

    def _stop_monitoring(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        monitoring.set_events(monitoring.COVERAGE_ID, 0)

    def _on_monitored_line(self, code: CodeType, line: int) -> Any:
        if self._owns(code):
            self._hits[code, -1, line] = 1
        return sys.monitoring.DISABLE  # type: ignore[attr-defined,unused-ignore]

    def _on_branch(self, code: CodeType, offset: int, destination: int) -> Any:
        if self._owns(code):
            edge = (code, offset, destination)
            self._hits[edge] = self._hits.get(edge, 0) + 1
            return None
        return sys.monitoring.DISABLE  # type: ignore[attr-defined,unused-ignore]
