"""`python -m app` is `openberth`."""

from app.cli import main

main()
