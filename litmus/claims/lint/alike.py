"""Rules on what ran the trials: one code, one version of the data, and within a pair one kind of device and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from litmus.claims.data_version import unlike
from litmus.claims.finding import Finding, error, warning
from litmus.claims.notation import listing, shortened
from litmus.claims.results import Results, Trial
from litmus.claims.study import Study

# Knobs by which a study asks for other numerics, where they are not called alike; the device brings its own.
KNOBS = {"dtype": ("precision",), "matmul": ("precision",), "convolution": ("precision",), "processes": ("devices",)}
DEVICE = ("device", "accelerator", "trainer")


def mixed_code(study: Study, results: Results) -> Iterator[Finding]:
    """Trials that different code ran are no replicates, and no pairs."""
    known = [trial for trial in results.trials if trial.values and trial.code]
    said = "The trials were run by different code"
    yield from _versions("mixed_code", study, known, _of_other_code, lambda trial: trial.code, "code", said)


def _versions(
    code: str,
    study: Study,
    known: Sequence[Any],
    apart: Callable[[Sequence[Any]], list[Any]],
    version: Callable[[Any], str],
    words: str,
    said: str,
) -> Iterator[Finding]:
    """The finding on runs of several versions of something: an error where a prediction rests on more than one."""
    mixed = apart(known)
    if not mixed:
        return
    affected = [
        name
        for name, prediction in study.predictions.items()
        if apart([run for run in known if run.arm in prediction.named_arms(study)])
    ]
    shown = shortened([version(run) for run in mixed])
    told = _told(study, mixed, {id(run): f"{words} {shown[version(run)]}" for run in mixed})
    message = (
        f"{said}: {told}; choose one, delete the directories of the others' trials, and start the study again with it."
    )
    yield error(code, message, affected) if affected else warning(code, message)


def _of_other_code(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that others of the same classes were run by other code than; of other classes, code is another."""
    codes: dict[str, set[str]] = {}
    for trial in trials:
        codes.setdefault(trial.parts, set()).add(trial.code)
    return [trial for trial in trials if len(codes[trial.parts]) > 1]


def mixed_numerics(study: Study, results: Results) -> Iterator[Finding]:
    """Trials of a pair that ran on different devices, with other number types or numbers of threads."""
    for key in dict.fromkeys(key for trial in results.trials for key in trial.numerics):
        known = [trial for trial in results.trials if trial.values and key in trial.numerics]
        if len({trial.numerics[key] for trial in known}) < 2 or _asked_for(study, key):
            continue
        affected = [
            name
            for name, prediction in study.predictions.items()
            if _differ_in_pairs([trial for trial in known if trial.arm in prediction.named_arms(study)], key)
        ]
        words = key.replace("_", " ")
        told = _told(study, known, {id(trial): f"{words} {trial.numerics[key]}" for trial in known})
        if affected:
            message = (
                f"Trials of the same seed ran with different {words}: {told}; choose one, delete the directories of "
                "the others' trials, and start the study again with it."
            )
            yield error("mixed_numerics", message, affected)
        else:
            yield warning("mixed_numerics", f"Not all seeds ran with the same {words}: {told}.")


def mixed_data(study: Study, results: Results) -> Iterator[Finding]:
    """Runs, those that tuned included, of before and after an edit of the data that all were asked to see."""
    known: list[Any] = [trial for trial in results.trials if trial.values]
    known += [run for run in results.tuning if run.arm in study.arms]
    said = "Runs saw different versions of the same data"
    yield from _versions("mixed_data", study, known, unlike, lambda run: run.data.sha256, "on data", said)


def _differ_in_pairs(trials: Sequence[Trial], key: str) -> bool:
    return any(
        len({trial.numerics[key] for trial in trials if trial.seed == seed}) > 1
        for seed in {trial.seed for trial in trials}
    )


def _asked_for(study: Study, key: str) -> bool:
    """Whether the study's own arms set this part of the numerics."""
    knobs = {knob.rpartition(".")[2].lstrip("+~") for knob in study.varied}
    return any(knob in (*DEVICE, *KNOBS.get(key, ()), key) for knob in knobs)


def _told(study: Study, trials: Sequence[Any], words: Mapping[int, str]) -> str:
    """code 1a2b3c norm=none seeds 0, 1 and norm=batch seed 0; code 4d5e6f norm=batch seed 1."""
    parts = []
    for word in dict.fromkeys(words[id(trial)] for trial in trials):
        seeds = {
            arm: sorted({trial.seed for trial in trials if trial.arm == arm and words[id(trial)] == word})
            for arm in study.arms
        }
        arms = [f"{arm} seed{'s' * (len(own) > 1)} {listing(own, 5)}" for arm, own in seeds.items() if own]
        parts.append(f"{word} ran {listing(arms, 3)}")
    return "; ".join(parts)
