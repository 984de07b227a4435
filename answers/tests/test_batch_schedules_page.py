"""The page on growing batches shows the counts of its command."""

from answers.make.draw_batch_schedules import EPOCHS, PLANNED, SAMPLES
from src.callbacks.batch_size import BatchSizeScheduler
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "progressive_batch.md").read_text()


def test_the_pages_counts_are_those_that_its_command_prints():
    for name, settings in PLANNED.items():
        assert f"\n{name:28}{BatchSizeScheduler(**settings).total_updates(SAMPLES, EPOCHS):>8,}" in PAGE
