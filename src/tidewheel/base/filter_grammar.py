"""MLflow's language of `filter_string` and `order_by`, read into comparisons and orders. Pure; knows no table.

    filter      = [ comparison { AND comparison } ]
    comparison  = identifier operator value | identifier [NOT] IN ( text {, text} ) | identifier IS [NOT] NULL
    identifier  = key | kind . key          bare, in `backticks` or in "double quotes"; a key alone is an attribute
    operator    = = | != | < | <= | > | >= | LIKE | ILIKE
    value       = number | 'text' | "text"  a quote within a text is written twice
    order       = identifier [ASC | DESC]

A room says by its `Vocabulary` which kinds and attributes there are, and turns what comes back into SQL. Whatever is
refused here MLflow refuses too, and in its words where its clients look at them.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.base.errors import InvalidInput
from tidewheel.base.filter_reader import Reader
from tidewheel.base.filter_words import Comparison, Order, Vocabulary

__all__ = ["MAX_COMPARISONS", "Comparison", "Order", "Vocabulary", "parse_filter", "parse_order_by"]

MAX_COMPARISONS = 200


def parse_filter(text: str | None, vocabulary: Vocabulary) -> list[Comparison]:
    """The comparisons of a filter, all of which must hold; none for an empty one.

    Raises:
        InvalidInput: if the text is no filter, or speaks of what the vocabulary does not have.
    """
    reader = Reader(text or "", vocabulary)
    found: list[Comparison] = []
    while not reader.at_end():
        if found:
            reader.expect_and()
        found.append(reader.comparison())
        if len(found) > MAX_COMPARISONS:
            raise InvalidInput(f"The filter has more than {MAX_COMPARISONS} comparisons.", fix="Send fewer.")
    return found


def parse_order_by(clauses: Sequence[str] | None, vocabulary: Vocabulary) -> list[Order]:
    """The keys to sort by, the first being the most important.

    Raises:
        InvalidInput: if a clause cannot be read, or two speak of the same key.
    """
    orders = [Reader(clause, vocabulary).order() for clause in clauses or ()]
    if len({(order.kind, order.key) for order in orders}) < len(orders):
        raise InvalidInput(f"`order_by` contains duplicate fields: {list(clauses or ())}.", fix="Name each key once.")
    return orders
