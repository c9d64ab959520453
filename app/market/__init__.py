"""The live market: the directory of providers, their openings, search, and claims on them."""
