"""Whether W&B can be asked anything without asking the user."""

import netrc
import os
from urllib.parse import urlparse

SERVER = "https://api.wandb.ai"


def server() -> str:
    """The address of the W&B server in use."""
    return os.environ.get("WANDB_BASE_URL", SERVER).rstrip("/")


def find_key() -> str | None:
    """The key for the server in use, from WANDB_API_KEY or from `wandb login` (which writes ~/.netrc)."""
    if os.environ.get("WANDB_API_KEY"):
        return os.environ["WANDB_API_KEY"]
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlparse(server()).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return None if found is None else found[2]


def has_key() -> bool:
    """Whether there is a key for the server in use."""
    return find_key() is not None
