"""One file per room, each with a `router`. A new file here is found by itself."""
