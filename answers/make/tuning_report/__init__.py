"""The hyperparameter report that document 001 left empty: each of its 72 blanks answered from published studies."""
