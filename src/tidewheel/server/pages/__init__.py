"""What a person sees: the live page at `/`, its sections at `/live/…`, `/docs`, `/sign-in`, and the static files.

Everything is rendered here on the server; addresses are relative, so that the page works below any prefix of a proxy.
"""

from tidewheel.server.pages.routes import install

__all__ = ["install"]
