"""Trials of one process that go on in turns, and wait for each other where their updates are made together.

Every trial is what it is alone, its own trainer, callbacks and files among it, on a stack of its own (a greenlet): at a
stretch of updates it hands these over and lets the next trial run until all wait. No trial sees that others run, for
what a process has one of is each trial's own while it runs: see `Surroundings`.
"""

import contextvars
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

from litmus.training.packed import Stretch, Tried, together

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))


class Surroundings:
    """What a process has one of: generators, environment, directory, log, signals, and what the caller adds.

    Args:
        more: pairs of functions that take something and put it back.
    """

    def __init__(self, more: Sequence[tuple[Callable[[], Any], Callable[[Any], Any]]]) -> None:
        self.drawn, self._grad = torch.get_rng_state(), torch.is_grad_enabled()
        self._others = random.getstate(), np.random.get_state()
        self._place, self._variables = Path.cwd(), dict(os.environ)
        self._log = list(logging.root.handlers), logging.root.level
        self._signals = [signal.getsignal(number) for number in SIGNALS]
        self._more = [(put, take()) for take, put in more]

    def put(self) -> None:
        """Makes the process what it was."""
        torch.set_rng_state(self.drawn)
        torch.set_grad_enabled(self._grad)
        random.setstate(self._others[0])
        np.random.set_state(self._others[1])
        if Path.cwd() != self._place:
            os.chdir(self._place)
        if (now := dict(os.environ)) != self._variables:
            for name in now.keys() - self._variables.keys():
                del os.environ[name]
            os.environ.update(self._variables)
        logging.root.handlers[:], logging.root.level = self._log
        if threading.current_thread() is threading.main_thread():
            for number, handler in zip(SIGNALS, self._signals, strict=True):
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)
        for put, value in self._more:
            put(value)

    def end_log(self) -> None:
        """Closes what a trial alone logs to."""
        for handler in self._log[0]:
            if isinstance(handler, logging.FileHandler):
                handler.close()


class Member:
    """A trial of a pack: where it is, what it waits for, and the seconds that are its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        import greenlet

        self.greenlet = greenlet.greenlet(call)
        self.greenlet.gr_context = contextvars.copy_context()
        self.surroundings: Surroundings | None = None
        self.waits: Stretch | None = None
        self.given: Any = None
        self.seconds, self.since = 0.0, 0.0


class Pack:
    """Runs trials in turns and makes the updates at which several wait together.

    Args:
        more: what else a process has one of, see `Surroundings`.
        may_begin: whether there is room for one more trial beside those that have begun; asked before each but the
            first.
    """

    def __init__(
        self,
        more: Sequence[tuple[Callable[[], Any], Callable[[Any], Any]]] = (),
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self.more, self.may_begin = more, may_begin
        self.tried = Tried()
        self.runs: Member | None = None

    def run(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Calls all of these; what each gave, or the exception that ended it.

        Raises:
            KeyboardInterrupt: once each that has begun has been told so.
        """
        global _here
        members = [Member(call) for call in calls]
        self.outer = Surroundings(self.more)
        waiting, begun = list(members), list[Member]()
        before, _here = _here, self
        try:
            while waiting or begun:
                while waiting and (not begun or self.may_begin()):
                    begun.append(waiting.pop(0))
                    self._goes_on(begun[-1])
                    begun = [one for one in begun if not one.greenlet.dead]
                self._together(begun)
                for one in list(begun):
                    self._goes_on(one)
                begun = [one for one in begun if not one.greenlet.dead]
        except KeyboardInterrupt:
            for one in members:
                self._interrupt(one)
            raise
        finally:
            _here = before
        return [one.given for one in members]

    def meet(self, stretch: Stretch) -> None:
        """Called by a trial: waits for the others; the stretch then has as many updates as were made together."""
        member = self.runs
        assert member is not None
        member.waits = stretch
        member.greenlet.parent.switch()

    def seconds(self) -> float | None:
        """Seconds that the trial that runs has had for itself, with its share of what was made together."""
        return None if self.runs is None else self.runs.seconds + time.perf_counter() - self.runs.since

    def _together(self, begun: Sequence[Member]) -> None:
        """Makes what is waited for, kind by kind; whoever waits with nobody of his kind makes his updates alone."""
        kinds: dict[Any, list[Member]] = {}
        for one in begun:
            assert one.waits is not None
            kinds.setdefault(one.waits.kind, []).append(one)
        for alike in kinds.values():
            started = time.perf_counter()
            stretches: list[Any] = [one.waits for one in alike]
            made = together(stretches, self.tried) if len(alike) > 1 else 0
            share = (time.perf_counter() - started) / len(alike)
            for one, stretch in zip(alike, stretches, strict=True):
                one.waits, one.seconds = None, one.seconds + share
                if made:
                    assert one.surroundings is not None
                    one.surroundings.drawn = stretch.draws.get_state()

    def _goes_on(self, member: Member, problem: BaseException | None = None) -> None:
        """Lets a trial run until it waits again, or ends."""
        if member.surroundings is not None:
            member.surroundings.put()
        before, self.runs, member.since = self.runs, member, time.perf_counter()
        try:
            given = member.greenlet.switch() if problem is None else member.greenlet.throw(problem)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            given = error
        finally:
            member.seconds += time.perf_counter() - member.since
            self.runs, member.surroundings = before, Surroundings(self.more)
            self.outer.put()
        if member.greenlet.dead:
            member.given = given
            member.surroundings.end_log()

    def _interrupt(self, member: Member) -> None:
        if member.greenlet.dead or not member.greenlet:
            return
        try:
            self._goes_on(member, KeyboardInterrupt())
        except KeyboardInterrupt:
            return


_here: Pack | None = None


def pack_here() -> Pack | None:
    """The pack whose trial runs now, None outside of one."""
    return _here if _here is not None and _here.runs is not None else None


def generator_here() -> Generator:
    """A generator that draws what torch's own would draw next."""
    made = Generator()
    made.set_state(torch.get_rng_state())
    return made


def own_seconds() -> float:
    """A clock that stands while other trials of a pack run, and shares what they do together; outside, any clock."""
    pack = pack_here()
    own = None if pack is None else pack.seconds()
    return time.perf_counter() if own is None else own
