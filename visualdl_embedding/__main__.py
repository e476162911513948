"""``python -m visualdl_embedding``."""

from visualdl_embedding.cli import main

main()
