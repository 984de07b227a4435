"""Arms of records: what a run is but for its seed, which runs are of one arm, and the shortest names that differ."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from litmus.claims.data_version import DataVersion
from litmus.claims.factors import follows_seed, is_factor, is_place
from litmus.claims.notation import shortened, text
from litmus.records.record import Record

UNKNOWN = "unknown"
# Data of a file, whichever seed splits them: their fingerprint is of all that is in it.
OF_A_FILE = re.compile(
    r"litmus\.training\.arrays\.|"
    r"src\.datamodules\.(table|social_network_ads|fashion_mnist|image_folder|huggingface)\."
)
A_FILE = "no seed"
# What is done with these once they are loaded: arms that differ by it alone see one version.
NOT_LOADED = (
    *("batch_size", "eval_batch_size", "updates_per_epoch", "val_fraction", "test_fraction", "folds", "fold"),
    *("scale", "rows", "augment", "standardise", "standardise_target"),
)
# The name of a class or function, as in _target_: what a fingerprint of the code is made from.
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


@dataclass(frozen=True)
class Identity:
    """What a run is but for its seed: resolved settings, flat; device, threads, …; the fingerprint of the code.

    `stored` is the run's own digest of these three; runs of before it was written have none, and no `code`.
    """

    settings: Mapping[str, str]
    numerics: Mapping[str, str]
    code: str
    stored: str = ""

    @cached_property
    def key(self) -> Hashable:
        """Equal for runs of one arm."""
        numerics = tuple(sorted(self.numerics.items()))
        return self.stored or tuple(sorted(self.settings.items())), numerics, self.code


def identity(record: Record, constant: Container[str] = ()) -> Identity:
    """The arm that a record belongs to, as far as the record knows it.

    Args:
        record: of a run.
        constant: settings that do not follow the seed, though this run's may equal it.
    """
    settings = {
        key: text(value)
        for key, value in record.settings.items()
        if value is not None and is_factor(key) and (key in constant or not _follows_seed(key, value, record))
    }
    return Identity(settings, numerics(record), code(record), _word(record.content.get("arm")))


def numerics(record: Record) -> dict[str, str]:
    """What the numbers depend on beside settings and code: device, threads, …; as far as an older run tells."""
    hardware = record.content.get("hardware")
    known = hardware if isinstance(hardware, Mapping) else {}
    older = {key: text(known[key]) for key in ("device", "processes", "threads") if known.get(key) is not None}
    return recorded_numerics(record) or older


def recorded_numerics(record: Record) -> dict[str, str]:
    """The numerics that a run wrote down; none of an older run."""
    found = record.content.get("numerics")
    told = found if isinstance(found, Mapping) else {}
    return {str(key): text(value) for key, value in told.items() if value is not None}


def code(record: Record) -> str:
    """The fingerprint of the code that trained; empty where it was not recorded."""
    return _word(record.content.get("code"))


def parts(record: Record) -> str:
    """A digest of the classes and functions that the configuration names: the code of others differs in any case."""
    values = (value for key, value in record.settings.items() if is_factor(key))
    texts = (each for value in values for each in (value if isinstance(value, list) else [value]))
    names = {each for each in texts if isinstance(each, str) and DOTTED.fullmatch(each)}
    return hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:8]


def data_version(record: Record) -> DataVersion | None:
    """Which version of its data a run saw; None where it did not record that."""
    found = record.content.get("data")
    told = found if isinstance(found, Mapping) else {}
    asked = {key: value for key, value in record.settings.items() if key.startswith("data.") and not is_place(key)}
    # Of a module's own loaders the first pass is known alone, whose split and order it may draw as it likes.
    if not _word(told.get("sha256")) or told.get("sha256_of") or not asked:
        return None
    seeds = {key: asked.pop(key) for key in list(asked) if key.endswith("seed")}
    draw = ", ".join(f"{key}={text(value)}" for key, value in sorted({**seeds, "seed": record.seed}.items()))
    if OF_A_FILE.match(text(asked.get("data._target_", ""))):
        asked = {key: value for key, value in asked.items() if key.partition(".")[2] not in NOT_LOADED}
        draw = A_FILE
    else:
        asked = {key: value for key, value in asked.items() if key.partition(".")[2] not in NOT_LOADED[:3]}
    settings = sorted((key, text(value)) for key, value in asked.items() if value is not None)
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:8]
    return DataVersion(str(told["sha256"])[:16], digest, draw)


def is_known(record: Record) -> bool:
    """Whether anything says how the run was configured."""
    return bool(record.overrides or record.settings)


@dataclass(frozen=True)
class Arm:
    """Records that differ by their seeds alone; `places` are theirs among all that were grouped."""

    name: str
    places: tuple[int, ...]
    identity: Identity


def group(records: Sequence[Record]) -> list[Arm]:
    """The arms of these records in order of appearance, each with a name that no other has.

    A single arm that nothing distinguishes has no name. What left no configuration is one arm, `unknown`.
    """
    constant = _constant_seeds(records)
    identities = [identity(record, constant) for record in records]
    grouped: dict[Hashable, list[int]] = {}
    for place, record in enumerate(records):
        if _is_whole(record):
            grouped.setdefault(identities[place].key, []).append(place)
    for place, record in enumerate(records):
        if not _is_whole(record):
            key = UNKNOWN if not is_known(record) else _arm_for(place, grouped, records, identities)
            grouped.setdefault(key, []).append(place)
    members = sorted((sorted(places) for places in grouped.values()), key=lambda places: places[0])
    known = [places for places in members if is_known(records[places[0]])]
    # Who is whole knows the most.
    whole = [next((identities[one] for one in own if _is_whole(records[one])), identities[own[0]]) for own in known]
    names = _names([[records[place] for place in places] for places in known], whole)
    named = {own[0]: Arm(name, tuple(own), one) for own, name, one in zip(known, names, whole, strict=True)}
    return [named.get(own[0], Arm(UNKNOWN, tuple(own), identities[own[0]])) for own in members]


def varied(groups: Sequence[Sequence[Record]]) -> list[str]:
    """The knobs that were typed and in which these groups of like records differ, in the order of typing."""
    typed = dict.fromkeys(key for records in groups for record in records for key in record.overrides if is_factor(key))
    return [key for key in typed if _differs(key, groups)]


def typed_as(key: str, records: Sequence[Record]) -> str | None:
    """What the first of like records that was told a knob was told; None if none was."""
    return next((record.overrides[key] for record in records if key in record.overrides), None)


def _follows_seed(key: str, value: Any, record: Record) -> bool:
    return follows_seed(key, value, record.seed, record.overrides)


def _follows(key: str, value: Any, record: Record) -> bool:
    """Whether a setting is the seed, or a knob of the root, under another name: model.norm is norm."""
    root = key.rpartition(".")[2]
    known = root in record.settings and text(record.settings[root]) == text(value)
    return known or _follows_seed(key, value, record)


def _constant_seeds(records: Sequence[Record]) -> set[str]:
    """Settings called seed that differ from the run's own in some run that was not told so: split_seed: 0."""
    return {
        key
        for record in records
        for key, value in record.settings.items()
        if key.endswith("seed") and key not in record.overrides and not _follows_seed(key, value, record)
    }


def _is_whole(record: Record) -> bool:
    """Whether the record says all that an arm is: with less, it joins the arm that it may belong to."""
    return is_known(record) and bool(record.content.get("arm") or record.done)


def _arm_for(
    place: int, grouped: Mapping[Hashable, list[int]], records: Sequence[Record], identities: Sequence[Identity]
) -> Hashable:
    """The arm of a run that left a part of its description: the latest that it does not contradict, or its own."""
    for key, places in reversed(list(grouped.items())):
        first = places[0]
        if key != UNKNOWN and _agree(records[place], records[first], identities[place], identities[first]):
            return key
    return ("alone", place)


def _agree(record: Record, other: Record, own: Identity, others: Identity) -> bool:
    """Whether nothing that both records know differs."""
    both_typed = {**other.overrides, **record.overrides}
    typed = all(_agrees(key, record, other) for key in both_typed if is_factor(key))
    shared = own.settings.keys() & others.settings.keys()
    settings = all(own.settings[key] == others.settings[key] for key in shared)
    numeric = own.numerics.keys() & others.numerics.keys()
    alike = all(own.numerics[key] == others.numerics[key] for key in numeric)
    return typed and settings and alike and (not own.code or not others.code or own.code == others.code)


def _agrees(key: str, record: Record, other: Record) -> bool:
    """Whether two records may have the same value of a knob that one of them, or both, were told."""
    typed = [one.overrides.get(key) for one in (record, other)]
    if None not in typed:
        return text(typed[0]) == text(typed[1])
    told, untold = (record, other) if typed[1] is None else (other, record)
    if not untold.settings:
        return False  # nothing says that its default is the same
    if key in untold.settings:
        return text(untold.settings[key]) == text(told.overrides[key])
    return bool(told.settings) and _resolved(key, told) == _resolved(key, untold)


def _differs(key: str, groups: Sequence[Sequence[Record]]) -> bool:
    typed = {None if (said := typed_as(key, records)) is None else text(said) for records in groups}
    if len(typed) == 1:
        return False
    # model=mlp typed and model=mlp by default are the same.
    resolved = [_resolved(key, next((one for one in records if one.settings), records[0])) for records in groups]
    return None in resolved or len(set(resolved)) > 1


def _resolved(key: str, record: Record) -> Hashable:
    """What a knob came to: a value's text, or all settings of a group; None when the record does not say."""
    if key in record.settings:
        return text(record.settings[key])
    inside = [
        (name, text(value))
        for name, value in record.settings.items()
        if name.startswith(f"{key}.") and is_factor(name) and not _follows(name, value, record)
    ]
    return tuple(sorted(inside)) or None


Label = tuple[str, ...]
Namer = Callable[[Sequence[Identity]], list[str]]


def _names(groups: Sequence[Sequence[Record]], identities: Sequence[Identity]) -> list[str]:
    """A name for each arm: what was typed, else what it came to, else where and by which code it ran."""
    knobs = varied(groups)
    labels: list[Label] = []
    for records in groups:
        typed = [(key, typed_as(key, records)) for key in knobs]
        labels.append((",".join(f"{key}={value}" for key, value in typed if value is not None),))
    names = [",".join(filter(None, label)) for label in _told_apart(labels, identities, _by_settings)]
    labels = [(name or ("defaults" if any(names) else ""),) for name in names]
    for namer in (_by_numerics, _by_code, _by_digest, _by_all_numerics, _by_place):
        labels = _told_apart(labels, identities, namer)
    return [_joined(label[0], label[1:]) for label in labels]


def _joined(name: str, more: Sequence[str]) -> str:
    """norm=batch (cuda, code 1a2b3c)."""
    if not name or not more:
        return name or ", ".join(more)
    return f"{name} ({', '.join(more)})"


def _told_apart(labels: Sequence[Label], identities: Sequence[Identity], namer: Namer) -> list[Label]:
    """The labels, with another part where several arms have the same."""
    found = list(labels)
    for label, times in Counter(labels).items():
        if times > 1:
            same = [place for place, other in enumerate(labels) if other == label]
            for place, more in zip(same, namer([identities[one] for one in same]), strict=True):
                found[place] = (*label, more) if more else label
    return found


def unlike(identities: Sequence[Identity]) -> list[str]:
    """The fewest settings that tell arms apart, those of the root before what follows them."""
    keys = dict.fromkeys(key for one in identities for key in one.settings)
    return _telling(sorted(keys, key=lambda key: key.count(".")), [one.settings for one in identities])


def _by_settings(identities: Sequence[Identity]) -> list[str]:
    chosen = unlike(identities)
    return [",".join(_setting(key, one.settings[key]) for key in chosen if key in one.settings) for one in identities]


def _setting(key: str, value: str) -> str:
    """norm=batch; a class by its name alone, model=CNN."""
    knob, _, last = key.rpartition(".")
    return f"{knob}={value.rpartition('.')[2]}" if last == "_target_" and knob else f"{key}={value}"


def _by_numerics(identities: Sequence[Identity]) -> list[str]:
    """What all of the arms recorded, and did differently."""
    shared = [key for key in identities[0].numerics if all(key in one.numerics for one in identities)]
    return _numerics(shared, identities)


def _by_all_numerics(identities: Sequence[Identity]) -> list[str]:
    return _numerics(list(dict.fromkeys(key for one in identities for key in one.numerics)), identities)


def _numerics(keys: Sequence[str], identities: Sequence[Identity]) -> list[str]:
    chosen = _telling(keys, [one.numerics for one in identities])
    return [", ".join(numeric(key, one.numerics.get(key)) for key in chosen) for one in identities]


def numeric(key: str, value: str | None) -> str:
    """One of the numerics in words: cuda, 4 threads, float64, matmul precision high."""
    if value is None:
        return f"{key.replace('_', ' ')} unknown"
    if key in ("device", "dtype"):
        return value
    if key in ("threads", "processes"):
        return f"{value} {key if value != '1' else key.removesuffix('es' if key == 'processes' else 's')}"
    return f"{key.replace('_', ' ')} {value}"


def _by_code(identities: Sequence[Identity]) -> list[str]:
    return _by_fingerprint("code", [one.code for one in identities])


def _by_digest(identities: Sequence[Identity]) -> list[str]:
    # It holds what nothing above shows.
    return _by_fingerprint("arm", [one.stored for one in identities])


def _by_fingerprint(what: str, digests: Sequence[str]) -> list[str]:
    shown = shortened(digests)
    return [f"{what} {shown[one] or UNKNOWN}" if len(shown) > 1 else "" for one in digests]


def _by_place(identities: Sequence[Identity]) -> list[str]:
    return [f"no. {place}" for place, _ in enumerate(identities, start=1)]


def _telling(keys: Sequence[str], columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those of the keys that tell more of the columns apart than the ones before them do."""
    chosen: list[str] = []
    apart = 1
    for key in keys:
        now = len({tuple(column.get(one) for one in (*chosen, key)) for column in columns})
        if now > apart:
            chosen, apart = [*chosen, key], now
    return chosen


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
