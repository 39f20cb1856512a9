"""The adapters for language runtimes, one file or folder each, and their registry."""
