"""What of a module an optimizer can move."""

from torch import nn


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen.

    Raises:
        ValueError: if there are none.
    """
    parameters = list(module.parameters())
    free = [parameter for parameter in parameters if parameter.requires_grad]
    if not free:
        found = f"all {len(parameters)} frozen" if parameters else "none at all"
        raise ValueError(
            f"expected {type(module).__name__} to have parameters that can be trained, found {found}; "
            + ("unfreeze some (requires_grad=True)" if parameters else "add layers that have some")
        )
    return free
