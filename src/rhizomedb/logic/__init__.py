"""PomoLogic: programs of rules, from text or from Python to a checked, stratified tree.

parse ──> check ──> stratify          text to syntax, everything wrong with it, what runs before what
build ──┘    substitute, relevant     the same trees from Python; programs from programs
"""

from rhizomedb.logic.aggregates import AGGREGATES as AGGREGATES
from rhizomedb.logic.aggregates import Aggregate as Aggregate
from rhizomedb.logic.aggregates import user_aggregate as user_aggregate
from rhizomedb.logic.builtins import FUNCTIONS as FUNCTIONS
from rhizomedb.logic.builtins import Function as Function
from rhizomedb.logic.builtins import compare as compare
from rhizomedb.logic.check import check as check
from rhizomedb.logic.check import check_parameters as check_parameters
from rhizomedb.logic.check import checked as checked
from rhizomedb.logic.parse import parse as parse
from rhizomedb.logic.rewrite import relevant as relevant
from rhizomedb.logic.rewrite import substitute as substitute
from rhizomedb.logic.safety import schedule as schedule
from rhizomedb.logic.schema import columns as columns
from rhizomedb.logic.stratify import Stratum as Stratum
from rhizomedb.logic.stratify import stratify as stratify
from rhizomedb.logic.syntax import Program as Program
