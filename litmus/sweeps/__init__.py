"""The running side of studies and searches: jobs composed, launched, resumed and watched, through Hydra."""
