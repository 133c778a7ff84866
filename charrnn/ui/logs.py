"""Event logs of runs, read once and then only what was added."""

import threading
from collections import OrderedDict

from ..events import Event
from ..runs import Run

KEPT = 64  # logs in memory


class Logs:
    """What the page knows of the runs' logs. Safe to call from several threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._logs: OrderedDict[tuple, tuple[int, list[Event]]] = OrderedDict()

    def read(self, run: Run) -> list[Event]:
        """All events of the run so far."""
        key = (run.folder, run.log_id)  # a resumed run starts a new file, and is read anew
        with self._lock:
            offset, events = self._logs.pop(key, (0, []))
            new, offset = run.events(offset)
            events = events + new if new else events
            self._logs[key] = (offset, events)
            while len(self._logs) > KEPT:
                self._logs.popitem(last=False)
            return events
