"""``affectd`` and ``python -m affectd``."""

from affectd.cli import main

if __name__ == "__main__":
    main()
