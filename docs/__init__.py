"""Only so that `python -m docs.generate` finds the generator; nothing here is installed."""
