"""How fast the product is, as ratios to its peers and to bare loops in the same run."""
