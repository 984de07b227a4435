"""The figures of a report: matplotlib's object interface, one module per kind."""
