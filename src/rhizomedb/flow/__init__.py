"""PomoFlow: dataflow over changes, so that what a program derives is kept up to date instead of computed anew.

`engine` runs plans over tables of dense ids: a query is one step, a standing view one step after the other. `circuit` is
the general form: circuits of operators over Z-sets of any elements, as the papers write them, and the definition of what
the engine must answer.
"""
