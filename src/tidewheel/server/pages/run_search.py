"""What a table of runs was asked for: filter, order, columns, stage and place, from its address and back into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from tidewheel.tracking.view_records import SavedView, Stage

_STAGES: Mapping[str, Stage] = {"active": "active", "deleted": "deleted", "all": "all"}
_MOST_BACK = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """One question to the table. `before` are the tokens of the pages already seen, so that one can go back."""

    filter: str = ""
    order: str = ""
    columns: tuple[str, ...] = ()
    stage: Stage = "active"
    token: str = ""
    before: tuple[str, ...] = ()
    view: str = ""

    @classmethod
    def of(cls, asked: QueryParams) -> RunQuery:
        """What an address asks for; what it does not say is as usual."""
        return cls(
            filter=asked.get("filter", "").strip(),
            order=asked.get("order", "").strip(),
            columns=tuple(asked.getlist("column")),
            stage=_STAGES.get(asked.get("stage", ""), "active"),
            token=asked.get("page", ""),
            before=tuple(asked.getlist("before"))[-_MOST_BACK:],
            view=asked.get("view", ""),
        )

    def address(self, **changed: object) -> str:
        """The same question with something changed, as the query of an address; from its first page unless told."""
        asked = replace(self, **{"token": "", "before": (), **changed})  # type: ignore[arg-type]
        single = {"filter": asked.filter, "order": asked.order, "page": asked.token, "view": asked.view}
        pairs = [(key, value) for key, value in single.items() if value]
        if asked.stage != "active":
            pairs.append(("stage", asked.stage))
        pairs += [("column", column) for column in asked.columns]
        pairs += [("before", token) for token in asked.before]
        return "?" + urlencode(pairs)

    def following(self, token: str) -> str:
        """The address of the next page."""
        return self.address(token=token, before=(*self.before, self.token or "-")[-_MOST_BACK:])

    def preceding(self) -> str | None:
        """The address of the page before; None on the first."""
        if not self.before:
            return self.address() if self.token else None
        token = "" if self.before[-1] == "-" else self.before[-1]
        return self.address(token=token, before=self.before[:-1])


def query_of(view: SavedView, columns: Sequence[str] | None = None) -> RunQuery:
    """The question that a saved view keeps."""
    return RunQuery(
        filter=view.filter,
        order=view.order_by,
        columns=tuple(columns if columns is not None else view.columns),
        stage=view.stage,
        view=view.id,
    )
