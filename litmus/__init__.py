"""Tests ideas about training on small data: runs, studies of them, and verdicts with their evidence."""
