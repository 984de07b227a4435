"""Open TensorBoard on finished or running trials, whichever logger they had.

python scripts/board.py studies/NAME          a study's trials and tuning, each with its hyperparameters and result
python scripts/board.py multirun/DATE/TIME    a sweep's or a search's; runs/DATE/TIME is a single run's, runs is all
python scripts/board.py DIR --files           writes DIR/board and leaves opening it to you
"""

import argparse
import threading
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

from litmus.trial.command_line import answer


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(
        prog="scripts/board.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", nargs="?", default="", help="a study's, a sweep's, a search's or a run's")
    parser.add_argument("--files", action="store_true", help="only write the event files")
    parser.add_argument("--host", default="localhost", help="0.0.0.0 serves other machines as well")
    parser.add_argument("--port", type=int, help="6006, or the next that is free")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Writes the board of a directory and serves it until Ctrl+C."""
    asked = arguments(given)
    if not asked.directory:
        raise ValueError("say whose board: make board DIR=studies/NAME, or another directory that holds runs")
    from litmus.events.board import write_board

    board = write_board(Path(asked.directory))
    print(f"{board.runs} {'run' if board.runs == 1 else 'runs'} in {board.folder}", flush=True)
    for place, reason in board.skipped.items():
        print(f"left out: {place}: {reason}", flush=True)
    if not asked.files:
        serve(board.folder, asked.host, asked.port)


def serve(folder: Path, host: str, port: int | None) -> None:
    """Runs TensorBoard on a folder and prints where its tables are.

    Raises:
        ValueError: when the address is taken, or not this machine's.
    """
    from tensorboard import program

    tensorboard = program.TensorBoard()
    tensorboard.configure(logdir=str(folder), host=host, **({} if port is None else {"port": port}))
    said = StringIO()
    try:
        with redirect_stderr(said):  # otherwise, that it reads files fast
            address = tensorboard.launch()
    except (program.TensorBoardServerException, SystemExit) as problem:
        lines = str(problem) if isinstance(problem, program.TensorBoardServerException) else said.getvalue()
        why = lines.strip().splitlines()[-1]
        raise ValueError(f"TensorBoard cannot serve on {host}: {why}; choose another --port or --host") from problem
    print(f"{address}#hparams (Ctrl+C ends it)", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    answer(main)
