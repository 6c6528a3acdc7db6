"""The command line: one module a noun, each a thin mirror of the Python API."""
