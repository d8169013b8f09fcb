"""PomoLogic: programs of rules, from text or from Python to a checked, stratified tree.

parse ──> check ──> stratify          text to syntax, everything wrong with it, what runs before what
build ──┘    substitute, relevant     the same trees from Python; programs from programs
"""

from rhizomedb.logic.aggregates import AGGREGATES as AGGREGATES
from rhizomedb.logic.aggregates import Aggregate as Aggregate
from rhizomedb.logic.aggregates import user_aggregate as user_aggregate
from rhizomedb.logic.build import aggregate as aggregate
from rhizomedb.logic.build import avg as avg
from rhizomedb.logic.build import constant as constant
from rhizomedb.logic.build import count as count
from rhizomedb.logic.build import count_distinct as count_distinct
from rhizomedb.logic.build import declare as declare
from rhizomedb.logic.build import functions as functions
from rhizomedb.logic.build import max_ as max_
from rhizomedb.logic.build import min_ as min_
from rhizomedb.logic.build import optional as optional
from rhizomedb.logic.build import parameter as parameter
from rhizomedb.logic.build import program as program
from rhizomedb.logic.build import relation as relation
from rhizomedb.logic.build import relations as relations
from rhizomedb.logic.build import sum_ as sum_
from rhizomedb.logic.build import variable as variable
from rhizomedb.logic.build import variables as variables
from rhizomedb.logic.builders import call as call
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
