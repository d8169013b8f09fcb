"""Reading atoms: the part of the parser between expressions and predicates.

atom     = name "(" [ argument { "," argument } ] ")" ;
argument = name ":" ( term | "_" ) ;
default  = argument [ "=" ( constant | parameter ) ] ;      (* in an optional atom *)
name     = lower-case letter { letter | digit | "_" } | "`" any text "`" ;
"""

from __future__ import annotations

from typing import NoReturn

from rhizomedb.errors import Span, ValueRefused
from rhizomedb.facts.value import check_text
from rhizomedb.logic.expressions import Expressions
from rhizomedb.logic.syntax import Atom, Constant, Parameter, Term, Variable, show_name
from rhizomedb.logic.tokens import Token


class Atoms(Expressions):
    """How to read names and atoms."""

    def atom_ahead(self, ahead: int = 0) -> bool:
        """Whether an atom comes next, or so many tokens later."""
        if self.peek(ahead).kind not in ("name", "quoted"):
            return False
        self.index += ahead + 1
        named = self.named_arguments_ahead()
        self.index -= ahead + 1
        return named or (self.peek(ahead).kind == "quoted" and self.at("(", ahead + 1))

    def atom(self, head: bool = False, defaults: dict[Variable, Constant | Parameter] | None = None) -> Atom:
        """Read an atom; `defaults`, if given, takes those of an optional one."""
        first = self.peek()
        relation = self.name("a relation")
        self.open(relation)
        arguments: list[tuple[str, Term]] = []
        while not self.at(")"):
            attribute = self._attribute(relation)
            if self.peek().kind == "variable" and self.peek().text == "_":
                if head:
                    self.fail("a head gives every attribute a value", self.peek(), "a variable that the body binds")
                self.advance()
            else:
                term = self._argument_term(relation, attribute)
                arguments.append((attribute, term))
                self._default(term, defaults)
            if not self.take(","):
                break
        self.close(relation)
        return Atom(relation, tuple(arguments), span=self.since(first))

    def _attribute(self, relation: str) -> str:
        """The name of an attribute and its colon."""
        token, following = self.peek(), self.peek(1)
        if token.kind in ("variable", "text") and following.text == ":":
            name = token.text.strip('"')
            self.fail(f"{token} is not an attribute: a name like this stands in backquotes", token, f"`{name}`")
        if token.kind not in ("name", "quoted"):
            self._positional(relation, token)
        if following.text == "=" and following.kind == "symbol":
            self.fail("an attribute and its term are joined by `:`", following, f"{token.text}: …")
        if following.text in (",", ")", "("):
            self._positional(relation, token)
        name = self.name("an attribute")
        if self.at(":-"):  # `x:-3` is an attribute and a negative number
            arrow = self.peek()
            span = Span(arrow.span.line, arrow.span.column + 1, 1)
            self.tokens[self.index] = Token("symbol", "-", span, arrow.start + 1)
        elif not self.take(":"):
            self.fail(f"expected `:`, found {self.peek()}", self.peek(), f"{show_name(name)}: …")
        return name

    def _argument_term(self, relation: str, attribute: str) -> Term:
        first = self.peek()
        if first.kind in ("name", "quoted") and self.at("(", 1):
            self._expression_in_atom(relation, attribute, first)
        term = self.term()
        if self.peek().text in ("+", "-", "*", "/", "and", "or") and self.peek().kind in ("symbol", "name"):
            self._expression_in_atom(relation, attribute, first)
        return term

    def _default(self, term: Term, defaults: dict[Variable, Constant | Parameter] | None) -> None:
        token = self.peek()
        if not self.take("="):
            return
        if defaults is None:
            self.fail("only an optional atom has defaults", token, "optional p(x: X, y: Y = 0)")
        if not isinstance(term, Variable):
            self.fail("only a variable has a default", token, "optional p(x: X, y: Y = 0)")
        default = self.term()
        if isinstance(default, Variable):
            self.fail("a default is a constant or a parameter", default.span or token, f"{term} = 0")
        if defaults.setdefault(term, default) != default:
            self.report(
                f"`{term}` has two defaults", default.span or token, f"{term} = {default}", "logic.optional-default"
            )

    def _expression_in_atom(self, relation: str, attribute: str, first: Token) -> NoReturn:
        name = show_name(attribute)
        message = f"an atom takes variables and constants, not expressions: bind the value of `{name}` first"
        self.fail(message, first, f"V := …, {show_name(relation)}({name}: V)")

    def _positional(self, relation: str, token: Token) -> NoReturn:
        if token.kind in ("end", "symbol") and token.text != "-":
            self.fail(f"expected an attribute or `)`, found {token}", token, f"{show_name(relation)}(x: X)")
        message = f"relations take named attributes: {show_name(relation)}(x: X)"
        shown = token.text if token.kind != "name" else token.text.capitalize()
        self.fail(message, token, f"{show_name(relation)}(attribute: {shown})", "logic.positional")

    def name(self, what: str) -> str:
        """Read the name of a relation or an attribute."""
        token = self.peek()
        if token.kind == "quoted" and len(token.text) > 2:
            try:
                name = check_text(token.text[1:-1])
            except ValueRefused as refused:
                self.fail(refused.message, token)
            self.advance()
            return name
        if token.kind == "variable" and token.text != "_":
            plain = token.text.lstrip("_")
            fix = f"{plain[:1].lower()}{plain[1:]} or `{token.text}`"
            self.fail(f"{token} cannot name {what}: names begin with a small letter", token, fix)
        if token.kind != "name":
            self.fail(f"expected the name of {what}, found {token}", token)
        self.advance()
        return token.text

    def open(self, relation: str) -> None:
        """Take the parenthesis behind a relation's name."""
        if not self.take("("):
            self.fail(
                f"expected `(` after `{show_name(relation)}`, found {self.peek()}",
                self.peek(),
                f"{show_name(relation)}()",
            )

    def close(self, relation: str) -> None:
        """Take the closing parenthesis."""
        if not self.take(")"):
            token = self.peek()
            self.fail(f"expected `,` or `)` in `{show_name(relation)}(…)`, found {token}", token)
