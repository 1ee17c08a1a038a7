"""From a density to a confidence that can be trusted."""
