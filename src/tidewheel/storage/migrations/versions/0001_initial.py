"""The tables of 0.1."""

from alembic import op

from tidewheel.storage.schema import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema.create_all(op.get_bind())
