"""The report of a study: evidence → sections of blocks → one HTML page, one Markdown page, figures and tables."""
