"""When a run may go on from its checkpoint: exactly as the whole run would have, or not at all."""

from collections.abc import Iterator, Mapping
from typing import Any

# What `resume=DIR epochs=N` changes by itself.
LENGTH = ("epochs", "trainer.max_epochs")
NEW = "start a new run"


class CannotGoOnError(ValueError):
    """A run that would not be the one that it was."""


def refuse_other_numerics(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to go on with other last digits than the run began with."""
    for name in sorted({*before, *now}):
        was, got = before.get(name), now.get(name)
        if was == got:
            continue
        if name == "threads" and was is not None and got is not None:
            raise CannotGoOnError(f"the run began with {was} threads and would go on with {got}: type threads={was}")
        if name == "device":
            raise CannotGoOnError(
                f"the run began on {was} and would go on on {got}: take a machine with {was}, or {NEW}"
            )
        raise CannotGoOnError(f"the run began with {name} {was} and would go on with {got}: set it as it was, or {NEW}")


def refuse_other_configuration(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses another configuration than the run began with, but for its length."""
    for knob, was, got in differences(before, now):
        if knob not in LENGTH:
            follows = f", since epochs went from {before.get('epochs')} to {now.get('epochs')}"
            why = follows if before.get("epochs") != now.get("epochs") else ""
            raise CannotGoOnError(f"the run began with {knob}={was} and would go on with {got}{why}: {NEW}")


def refuse_other_code(before: str | None, now: str | None) -> None:
    """Refuses to go on with other code than the run began with: its result would be of neither."""
    if before is not None and now is not None and before != now:
        raise CannotGoOnError(
            f"the run began with code {before} and would go on with {now}, the fingerprints of the files that its "
            f"configuration names and all they import: put the code back, or {NEW}"
        )


def refuse_other_plan(before: Mapping[str, Any], now: Mapping[str, Any], done: int) -> None:
    """Refuses another length of the run if the epochs that are done would have been others.

    Args:
        before, now: `epochs`, `sizes` by epoch (None where they are decided during training), the `first` of them,
            `schedulers` by name as they were made, and the updates that an average of the weights is `averaged` over.
        done: epochs.
    """
    was, got = before["epochs"], now["epochs"]
    if was == got:
        return
    change = f"epochs={got} instead of {was}"
    if got not in (None, -1) and got < done:
        raise CannotGoOnError(f"{done} epochs are done, got epochs={got}: type epochs={max(was, done)}, or {NEW}")
    sizes = [None if plan["sizes"] is None else plan["sizes"][:done] for plan in (before, now)]
    for epoch, (old, new) in enumerate(zip(sizes[0] or [], sizes[1] or [], strict=False)):
        if old != new:
            raise CannotGoOnError(
                f"the batch sizes are planned over the whole run: with {change}, epoch {epoch} would have had {new}, "
                f"not {old}; {NEW}"
            )
    if before["first"] != now["first"]:
        raise CannotGoOnError(
            f"with {change}, the first batch size would be {now['first']}, not {before['first']}; {NEW}"
        )
    if before.get("averaged") != now.get("averaged"):
        raise CannotGoOnError(
            f"the average of the weights is planned over the whole run: with {change}, it would be over "
            f"{now.get('averaged')} updates, not {before.get('averaged')}; {NEW}"
        )
    for knob, old, new in differences(before["schedulers"], now["schedulers"]):
        raise CannotGoOnError(
            f"the learning rate is planned over the whole run: with {change}, {knob} would be {new}, not {old}; {NEW}"
        )


def differences(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(place, value before, value now) wherever two pieces of plain data differ."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys((*before, *now)):
            yield from differences(before.get(name), now.get(name), f"{place}.{name}".lstrip("."))
    elif before != now:
        yield place, before, now
