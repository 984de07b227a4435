"""The kinds of prediction: one class per file, found by name; a new file is a new kind."""
