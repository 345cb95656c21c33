"""Alembic's entry: runs migrations on the connection that `storage.upgrade` hands over."""

from alembic import context

from tidewheel.storage.metadata_schema import schema

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=schema, render_as_batch=True)
context.run_migrations()
