"""Reads one filter or order from left to right, one method a rule of `filter_grammar`, its only caller. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidewheel.base.errors import InvalidInput
from tidewheel.base.filter_words import Comparison, Order, Vocabulary

NUMBER_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">="})
TEXT_OPERATORS = frozenset({"=", "!=", "LIKE", "ILIKE"})
_PART = r"""`[^`]+`|"[^"]+"|[\w$\#]+"""
_PATH = re.compile(rf"(?:{_PART})(?:\.(?:{_PART}))*")
_SYMBOL = re.compile(r"[<>=!~]+")
_WORD = re.compile(r"\w+")
_TEXT = re.compile(r"""'((?:[^']|'')*)'|"((?:[^"]|"")*)\"""")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_MOST_DIGITS = 400  # Python refuses to read thousands, and no number that is kept has more
_BLANK = re.compile(r"\s*")
_CLAUSE = re.compile(r"""'[^']*'|"[^"]*"|\S+""")


class Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._text = text
        self._words = vocabulary
        self._at = 0

    def at_end(self) -> bool:
        """Whether only blanks are left."""
        self._skip_blanks()
        return self._at >= len(self._text)

    def expect_and(self) -> None:
        """Take the AND between two comparisons."""
        if not self._take_word("AND"):
            raise self._invalid_clause()

    def comparison(self) -> Comparison:
        """Take one comparison."""
        kind, key = self._identifier()
        if kind == "attribute" and key not in self._words.text_attributes | self._words.number_attributes:
            raise _unknown_attribute(key, self._words.text_attributes | self._words.number_attributes)
        operator = self._operator()
        key, written = self._words.aliases.get(key, key) if kind == "attribute" else key, key
        if operator.startswith("IS"):
            return self._null_test(kind, key, operator)
        if operator in {"IN", "NOT IN"}:
            return Comparison(kind, key, operator, self._list(kind, written))
        allowed = NUMBER_OPERATORS if self._words.is_number(kind, written) else TEXT_OPERATORS
        if operator not in allowed:
            raise InvalidInput(
                f"Invalid comparator '{operator}' not one of {_listing(allowed)}.",
                fix=f"Compare {kind} {key!r} otherwise.",
            )
        value = self._number(kind, key) if self._words.is_number(kind, written) else self._quoted(kind, key)
        return Comparison(kind, key, operator, value)

    def order(self) -> Order:
        """Take the whole text as one order."""
        if self.at_end() or not _PATH.match(self._text, self._at):
            raise self._unreadable_order()
        kind, key = self._identifier()
        direction = "ASC" if self.at_end() else self._next_word().upper()
        if not self.at_end():
            raise self._unreadable_order()
        if direction not in {"ASC", "DESC"}:
            raise InvalidInput(f"Invalid ordering key in order_by clause '{self._text}'.", fix="Write ASC or DESC.")
        if kind == "attribute" and key not in self._words.orders:
            raise _unknown_attribute(key, self._words.orders)
        if kind != "attribute" and kind not in self._words.order_kinds:
            raise InvalidInput(f"Invalid order_by entity type '{kind}'.", fix="Sort by an attribute instead.")
        key = self._words.aliases.get(key, key) if kind == "attribute" else key
        return Order(kind, key, direction == "ASC")

    def _identifier(self) -> tuple[str, str]:
        path = self._take(_PATH)
        if path is None:
            raise self._invalid_clause()
        first = re.match(_PART, path)
        head, rest = (first[0], path[first.end() + 1 :]) if first else (path, "")
        if not rest:
            return "attribute", _bare(head)
        kind = self._words.kinds.get(_bare(head))
        if kind is None:
            known = _listing(self._words.kinds)
            raise InvalidInput(
                f"Invalid entity type '{_bare(head)}'. Valid values are {known}.", fix="Use one of them."
            )
        key = _bare(rest)
        if kind in self._words.fixed and key not in self._words.fixed[kind]:
            known = _listing(self._words.fixed[kind])
            raise InvalidInput(f"Invalid {kind} key '{key}' specified. Valid keys are {known}.", fix="Use one of them.")
        return kind, key

    def _operator(self) -> str:
        symbol = self._take(_SYMBOL)
        if symbol is not None:
            return symbol
        if self._take_word("IS"):
            negated = self._take_word("NOT")
            if not self._take_word("NULL"):
                raise self._invalid_clause()
            return "IS NOT NULL" if negated else "IS NULL"
        negation = "NOT " if self._take_word("NOT") else ""
        for word in ("IN", "LIKE", "ILIKE", "RLIKE"):
            if self._take_word(word):
                return negation + word
        raise self._invalid_clause()

    def _null_test(self, kind: str, key: str, operator: str) -> Comparison:
        if kind not in self._words.nullable:
            known = " and ".join(f"{name}s" for name in sorted(self._words.nullable, reverse=True)) or "nothing here"
            raise InvalidInput(
                f"IS NULL / IS NOT NULL is only supported for {known}, not for '{kind}' '{key}'.",
                fix="Compare with a value.",
            )
        return Comparison(kind, key, operator, None)

    def _list(self, kind: str, key: str) -> tuple[str, ...]:
        if not self._words.takes_list(kind, key):
            listed = _listing(self._words.listed or self._words.text_attributes)
            raise InvalidInput(
                f"Only {listed} attributes support comparison with a list of quoted string values.",
                fix=f"Compare {kind} {key!r} with one value.",
            )
        if not self._take_symbol("("):
            raise self._invalid_clause()
        values: list[str] = []
        while not self._take_symbol(")"):
            if values and not self._take_symbol(","):
                raise _ill_formed_list()
            if values and self._take_symbol(")"):  # a comma may follow the last value, as in Python
                break
            text = self._text_literal()
            if text is None:
                raise _ill_formed_list()
            values.append(text)
        if not values:
            raise _ill_formed_list()
        return tuple(values)

    def _quoted(self, kind: str, key: str) -> str:
        text = self._text_literal()
        if text is not None:
            return text
        raise InvalidInput(
            f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value {self._peek()}.",
            fix=f"Put the value of {key!r} in single or double quotes.",
        )

    def _number(self, kind: str, key: str) -> int | float:
        number = self._take(_NUMBER)
        if number is None:
            noun = "metric" if kind == "metric" else f"numeric attribute: {key}"
            raise InvalidInput(f"Expected numeric value type for {noun}. Found {self._peek()}.", fix="Write a number.")
        if len(number) > _MOST_DIGITS:
            raise InvalidInput(f"The number {number[:20]}… has {len(number)} digits.", fix="Write a shorter one.")
        whole = kind != "metric" and number.lstrip("-").isdigit()
        return int(number) if whole else float(number)

    def _text_literal(self) -> str | None:
        self._skip_blanks()
        match = _TEXT.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        single, double = match.groups()
        return str(single).replace("''", "'") if single is not None else str(double).replace('""', '"')

    def _skip_blanks(self) -> None:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        self._skip_blanks()
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _take_symbol(self, symbol: str) -> bool:
        self._skip_blanks()
        found = self._text.startswith(symbol, self._at)
        self._at += len(symbol) if found else 0
        return found

    def _take_word(self, word: str) -> bool:
        self._skip_blanks()
        match = _WORD.match(self._text, self._at)
        if match is None or match[0].upper() != word:
            return False
        self._at = match.end()
        return True

    def _next_word(self) -> str:
        return self._take(_WORD) or self._take(_CLAUSE) or ""

    def _peek(self) -> str:
        self._skip_blanks()
        match = _CLAUSE.match(self._text, self._at)
        return match[0][:80] if match else "nothing"

    def _invalid_clause(self) -> InvalidInput:
        self._skip_blanks()
        clause = self._text[self._at : self._at + 80] or self._text[-80:]
        return InvalidInput(
            f"Invalid clause(s) in filter string: '{clause}'.",
            where=f"character {self._at + 1}",
            fix="Write comparisons joined by AND, as in metrics.auc > 0.8 AND params.`learning rate` = '0.1'.",
        )

    def _unreadable_order(self) -> InvalidInput:
        return InvalidInput(
            f"Invalid order_by clause '{self._text[:200]}'. Could not be parsed.",
            fix="Write one key and ASC or DESC, as in metrics.auc DESC.",
        )


def _bare(part: str) -> str:
    """A part without the quotes around it."""
    return part[1:-1] if len(part) >= 2 and part[0] == part[-1] and part[0] in '`"' else part


def _listing(names: frozenset[str] | Mapping[str, str]) -> str:
    return str(sorted(names))


def _unknown_attribute(key: str, known: frozenset[str]) -> InvalidInput:
    return InvalidInput(
        f"Invalid attribute key '{key[:80]}' specified. Valid keys are '{_listing(known)}'.",
        fix="Use one of them, or say which kind it is, as in params.depth.",
    )


def _ill_formed_list() -> InvalidInput:
    return InvalidInput(
        "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.",
        fix="Write it as ('a', 'b').",
    )
