"""From a claim to a verdict: studies, lint, statistics, predictions; numpy and scipy only, never torch or hydra."""
