"""`python -m tidewheel.serving.worker.isolation FD`: the process of one model, on the socket of a descriptor."""

import sys

from tidewheel.serving.worker.isolation.child import main

if __name__ == "__main__":
    main(int(sys.argv[1]))
