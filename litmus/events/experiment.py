"""The columns of the HParams table: every hyperparameter with its domain, every metric."""

from collections.abc import Sequence
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from litmus.events.hyperparameters import Scalar
from litmus.events.session import RESULT, Session, event_of
from litmus.report.multirun import FIRST

# A choice among more values than this is better filtered by typing than by boxes to tick.
MOST_TICKED = 20


def experiment(sessions: Sequence[Session], whole: bool = True) -> Event:
    """What one of the runs, any, must hold so that the table of all has these columns, those that differ first.

    Where the sessions are not the whole table, what was typed for them counts as what differs.
    """
    names = dict.fromkeys(name for session in sessions for name in session.hyperparameters)
    columns = [column(name, [session.hyperparameters.get(name) for session in sessions], whole) for name in names]
    if not whole:
        for one in columns:
            one.differs = any(one.name in session.record.overrides for session in sessions)
    found = dict.fromkeys(name for session in sessions for name in session.metrics)
    ordered = [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]
    content = api_pb2.Experiment(
        hparam_infos=sorted(columns, key=lambda column: not column.differs),
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=f"{RESULT}{name}"), display_name=name) for name in ordered
        ],
    )
    began = min(session.began for session in sessions)
    return event_of(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=content), began)


def column(name: str, values: Sequence[Scalar | None], whole: bool) -> api_pb2.HParamInfo:
    """One hyperparameter of all runs, None where a run has no such setting; its domain, if these are all its values."""
    known: list[Any] = sorted({value for value in values if value is not None})
    kinds = {bool: api_pb2.DATA_TYPE_BOOL, float: api_pb2.DATA_TYPE_FLOAT64, str: api_pb2.DATA_TYPE_STRING}
    info = api_pb2.HParamInfo(name=name, type=kinds[type(known[0])], differs=len(set(values)) > 1)
    if whole and info.type == api_pb2.DATA_TYPE_FLOAT64:
        info.domain_interval.min_value, info.domain_interval.max_value = known[0], known[-1]
    elif whole and len(known) <= MOST_TICKED:
        info.domain_discrete.extend(known)
    return info
