"""The one error tree: every failure that a user can cause is an `Error` with a stable code.

An error says what was wrong, where, which names are near, and what would have been right. `CODES` lists every
code with its meaning; the reference page is generated from it, and a code that is not listed cannot be raised.
A broken promise of our own is an `AssertionError`, never one of these.
"""

from __future__ import annotations

from collections.abc import Iterable

from rhizomedb._record import dataclass

CODES: dict[str, str] = {}
"""Every code that can be raised, with its meaning in one sentence."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a program text: 1-based line and column, and how many characters it covers."""

    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class Error(Exception):
    """Anything that a caller, a file, a peer or a program text got wrong.

    `code` is stable; `where` is a `Span` or a phrase such as "films.csv line 7"; `nearest` holds names that exist
    and look alike; `fix` is something to type that would have been right. `source` is the text that a `Span` points
    into, so that the message can show the line.
    """

    default_code = "error"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: Span | str | None = None,
        nearest: Iterable[str] = (),
        fix: str | None = None,
        source: str | None = None,
    ) -> None:
        assert code in CODES, f"error code {code!r} is not listed in errors.CODES"
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.nearest = tuple(nearest)
        self.fix = fix
        self.source = source

    @property
    def span(self) -> Span | None:
        """Where in a program text, if the error is about one."""
        return self.where if isinstance(self.where, Span) else None

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where is not None else ""
        lines = [f"{self.code}: {self.message}{place}"]
        span = self.span
        if span is not None and self.source is not None:
            lines += excerpt(self.source, span)
        if self.nearest:
            lines.append(f"  did you mean: {', '.join(self.nearest)}?")
        if self.fix:
            lines.append(f"  try: {self.fix}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The same parts as data, for `--json` and for servers."""
        span = self.span
        where: object = (
            self.where if span is None else {"line": span.line, "column": span.column, "length": span.length}
        )
        return {
            "code": self.code,
            "message": self.message,
            "where": where,
            "nearest": list(self.nearest),
            "fix": self.fix,
        }


def excerpt(source: str, span: Span, width_max: int = 100) -> list[str]:
    """The line that a span points at and a line of carets beneath it, cut to a width."""
    lines = source.splitlines() or [""]
    if not 1 <= span.line <= len(lines):
        return []
    line = lines[span.line - 1].replace("\t", " ")
    start = max(0, span.column - 1 - width_max // 2) if len(line) > width_max else 0
    line = line[start : start + width_max]
    column = span.column - 1 - start
    carets = "^" * max(1, min(span.length, len(line) - column))
    gutter = f"{span.line:>4} | "
    return [f"{gutter}{line}", " " * (len(gutter) + column) + carets]


NAMES_COMPARED_MAX = 1000
"""How many names a wrong one is compared with closely."""


def nearest_names(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Up to `most` known names that look like `name`, best first."""
    import difflib  # only a failing path needs it

    known = sorted(set(known))
    if len(known) > NAMES_COMPARED_MAX:  # compare with those only that could be near
        known = [
            each for each in known if each[:1].casefold() == name[:1].casefold() and abs(len(each) - len(name)) < 3
        ]
        known = known[:NAMES_COMPARED_MAX]
    folded = {candidate.casefold(): candidate for candidate in reversed(known)}
    matches = difflib.get_close_matches(name.casefold(), list(folded), n=most, cutoff=0.6)
    return tuple(folded[match] for match in matches)


class ValueRefused(Error):
    """A value, fact, CID or block that the model does not allow (`facts.*`)."""


class DeltaRefused(Error):
    """A delta that is malformed, forged, altered or over a limit (`delta.*`)."""


class StoreError(Error):
    """The database file could not be opened, read or written (`store.*`)."""


class ProgramError(Error):
    """A program text, or a program built from Python, that has no meaning (`logic.*`)."""

    @property
    def errors(self) -> tuple[ProgramError, ...]:
        """Every error found, in the order of the text."""
        return (self,)


class ProgramErrors(ProgramError):
    """Several errors of one program, reported at once."""

    def __init__(self, errors: Iterable[ProgramError]) -> None:
        self._errors = tuple(errors)
        assert self._errors, "a group of errors holds at least one"
        first = self._errors[0]
        super().__init__(
            first.code, first.message, where=first.where, nearest=first.nearest, fix=first.fix, source=first.source
        )

    @property
    def errors(self) -> tuple[ProgramError, ...]:
        """Every error found, in the order of the text."""
        return self._errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self._errors)


class PlanError(Error):
    """A relational expression that is not well formed (`algebra.*`)."""


class BudgetExceeded(Error):
    """A computation reached one of its limits and was stopped; nothing was changed (`budget.*`)."""


class FlowError(Error):
    """A circuit, source or sink that is wired or fed in a way that has no meaning (`flow.*`)."""


class RequestError(Error):
    """A call or a command that asks for something that is not there or makes no sense (`db.*`)."""


class AttachmentError(Error):
    """An attachment that is not whole, not one, or over a limit; or a block that is not what it is said to be (`attachment.*`)."""


class ExchangeError(Error):
    """A file to import from or export to that cannot be read, understood or written (`exchange.*`)."""


class RemoteError(Error):
    """A place to push to or pull from that cannot be reached, understood or written (`remote.*`)."""


class BundleRefused(RemoteError):
    """One bundle or pack of a place that is not what its name says; the others may still be had."""


CODES.update(
    {
        # facts: values, CIDs, blocks
        "facts.value-type": "A value is bool, int, float, text, bytes or a CID; nothing else can be stored.",
        "facts.null-value": "There is no null: say nothing, or retract what was said.",
        "facts.integer-range": "Integers are signed 64-bit.",
        "facts.float-not-finite": "NaN and the infinities have no canonical encoding and are refused.",
        "facts.text-not-utf8": "Text must be valid Unicode: no lone surrogates, no broken UTF-8.",
        "facts.value-size": "A text, bytes or key is longer than the limit.",
        "facts.entity-type": "An entity is bytes.",
        "facts.attribute-type": "An attribute is int, float, text or bytes.",
        "facts.causes": "Causes are a set of CIDs, at most the limit.",
        "facts.cid-text": "The text is not a CID that this database understands.",
        "facts.cid-bytes": "The bytes are not a CIDv1 of a supported codec and hash.",
        "facts.not-canonical": "The block is valid CBOR but not the one canonical encoding of its value.",
        "facts.malformed": "The block is not DAG-CBOR.",
        "facts.too-deep": "The block nests deeper than the limit.",
        "facts.too-big": "The block, or a length it declares, is over the limit.",
        "facts.shape": "The block is DAG-CBOR but not a fact.",
        "facts.entity-key": "An entity is derived from a key of texts: at least one, none named twice, not all blank.",
        "facts.stretch": "A stretch is made of facts, or of columns of one length, and holds less than 4 GiB.",
        "facts.json": "The text is not the DAG-JSON of what was expected.",
        # deltas
        "delta.shape": "The block is DAG-CBOR but not a delta.",
        "delta.signature": "The signature does not belong to this payload and author.",
        "delta.author-key": "The author is not an Ed25519 public key that may be trusted.",
        "delta.empty": "A delta says at least one fact.",
        "delta.repeated-fact": "A delta says a fact only once.",
        "delta.not-signed": "A delta is made by signing or by decoding, never from its parts.",
        "delta.too-big": "The delta is over a limit: bytes, facts or causes.",
        "delta.id-mismatch": "The bytes of a delta do not hash to the id under which it is kept.",
        # kernels
        "backend.unknown": "RHIZOMEDB_BACKEND is neither python nor rust.",
        "backend.threads": "RHIZOMEDB_THREADS is no number of threads from 1 to 256.",
        "backend.missing": "The kernels in Rust were asked for, and are not there or of another version.",
        # keys
        "keys.unsafe": "A private key file can be read by other users of this machine.",
        "keys.malformed": "A private key file does not hold a key.",
        "keys.name": "An author's name is 1 to 64 letters, digits, spaces and . _ - @ +",
        "keys.unwritable": "The folder for keys cannot be written.",
        # the store
        "store.not-found": "There is no such database file.",
        "store.not-a-database": "The file is not a RhizomeDB database.",
        "store.newer-format": "The file was written by a newer version of RhizomeDB.",
        "store.damaged": "A part of the file cannot be read or does not say what it said when it was written.",
        "store.index-damaged": "The index beside the file does not hold together; it can be made again from the log.",
        "store.not-durable": "It was written, but the disk did not confirm that it was kept.",
        "store.busy": "Another process is writing to the file and did not finish in time.",
        "store.unreadable": "The file cannot be opened: permissions, folder or disk.",
        "store.full": "The disk is full; nothing of this write was kept.",
        "store.quota": "A limit on what is held back, or on the size of the database, does not let this in.",
        "store.exists": "There is a file of this name already, which is not written over.",
        "store.backup-target": "What should be a backup of this database is something else, or cannot be written over.",
        "store.backup-ahead": "The backup holds what the database does not: one of them went on without the other.",
        "store.restore-loses": "The file that a restore would replace holds what the backup does not, or cannot be opened, so that nobody knows.",
        "store.memory": "SQLite could not get the memory that it needs; the file is as it was.",
        "store.interrupted": "What was asked of the file was interrupted; it can be asked again.",
        "store.too-big": "A value is larger than a row of the file may be.",
        "store.process": "An open database is used by a process that was forked from the one that opened it.",
        "store.thread": "An open database is used by another thread than the one that opened it.",
        "store.closed": "The database is closed.",
        "store.read-only": "The file cannot be written.",
        # programs
        "logic.syntax": "The text is not PomoLogic.",
        "logic.text-size": "The program text is over the limit.",
        "logic.too-deep": "An expression nests deeper than the limit.",
        "logic.unknown-relation": "No relation has this name.",
        "logic.unknown-attribute": "The relation has no attribute of this name.",
        "logic.duplicate-attribute": "An attribute is named twice in one atom.",
        "logic.attribute-conflict": "A relation is used with attributes that differ from place to place.",
        "logic.missing-attribute": "A head must give every attribute of its relation.",
        "logic.unbound-variable": "A variable is used that no positive atom, CID binding or assignment binds.",
        "logic.aggregate-parameter": "An aggregate's parameter must be new, and occur once in the aggregated atom.",
        "logic.not-stratifiable": "A relation depends on its own absence, aggregate or derived CID.",
        "logic.cid-of-derived": "A CID can be bound only of stored facts.",
        "logic.head-is-stored": "A rule cannot add to a stored relation.",
        "logic.unknown-function": "No built-in function has this name.",
        "logic.unknown-aggregate": "No aggregate has this name.",
        "logic.arity": "A function or aggregate is given too many or too few arguments.",
        "logic.type": "A term can never have the type that its place asks for.",
        "logic.optional-default": "Every variable that an optional atom may leave unbound needs a default.",
        "logic.inductive": "An @next rule must repeat its head in its body or depend on an event.",
        "logic.parameter-missing": "The program names a parameter that was not given.",
        "logic.parameter-unknown": "A parameter was given that the program does not name.",
        "logic.redeclared": "A relation is declared twice.",
        "logic.empty-program": "The program has no rule.",
        "logic.next-unsupported": "A program with @next rules has steps, and is asked where there is one moment only.",
        "logic.import-clash": "Two parts of a program define one relation, and not alike.",
        "logic.import-cycle": "A data type imports itself, directly or through others.",
        "logic.unknown-import": "A program imports what has no such name, or where nothing is looked up.",
        "logic.event-source": "A program over a database declares an event, and nothing there brings it.",
        "logic.ground-fact": "A rule without a body must be ground.",
        "logic.positional": "A relation takes named attributes.",
        "logic.unknown-type": "A declaration names a type that there is not.",
        "logic.columns": "The rows given for a relation have more or fewer values than the program names attributes.",
        "logic.build": "A program built from Python uses a part where it cannot stand.",
        # algebra
        "algebra.unknown-relation": "A plan reads a relation that nothing defines.",
        "algebra.attributes": "An operator is given attributes that its input does not have, or has already.",
        "algebra.codd": "An expression, or a part of one, cannot be written as a program.",
        "algebra.formula": "A formula is not of the kind that its operator takes.",
        "algebra.row": "A row has another number of values than its relation has attributes.",
        "algebra.too-big": "The body of a rule has more predicates than the limit.",
        "algebra.too-deep": "A relational expression nests deeper than the limit.",
        "algebra.unknown-aggregate": "A plan names an aggregate that nothing defines.",
        "algebra.unknown-tuple": "An explanation was asked for of a tuple that is not in its relation.",
        # budgets
        "budget.facts": "More facts were derived than the budget allows.",
        "budget.rounds": "A recursion took more rounds than the budget allows.",
        "budget.time": "The computation took longer than the budget allows.",
        "budget.memory": "The computation held more than the budget allows, or a write needs more memory than it may take.",
        # dataflow
        "flow.arity": "An operator or sink is given another number of streams than it reads.",
        "flow.connected": "A stream is connected to a node that has all its inputs already.",
        "flow.duplicate": "A source or sink of that name is there already.",
        "flow.feedback": "Nothing is connected to a feedback.",
        "flow.foreign-stream": "A stream of another circuit is used without being brought in or exported.",
        "flow.function": "A function that was given to an operator failed.",
        "flow.impure": "A function that was given to an operator is seen not to be pure.",
        "flow.kind": "An operator is given a stream of another kind than it reads.",
        "flow.negative-weight": "An element of negative weight reached an aggregate, which is over sets.",
        "flow.plan": "The plan has no incremental form: something in a loop may take tuples of the loop away.",
        "flow.row": "A change holds an element that is no row of its relation.",
        "flow.running": "A circuit is built on after it was stepped, or stepped or run while it is.",
        "flow.sink": "A sink failed; what it did not take is kept for it.",
        "flow.sink-output": "A stream is asked for that does not come out of the node; nothing comes out of a sink.",
        "flow.source": "A source failed, or gave something that is no change.",
        "flow.source-input": "A stream is connected to a source, which accepts none.",
        "flow.timestamp": "The parts of a timestamp are not unsigned integers, or two timestamps differ in depth.",
        "flow.unknown": "There is no source, sink or relation of that name.",
        "flow.weight": "A weight is not an integer.",
        # programs that a database has
        "program.definition": "A hyperedge is no definition of a program or a view.",
        "program.name": "The text cannot name a program or a view, or means something else already.",
        "program.unknown": "No program or view of this name is defined here.",
        "program.version": "No definition of the program has this version.",
        # requests
        "db.unknown-entity": "Nothing in the database has this name or id.",
        "db.ambiguous-entity": "Several entities have this name.",
        "db.unknown-attribute": "No fact has this attribute.",
        "db.unknown-author": "Nobody of this name has said anything here.",
        "db.unknown-policy": "There is no such policy.",
        "crdt.no-member": "What is to be removed is not in the set.",
        "crdt.removed": "What was once removed from a two-phase set is out for good, and cannot be added again.",
        "crdt.position": "The text has no such position, or not so many characters there: positions count code points from 0.",
        "crdt.text": "A text is made of characters: what is inserted is a string.",
        "crdt.batch": "A batch of the text is open, or has ended: only one is open at a time, and it ends with its context.",
        "crdt.rewound": "The text is shown as it was at an earlier epoch, and cannot be edited there: `refresh` it first.",
        "crdt.closed": "The text was closed, or its database: `db.text(entity)` opens it again.",
        "crdt.place": "Nothing is at this place of a document, list or map: no such key or element, or a value that has nothing below it.",
        "crdt.key": "A key of a document or map, or a register, that is the name of an operation, and would be read as one.",
        "crdt.kind": "What stands at this place of a document is of another kind.",
        "crdt.deep": "A document, or what is written into one, is nested too deep, or holds itself.",
        "crdt.shared": "Nodes of a document stand in several places, so often that it is too large to be written out.",
        "crdt.cycle": "A node of a document is below itself: somebody put it there. Or a node of a tree would be, by the move that is asked for.",
        "crdt.past": "A document at another moment, or of some authors alone, cannot be written.",
        "crdt.step": "A counter is given what is no number, or a step larger than it counts.",
        "crdt.exists": "There is a data type of that name already, and it is another.",
        "crdt.program": "A data type whose program does not derive its answer, or whose name cannot be one.",
        "crdt.unknown": "There is no such data type.",
        # hyperedges
        "hyper.name": "A role or context is no text, empty, or reserved for the database's own facts.",
        "hyper.target": "What a pointer points at is neither a thing nor a value.",
        "hyper.too-many": "A hyperedge has more pointers than it may have.",
        "hyper.json": "The JSON is not a delta as the RhizomeDB reference writes them.",
        "hyper.schema": "A schema, or a part of one, cannot be understood.",
        "hyper.table": "A table, or a column of one, has no name that can be used.",
        "hyper.vocabulary": "What is said to mean the same is too few, too many, or of the wrong kind.",
        "hyper.lens": "A lens between versions, or a step of one, cannot be understood.",
        "hyper.unknown-version": "No lens leads to this version.",
        "hyper.not-kept": "No view of this thing is kept up to date here.",
        "hyper.unknown-schema": "There is no schema of this id.",
        "hyper.cycle": "Schemas lead back to themselves: views of them would never end.",
        "hyper.unknown-edge": "No hyperedge has this id here.",
        "hyper.class": "A Python class cannot be read as a schema, or the schema's things not be had as its instances.",
        "hyper.missing": "A thing lacks what its schema requires, so that there is no instance of it.",
        "hyper.instance": "An instance cannot be made of what a view shows, or cannot be said.",
        "hyper.taken": "Another hyperedge has this id already.",
        "db.unknown-fact": "No fact has this CID here.",
        "db.expectation-failed": "The view no longer says what the transaction expected; nothing was written.",
        "db.nothing-to-retract": "Nothing that stands matches what was to be retracted.",
        "db.nothing-to-revert": "Nothing here was said by, or at, or in what was to be reverted.",
        "db.what-if": "What is only supposed cannot be handed on, or not be kept.",
        "db.item": "An item of a transaction is neither a fact nor (entity, attribute, value).",
        "db.time": "The text is not a time.",
        "db.epoch": "There is no such epoch.",
        "db.relation": "The program has no such relation to answer with.",
        "db.condition": "A condition of a search is not one that is known.",
        "db.reserved": "The name is reserved for the database's own facts.",
        "db.view-closed": "The standing view is closed.",
        "db.view-overflow": "A watch took the changes of a view too slowly, and was to end where its buffer is full.",
        "db.view-waits": "A standing view cannot move: it waits for who watches it, or is on its way already.",
        "db.cursor": "The text is no cursor of a subscription, or not the whole of one.",
        "db.cursor-ahead": "The cursor is of an epoch that this file has not reached: it is of another file, or of a newer copy.",
        "db.cursor-foreign": "The cursor is of another file: the delta that it names is not in that place of this log.",
        "db.subscription-closed": "The subscription is closed.",
        "db.subscription-overflow": "A subscriber took what it is told too slowly, and was to end where its buffer is full.",
        "db.subscription-paused": "The subscription is paused, and nobody could resume it while it is waited for.",
        "db.usage": "The command or call cannot be understood.",
        # attachments
        "attachment.block": "The bytes do not hash to the CID that they came under, or are no block of an attachment.",
        "attachment.collected": "Another process removed chunks that nothing named yet, while a file was being attached.",
        "attachment.missing": "A block of the attachment is not in this copy.",
        "attachment.shape": "The block is not a manifest: the list of an attachment's chunks.",
        "attachment.source": "What is to be attached cannot be read.",
        "attachment.too-big": "The attachment is larger than the limit for one.",
        "attachment.total": "All attachments together would be larger than the limit for a database.",
        "attachment.unknown": "The value, or the CID, does not name an attachment.",
        # files in and out
        "exchange.not-found": "There is no such file.",
        "exchange.unreadable": "The file cannot be read.",
        "exchange.unwritable": "The file cannot be written.",
        "exchange.format": "The kind of file is not known.",
        "exchange.encoding": "The file is not UTF-8 text.",
        "exchange.header": "The header of the file cannot be used.",
        "exchange.key-column": "The file has no such key column.",
        "exchange.rows": "Some rows cannot be imported; nothing was.",
        "exchange.row-width": "A row has more or fewer cells than the header.",
        "exchange.row-quote": "A quotation mark in a row is misplaced or never closed.",
        "exchange.row-value": "A cell holds what a fact cannot, or not what was declared of its column.",
        "exchange.row-key": "A row has no key.",
        "exchange.row-json": "An element or line is not an object of plain values.",
        "exchange.json": "The file is not the JSON that was expected.",
        "exchange.git": "The folder is not a git repository that can be read.",
        "exchange.column": "The file has no such column.",
        # places to push to and pull from
        "remote.url": "The text is not the URL of a place.",
        "remote.extra": "A package is missing that places of this kind need.",
        "remote.not-found": "There is no such folder or bucket.",
        "remote.denied": "The place does not let in whoever asks: no credentials, wrong ones, or too few rights.",
        "remote.unreachable": "The place does not answer, or not in time.",
        "remote.full": "There is no room left in the place.",
        "remote.failed": "The place answered with an error.",
        "remote.too-big": "An object, or a list of objects, is longer than the limit.",
        "remote.altered": "A bundle or pack does not hold what its name says.",
        "remote.malformed": "An object has the name of a bundle or pack and is none.",
        "remote.forged": "A bundle holds a delta that cannot be trusted, or a pack what is no block.",
        "remote.gone": "A bundle or pack was listed, and is not there any more.",
        "exchange.car-header": "The header of an archive is not that of a CAR v1 with one root.",
        "exchange.car-version": "The archive is not of CAR version 1.",
        "exchange.car-section": "A section of an archive is cut short, too long, or its length is not written as it must be.",
        "exchange.car-block": "A block of an archive is not what its CID says, or none that belongs there.",
        "exchange.car-delta": "A block of an archive is not a delta that can be trusted.",
        "exchange.car-incomplete": "An archive lacks blocks that it lists, or holds others.",
    }
)
