"""From text to a `Program`: the concrete syntax of PomoLogic.

    program     = { import | declaration | rule } ;
    import      = "import" text "." ;
    declaration = ( "relation" | "event" ) name "(" [ column { "," column } ] ")" "." ;
    column      = name [ ":" ( "bool" | "int" | "float" | "text" | "bytes" | "cid" | "any" ) ] ;
    rule        = atom [ "@" "next" ] [ ":-" predicate { "," predicate } ] "." ;
    atom        = name "(" [ argument { "," argument } ] ")" ;
    argument    = name ":" ( term | "_" ) ;                 (* "_", like leaving it out, matches anything *)
    predicate   = [ variable ":=" ] atom                                        (* selection; binds the CID *)
                | ( "!" | "not" ) atom                                          (* negation *)
                | term ( ":=" | "==" ) name [ variable { "," variable } ] ":" atom  (* aggregation *)
                | "optional" name "(" default { "," default } ")"               (* left join *)
                | variable ":=" expression                                      (* assignment *)
                | expression ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) expression   (* constraint *)
                | expression ;                                                  (* condition: must be true *)
    default     = argument [ "=" ( constant | parameter ) ] ;
    name        = lower-case letter { letter | digit | "_" } | "`" any text "`" ;
    variable    = ( capital letter | "_" ) { letter | digit | "_" } ;           (* "_" alone is not one *)
    parameter   = "$" ( letter | "_" ) { letter | digit | "_" } ;

Expressions are in `expressions.py`. Comments: `// …`, `# …`, `/* … */`. A name before `(` begins an atom if the
parenthesis is empty or begins with `name:`, else a function call. A mistake gives up its statement only: reading goes
on behind the next period, so that all of a text's errors are reported at once.
"""

from __future__ import annotations

import json

from rhizomedb.errors import ProgramError, ProgramErrors, nearest_names
from rhizomedb.logic.atoms import Atoms
from rhizomedb.logic.expressions import ERRORS_MAX, Abandoned
from rhizomedb.logic.syntax import (
    COMPARISONS,
    KEYWORDS,
    TYPES,
    Aggregation,
    Assignment,
    Call,
    Condition,
    Constant,
    Constraint,
    Declaration,
    Expression,
    Import,
    Negation,
    OptionalAtom,
    Parameter,
    Predicate,
    Program,
    Rule,
    Selection,
    Term,
    Variable,
)
from rhizomedb.logic.tokens import TEXT_BYTES_MAX, Token


def parse(text: str) -> Program:
    """The program that a text writes; raises `ProgramError`, or `ProgramErrors` if there are several mistakes."""
    if not isinstance(text, str):
        raise ProgramError("logic.syntax", f"a program is a text, not {text!r:.60}", fix="p(x: X) :- q(x: X).")
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > TEXT_BYTES_MAX:
        message = f"a program text of {size:,} bytes is over the limit of {TEXT_BYTES_MAX:,}"
        raise ProgramError("logic.text-size", message, fix="keep data in facts, not in the program")
    parser = _Parser(text)
    program = parser.program()
    errors = sorted(parser.errors, key=_place)[:ERRORS_MAX]
    if errors:
        raise errors[0] if len(errors) == 1 else ProgramErrors(errors)
    return program


def _place(error: ProgramError) -> tuple[int, int]:
    return (error.span.line, error.span.column) if error.span else (0, 0)


class _Parser(Atoms):
    """Statements and predicates."""

    def program(self) -> Program:
        rules: list[Rule] = []
        declarations: list[Declaration] = []
        imports: list[Import] = []
        while self.peek().kind != "end" and len(self.errors) < ERRORS_MAX:
            try:
                if self._import_ahead():
                    imports.append(self._import())
                elif self._declaration_ahead():
                    declarations.append(self._declaration())
                else:
                    rules.append(self._rule())
            except Abandoned:
                self._skip_statement()
        return Program(tuple(rules), tuple(declarations), source=self.source, imports=tuple(imports))

    def _skip_statement(self) -> None:
        while self.peek().kind != "end":
            token = self.peek()
            self.index += 1
            if token.text == "." and token.kind == "symbol":
                return

    # Statements

    def _import_ahead(self) -> bool:
        return self.peek().text == "import" and self.peek(1).kind in ("text", "name", "variable", "quoted")

    def _import(self) -> Import:
        first, name = self.advance(), self.peek()
        if name.kind != "text":
            self.fail(
                f"a data type is imported by its name as text, not {name}", name, f'import "{name.text.strip("`")}".'
            )
        self.advance()
        span = self.since(first)
        self._end()
        return Import(json.loads(name.text), span=span)

    def _declaration_ahead(self) -> bool:
        return self.peek().text in ("relation", "event") and self.peek(1).kind in ("name", "quoted", "variable")

    def _declaration(self) -> Declaration:
        event = self.advance().text == "event"
        first = self.peek()
        relation = self.name("a relation")
        span = self.since(first)
        self.open(relation)
        attributes: list[tuple[str, str]] = []
        while not self.at(")"):
            attribute = self.name("an attribute")
            kind = "any"
            if self.take(":"):
                token = self.advance()
                kind = token.text
                if kind not in TYPES:
                    fix = (*nearest_names(kind, TYPES), "any")[0]
                    self.report(f"{token} is not a type: {', '.join(TYPES)}", token, fix, "logic.unknown-type")
            attributes.append((attribute, kind))
            if not self.take(","):
                break
        self.close(relation)
        self._end()
        return Declaration(relation, tuple(attributes), event, span=span)

    def _rule(self) -> Rule:
        first = self.peek()
        head = self.atom(head=True)
        inductive = False
        if self.take("@"):
            if not self.take("next"):
                self.fail(f"expected `next`, found {self.peek()}", self.peek(), f"{head}@next :- …")
            inductive = True
        span = self.since(first)
        if self.take(":-"):
            if self.at("."):
                self.fail("the body is empty", self.peek(), f"{head}.")
            body = self._body()
        else:
            self._arrow_mistaken()
            self._end()
            body = ()
        return Rule(head, body, inductive, span=span)

    def _arrow_mistaken(self) -> None:
        token = self.peek()
        written = (
            {"<": "<-", "<=": "<=", "=": "=", ":=": ":=", ":": ":"}.get(token.text) if token.kind == "symbol" else None
        )
        if written is not None:
            self.fail(f"a head and its body are joined by `:-`, not `{written}`", token, ":-")
        if token.text == "," and token.kind == "symbol":
            self.fail("a rule has one head", token, "write one rule for each head, with the same body")

    def _body(self) -> tuple[Predicate, ...]:
        body = [self._predicate()]
        while True:
            token = self.peek()
            if self.take(","):
                if self.at("."):
                    self.fail("a predicate is missing between `,` and `.`", token, "leave the comma out")
                body.append(self._predicate())
            elif self.at(".") or self._statement_ahead() or token.kind == "end":
                self._end()
                return tuple(body)
            elif self._predicate_ahead():
                self.report("a comma is missing before this predicate", token, ",")
                body.append(self._predicate())
            else:
                self.fail(f"expected `,` or `.`, found {token}", token)

    def _end(self) -> None:
        """Take the period; where it is missing and the next statement begins, say so and go on there."""
        if self.take("."):
            return
        token = self.peek()
        if token.kind == "end" or self._statement_ahead():
            last = self.tokens[self.index - 1]
            self.report("the period at the end of the statement is missing", last, f"{last.text}.")
        else:
            self.fail(f"expected `.`, found {token}", token)

    def _statement_ahead(self) -> bool:
        """Whether what comes next looks like a new statement rather than another predicate."""
        if self._declaration_ahead() or self._import_ahead():
            return True
        if not self._predicate_ahead() or not self.at("(", 1):
            return False
        depth, index = 0, self.index + 1
        while index < len(self.tokens) - 1:
            depth += {"(": 1, ")": -1}.get(self.tokens[index].text, 0) if self.tokens[index].kind == "symbol" else 0
            index += 1
            if depth == 0:
                break
        follows = self.tokens[index].text
        new_line = self.tokens[self.index - 1].span.line < self.peek().span.line
        return follows in (":-", "@") or (follows == "." and new_line)

    def _predicate_ahead(self) -> bool:
        token = self.peek()
        return token.kind in ("name", "quoted", "variable") or (token.kind == "symbol" and token.text == "!")

    # Predicates

    def _predicate(self) -> Predicate:
        first = self.peek()
        if self.at("optional") and self.peek(1).kind in ("name", "quoted"):
            return self._optional()
        if (self.at("!") or self.at("not")) and self.atom_ahead(1):
            self.advance()
            return Negation(self.atom())
        if self.atom_ahead():
            return Selection(self.atom())
        if self._aggregate_ahead():
            self.fail("an aggregate needs a variable for its result", first, f"N := {first.text} … : p(x: X)")
        if first.kind == "name" and self.peek(1).text in (",", ".") and first.text not in KEYWORDS:
            self.fail(f"{first} needs parentheses to be a relation", first, f"{first.text}()")
        left = self.expression()
        token = self.peek()
        if self.take(":="):
            return self._binding(left, first)
        if token.kind == "symbol" and token.text in COMPARISONS:
            self.advance()
            return self._comparison(left, token, first)
        if self.at("="):
            self.fail("`=` is not a comparison: `==` compares, `:=` binds", token, f"{left} == …")
        if not isinstance(left, Call):
            if token.kind == "error":
                self.advance()
            self.fail(f"`{left}` alone says nothing", first, f"{left} == true")
        return Condition(left)

    def _comparison(self, left: Expression, operator: Token, first: Token) -> Predicate:
        if self._aggregate_ahead() or self.atom_ahead():
            if operator.text == "==" and isinstance(left, Variable | Constant | Parameter) and self._aggregate_ahead():
                return self._aggregation(left)
            self.fail(
                "bind the result first, then compare it", self.peek(), f"N := count : p(x: X), N {operator.text} 3"
            )
        right = self.expression()
        if self.peek().text in COMPARISONS:
            fix = f"{left} {operator.text} {right}, {right} {self.peek().text} …"
            self.fail("comparisons cannot be chained, nor be parts of an expression", self.peek(), fix)
        return Constraint(left, operator.text, right, span=self.since(first))

    def _binding(self, target: Expression, first: Token) -> Predicate:
        """What stands behind `:=`: an atom whose CID is bound, an aggregate, or an expression."""
        if self._aggregate_ahead() and isinstance(target, Variable | Constant | Parameter):
            return self._aggregation(target)
        if not isinstance(target, Variable):
            self.fail("only a variable can be bound", self.since(first), f"V := …, V == {target}")
        if self.atom_ahead():
            return Selection(self.atom(), target)
        return Assignment(target, self.expression(), span=self.since(first))

    def _aggregation(self, target: Term) -> Aggregation:
        function = self.advance()
        parameters: list[Variable] = []
        while not self.at(":") and self.peek().kind in ("variable", "name"):
            if self.atom_ahead():
                break
            parameters.append(self.variable())
            if not self.take(","):
                break
        if self.atom_ahead():
            follows = self.peek().text
            self.fail(f"`:` is missing before `{follows}`", self.peek(), f"{function.text} … : {follows}(…)")
        if not self.take(":"):
            self.fail(f"expected `:` and an atom, found {self.peek()}", self.peek(), f"{function.text} … : p(x: X)")
        if not self.atom_ahead() and self.peek().text in ("!", "not", "optional"):
            self.fail("an aggregate runs over one plain atom", self.peek(), "give the rest a relation of its own")
        return Aggregation(target, function.text, tuple(parameters), self.atom(), span=function.span)

    def _aggregate_ahead(self) -> bool:
        token, following = self.peek(), self.peek(1)
        if token.kind != "name" or token.text in KEYWORDS:
            return False
        return (following.kind == "symbol" and following.text == ":") or (
            following.kind in ("variable", "name") and following.text not in KEYWORDS
        )

    def _optional(self) -> OptionalAtom:
        self.advance()
        defaults: dict[Variable, Constant | Parameter] = {}
        atom = self.atom(defaults=defaults)
        ordered = dict.fromkeys(term for _, term in atom.arguments if isinstance(term, Variable) and term in defaults)
        return OptionalAtom(atom, tuple((variable, defaults[variable]) for variable in ordered))
