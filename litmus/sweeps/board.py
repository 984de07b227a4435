"""How far a sweep is: a table of arms × seeds with the time left on a terminal, a line now and then elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from litmus.sweeps.once import Outcome

SIGNS = {
    "completed": ("✓", "green"),
    "pruned": ("✂", "blue"),
    "diverged": ("∞", "red"),
    "failed": ("✗", "red"),
    "interrupted": ("‖", "bold"),
    "running": ("▶", "bold blue"),
    "waiting": ("·", "dim"),
}
ENDED = ("completed", "pruned", "diverged", "failed")
EVERY_SECONDS = 30.0


class Board:
    """The states of rows of trials, read anew whenever it is shown.

    Args:
        title: what runs.
        rows: row → its trials in order, each a function that looks up its outcome.
    """

    def __init__(
        self, title: str, rows: Mapping[str, Sequence[Callable[[], Outcome]]], console: Console | None = None
    ) -> None:
        self.title, self.rows = title, rows
        self.console = console or Console()
        self._ended: dict[tuple[str, int], str] = {}
        self.states()
        self._done_before = len(self._ended)
        self._start = time.monotonic()

    def states(self) -> dict[tuple[str, int], str]:
        """(row, place) → state; what has ended is not looked up again."""
        found = {}
        for row, looks in self.rows.items():
            for place, look in enumerate(looks):
                key = (row, place)
                found[key] = self._ended.get(key) or look().state
                if found[key] in ENDED:
                    self._ended[key] = found[key]
        return found

    def summary(self) -> str:
        """37 of 60 trials · 3 failed · 4 min left."""
        states = list(self.states().values())
        ended = sum(state in ENDED for state in states)
        words = [f"{ended} of {len(states)} trials"]
        words += [f"{states.count(state)} {state}" for state in ("failed", "diverged", "pruned") if state in states]
        left = len(states) - ended
        here = ended - self._done_before
        if left and here > 0:
            words.append(f"{in_words((time.monotonic() - self._start) / here * left)} left")
        return " · ".join(words)

    def __rich__(self) -> Table:
        states = self.states()
        table = Table(title=self.title, caption=self.summary(), title_justify="left", caption_justify="left")
        table.add_column("arm")
        table.add_column("trials", overflow="fold")
        table.add_column("", justify="right")
        for row, looks in self.rows.items():
            own = [states[row, place] for place in range(len(looks))]
            signs = Text.assemble(*(SIGNS.get(state, SIGNS["waiting"]) for state in own))
            table.add_row(row, signs, f"{sum(state in ENDED for state in own)}/{len(own)}")
        return table

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the board while the block runs."""
        if self.console.is_terminal:
            with Live(get_renderable=self.__rich__, console=self.console, refresh_per_second=1):
                yield
            return
        ended = threading.Event()
        speaker = threading.Thread(target=self._speak, args=(ended,), daemon=True)
        speaker.start()
        try:
            yield
            self.say()
        finally:
            ended.set()
            speaker.join()

    def say(self) -> None:
        """The summary in a line."""
        print(f"{self.title}: {self.summary()}", flush=True)

    def _speak(self, ended: threading.Event) -> None:
        while not ended.wait(EVERY_SECONDS):
            self.say()


def in_words(seconds: float) -> str:
    """40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
