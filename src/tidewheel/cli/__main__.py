"""`python -m tidewheel.cli`: the same program as `tidewheel`."""

from tidewheel.cli import main

if __name__ == "__main__":
    main()
