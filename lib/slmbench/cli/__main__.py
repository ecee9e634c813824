"""`python -m slmbench.cli` is the same as `slmbench`."""

from slmbench.cli import main

if __name__ == "__main__":
    main()
