"""TensorBoard's event files, from what a run left: its curves, and its row of the HParams table."""
