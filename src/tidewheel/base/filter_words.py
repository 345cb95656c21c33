"""The nouns of `filter_grammar`: what a filter is read into, and the vocabulary that a room reads it with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition. `operator` is upper case; `value` is a tuple for [NOT] IN and None for IS [NOT] NULL."""

    kind: str
    key: str
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by."""

    kind: str
    key: str
    ascending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What may be said about one noun.

    `kinds` maps each spelling of a prefix to its kind ("metrics" -> "metric"); "metric" holds numbers, every other kind
    text. `listed` are the attributes that take IN (None: every text attribute), `listed_kinds` the other kinds that do,
    `nullable` the kinds that take IS NULL, `fixed` the kinds with a closed set of keys besides attributes, `orders` the
    attributes to sort by, and `order_kinds` the other kinds to sort by.
    """

    kinds: Mapping[str, str]
    text_attributes: frozenset[str]
    number_attributes: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[str] | None = frozenset()
    listed_kinds: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    fixed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    orders: frozenset[str] = frozenset()
    order_kinds: frozenset[str] = frozenset()

    def is_number(self, kind: str, key: str) -> bool:
        """Whether the values of an identifier are numbers."""
        return kind == "metric" or (kind == "attribute" and key in self.number_attributes)

    def takes_list(self, kind: str, key: str) -> bool:
        """Whether an identifier may stand before IN."""
        if kind == "attribute":
            return not self.is_number(kind, key) and (self.listed is None or key in self.listed)
        return kind in self.fixed or kind in self.listed_kinds
