"""The progress bar of long work."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

PATIENCE = 2.0
"""Seconds before the bar appears."""

EVERY = 0.2
"""Seconds between updates of the bar."""

WIDEST = 100
"""Columns of the bar, at most."""

COMPILE = "/jax/core/compile/backend_compile_duration"
"""JAX's event at the beginning and the end of a program's compilation. Source: jax/_src/dispatch.py."""


class Compiler:
    """Hears from JAX what it compiles. `busy` is the number of programs that JAX compiles now.

    Versions of JAX before 0.6 do not announce the beginning.
    """

    def __init__(self) -> None:
        self.busy, self._listens, self._lock = 0, False, threading.Lock()

    def listen(self) -> None:
        """Listen from now on. Repeated calls change nothing."""
        with self._lock:
            if self._listens:
                return
            self._listens = True
        from jax import monitoring

        if hasattr(monitoring, "register_scalar_listener"):
            monitoring.register_scalar_listener(self._begins)
            monitoring.register_event_duration_secs_listener(self._ends)

    def leave(self) -> None:
        """Listen no longer."""
        if not self._listens:
            return
        from jax import monitoring

        if hasattr(monitoring, "unregister_scalar_listener"):
            monitoring.unregister_scalar_listener(self._begins)
            monitoring.unregister_event_duration_listener(self._ends)

    def _begins(self, event: str, *_: object, **__: object) -> None:
        with self._lock:
            self.busy += event == COMPILE

    def _ends(self, event: str, *_: object, **__: object) -> None:
        with self._lock:
            self.busy -= event == COMPILE


class Bar:
    """Takes the progress of the work, as a `gllmm_jax.progress.Progress`, and counts the pictures that are done."""

    def __init__(
        self, stage: str, pictures: int, compiler: "Compiler | None" = None, *, called: str = "pictures"
    ) -> None:
        self._called, self._pictures, self._done, self._start = called, pictures, 0, time.time()
        self._last = self._start  # time at which the last picture was done
        self._now = (stage, 0, 1, self._start)  # stage, parts done, number of parts, start of the stage
        self._compiler, self.live = compiler, compiler is not None
        self.drawn = threading.RLock()
        self.clear: Callable[[], object] = lambda: None

    def __call__(self, stage: str, part: int, total: int) -> None:
        if self._compiler is not None:
            self._compiler.listen()  # JAX has been imported
        begun = self._now[3] if stage == self._now[0] else time.time()
        self._now = stage, part, total, begun

    def one_is_done(self) -> None:
        """Count one more picture as done."""
        with self.drawn:
            self._done += 1
            self._last = time.time()

    def between(self, show: Callable[[], object]) -> None:
        """Call `show`, which prints a line, while the bar is hidden."""
        with self.drawn:
            self.clear()
            show()

    def shown(self) -> tuple[str, float | None]:
        """What to show now: a text, and the share that is done, None if the share is not known yet."""
        stage, part, total, begun = self._now
        if self._compiler is not None and self._compiler.busy > 0 and not 0 < part < total:
            stage = "compiling"
        now = time.time()
        passed = _clock(now - self._start)
        if self._pictures > 1:
            if not self._done:
                return f"{stage}, {self._pictures:,} {self._called}, {passed}", None
            share = self._done / self._pictures
            left = max(0, (self._last - self._start) / share - (now - self._start))
            return f"{self._done:,} of {self._pictures:,} {self._called}, {stage}, {passed}, {_clock(left)} left", share
        if not 0 < part < total:  # the time of the rest is unknown
            return f"{stage}, {passed}", None
        return f"{stage}, {passed}, {_clock((now - begun) * (total / part - 1))} left", part / total


@contextlib.contextmanager
def bar(stage: str = "starting", pictures: int = 1, *, called: str = "pictures") -> Iterator[Bar]:
    """Shows the work on stderr, if stderr is a terminal and the work takes more than `PATIENCE`.

    Several pieces of work have the name `called`. The share and the time left appear as soon as they are known. The
    work only reports its progress. A thread draws the bar, so the seconds also go on within a long part.
    """
    if not _on_a_terminal():
        yield Bar(stage, pictures, called=called)
        return
    compiler, done = Compiler(), threading.Event()
    told = Bar(stage, pictures, compiler, called=called)
    thread = threading.Thread(target=_draw, args=(told, done), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        done.set()
        thread.join()
        compiler.leave()


def _draw(told: Bar, done: threading.Event) -> None:
    if done.wait(PATIENCE):
        return
    from tqdm import tqdm

    with contextlib.suppress(OSError, ValueError):  # the terminal has gone
        columns = min(shutil.get_terminal_size().columns, WIDEST)
        with tqdm(total=1.0, bar_format="{desc}", leave=False, ncols=columns, file=sys.stderr) as line:
            told.clear = line.clear
            while True:
                with told.drawn:
                    text, share = told.shown()
                    line.bar_format = "{desc}" if share is None else "{percentage:3.0f}%|{bar}| {desc}"
                    line.n = share or 0.0
                    line.set_description_str(text, refresh=False)
                    line.refresh()
                if done.wait(EVERY):
                    break
            told.clear = lambda: None


def _on_a_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
