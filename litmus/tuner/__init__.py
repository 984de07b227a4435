"""A run that tunes itself: fits one setting after the other, and reports the best as its own result."""
