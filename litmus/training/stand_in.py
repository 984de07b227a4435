"""Words that a configuration may have where a number belongs, because the program puts the number there itself."""

from collections.abc import Mapping

# In a scheduler: the number of its own steps in the run.
TOTAL = "total"
STAND_INS = (TOTAL,)
# Anywhere but in the data: what these tell, as fact:outputs.
FACT = "fact:"
# Fact → the names by which the field's constructors call it.
NAMES: Mapping[str, tuple[str, ...]] = {
    "input_shape": ("input_shape",),
    "input_dtype": ("input_dtype",),
    "classes": ("classes", "num_classes", "n_classes", "nb_classes"),
    "outputs": ("outputs", "num_outputs", "n_outputs", "out_features", "out_dim", "output_dim", "output_size"),
    "channels": ("in_channels", "input_channels", "in_chans", "channels", "num_channels", "n_channels"),
    "features": ("in_features", "in_dim", "input_dim", "input_features", "features", "num_features", "n_features"),
    "labels": ("num_labels", "n_labels", "labels"),
    "target": ("target",),
}
