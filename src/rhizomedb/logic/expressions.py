"""Reading terms and expressions: the part of the parser below the level of predicates.

    expression = operand { operator operand } ;             (* or; and; + -; * /: from loose to tight *)
    operand    = ( "-" | "!" | "not" ) operand | "(" expression ")" | call | term ;
    call       = name "(" expression { "," expression } ")" ;
    term       = variable | parameter | constant ;
    constant   = [ "-" ] number | text | "true" | "false" | 'bytes"…hex…"' | 'cid"…"' ;

An expression is at most `DEPTH_MAX` deep, so that no later pass that follows it can run out of stack.
"""

from __future__ import annotations

import json
from typing import NoReturn

from rhizomedb.errors import ProgramError, Span, ValueRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Value, check_value
from rhizomedb.logic.syntax import COMPARISONS, Call, Constant, Expression, Parameter, Term, Variable
from rhizomedb.logic.tokens import Token, tokenize

DEPTH_MAX = 64
"""How deep an expression may nest."""

ERRORS_MAX = 50
"""How many errors of one program are reported."""

PRECEDENCE = {"or": 1, "and": 2, "+": 3, "-": 3, "*": 4, "/": 4}
"""How tightly each operator binds; all of them group to the left."""

CONSTANT_KINDS = frozenset({"int", "float", "text", "literal"})


class Abandoned(Exception):
    """The statement cannot be read on; its error is already in the list."""


class Expressions:
    """A place in the tokens of a text, and how to read terms and expressions from there."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.errors: list[ProgramError] = []
        self.index = 0
        self._nesting = 0

    # Tokens

    def peek(self, ahead: int = 0) -> Token:
        """The token that comes next, or a later one."""
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def at(self, symbol: str, ahead: int = 0) -> bool:
        """Whether a symbol or keyword comes next."""
        token = self.peek(ahead)
        return token.text == symbol and token.kind in ("symbol", "name")

    def advance(self) -> Token:
        """Take the next token."""
        token = self.peek()
        if token.error is not None:
            self.errors.append(token.error)
            raise Abandoned
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def take(self, symbol: str) -> bool:
        """Take the next token if it is this symbol."""
        if self.at(symbol):
            self.advance()
            return True
        return False

    def since(self, first: Token) -> Span:
        """The place from a token to the last one taken, within the first one's line."""
        last = self.tokens[max(self.index - 1, 0)]
        length = last.end - first.start if last.span.line == first.span.line else len(first.text)
        return Span(first.span.line, first.span.column, max(1, length))

    # Errors

    def report(self, message: str, where: Token | Span, fix: str | None = None, code: str = "logic.syntax") -> None:
        """Note an error that does not keep the statement from being read on."""
        span = where.span if isinstance(where, Token) else where
        self.errors.append(ProgramError(code, message, where=span, fix=fix, source=self.source))

    def fail(self, message: str, where: Token | Span, fix: str | None = None, code: str = "logic.syntax") -> NoReturn:
        """Note an error and give the statement up. What could not be tokenized brings an error of its own."""
        if isinstance(where, Token) and where.error is not None:
            self.errors.append(where.error)
        else:
            self.report(message, where, fix, code)
        raise Abandoned

    # Expressions

    def expression(self) -> Expression:
        """Read an expression."""
        return self._operators(1)[0]

    def _operators(self, weakest: int) -> tuple[Expression, int]:
        """An expression whose operators bind at least as tightly as `weakest`, and how deep it is."""
        left, depth = self._operand()
        while True:
            token = self.peek()
            binding = PRECEDENCE.get(token.text, 0) if token.kind in ("symbol", "name") else 0
            if binding < weakest or binding == 0:
                return left, depth
            self.advance()
            right, depth_right = self._operators(binding + 1)
            depth = self._deeper(max(depth, depth_right), token)
            left = Call(token.text, (left, right), span=token.span)

    def _operand(self) -> tuple[Expression, int]:
        token = self.peek()
        self._nesting += 1
        try:
            if self._nesting > DEPTH_MAX:
                self._deeper(DEPTH_MAX, token)
            if self.at("(") and self.advance():
                inner = self._operators(1)
                self._close_expression()
                return inner
            if self.at("-") and self.peek(1).kind not in ("int", "float"):
                return self._unary("neg")
            if self.at("!") or self.at("not"):
                return self._unary("not_")
            if token.kind == "name" and self.at("(", 1):
                return self._call()
            return self.term(), 1
        finally:
            self._nesting -= 1

    def _unary(self, function: str) -> tuple[Expression, int]:
        token = self.advance()
        operand, depth = self._operand()
        return Call(function, (operand,), span=token.span), self._deeper(depth, token)

    def _call(self) -> tuple[Expression, int]:
        name = self.advance()
        if self.named_arguments_ahead():
            self.fail(
                f"`{name.text}(…)` is an atom and has no value of its own",
                name,
                f"V := {name.text}(…) binds its CID, {name.text}(attribute: V) a value",
            )
        self.advance()
        arguments: list[Expression] = []
        depth = 0
        while True:
            argument, depth_argument = self._operators(1)
            arguments.append(argument)
            depth = max(depth, depth_argument)
            if not self.take(","):
                break
        self._close_expression()
        return Call(name.text, tuple(arguments), span=self.since(name)), self._deeper(depth, name)

    def named_arguments_ahead(self) -> bool:
        """Whether the parenthesis that comes next holds an atom's arguments, not a function's."""
        if not self.at("("):
            return False
        first, second = self.peek(1), self.peek(2)
        return self.at(")", 1) or (
            first.kind in ("name", "quoted") and second.text in (":", ":-") and second.kind == "symbol"
        )

    def _close_expression(self) -> None:
        token = self.peek()
        if self.take(")"):
            return
        if token.text in COMPARISONS:
            self.fail("a comparison is not part of an expression: separate conditions by commas", token, "X > 1, X < 5")
        self.fail(f"expected `,` or `)`, found {token}", token)

    def _deeper(self, depth: int, where: Token) -> int:
        if depth >= DEPTH_MAX:
            message = f"the expression nests deeper than {DEPTH_MAX}"
            self.fail(message, where, "bind a part of it first: Y := X + 1", "logic.too-deep")
        return depth + 1

    # Terms

    def term(self) -> Term:
        """Read a variable, a constant or a parameter."""
        token = self.peek()
        if token.kind == "variable":
            return self.variable()
        if token.kind == "parameter":
            self.advance()
            return Parameter(token.text[1:], span=token.span)
        return self.constant()

    def variable(self) -> Variable:
        """Read a variable."""
        token = self.peek()
        if token.kind == "name":
            self._lower_case(token)
        if token.kind != "variable":
            self.fail(f"expected a variable, found {token}", token)
        if token.text == "_":
            self.fail("`_` matches anything in an atom and has no value to use here", token, "X")
        self.advance()
        return Variable(token.text, span=token.span)

    def constant(self) -> Constant:
        """Read a constant."""
        first = self.peek()
        negative = self.at("-") and self.peek(1).kind in ("int", "float")
        if negative:
            self.advance()
        token = self.peek()
        if token.kind == "name" and token.text in ("true", "false"):
            self.advance()
            return Constant(token.text == "true", span=token.span)
        if token.kind == "name":
            self._lower_case(token)
        if token.kind not in CONSTANT_KINDS:
            self.fail(f"expected a variable or a constant, found {token}", token)
        self.advance()
        try:
            return Constant(self._value(token, negative), span=self.since(first))
        except ValueRefused as refused:
            self.fail(refused.message, token, refused.fix)

    def _value(self, token: Token, negative: bool) -> Value:
        sign = "-" if negative else ""
        match token.kind:
            case "int":
                digits = token.text.lstrip("0") or "0"
                if len(digits) > 19:  # Python refuses to read very long numbers with an error of its own
                    self.fail(
                        f"{sign}{digits[:24]}… does not fit in 64 bits", token, "store it as text, or as two values"
                    )
                return check_value(int(sign + digits))
            case "float":
                return check_value(float(sign + token.text))
            case "text":
                try:
                    return check_value(json.loads(token.text))
                except json.JSONDecodeError as error:
                    self.fail(
                        f"the text is not a JSON string: {error.msg}", token, r'"a \"quoted\" word, a \n, a \u00e9"'
                    )
            case _:
                kind, literal = token.text.split('"')[:2]
                if kind == "cid":
                    return Cid.parse(literal)
                if len(literal) % 2 or not set(literal) <= set("0123456789abcdefABCDEF"):
                    self.fail("bytes are written as pairs of hexadecimal digits", token, 'bytes"00ff"')
                return check_value(bytes.fromhex(literal))

    def _lower_case(self, token: Token) -> NoReturn:
        name = token.text
        self.fail(
            f"`{name}` is no variable and no constant: variables begin with a capital letter, text stands in quotes",
            token,
            f'{name[:1].upper()}{name[1:]} or "{name}"',
        )
