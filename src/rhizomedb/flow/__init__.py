"""PomoFlow: dataflow over changes, so that what a program derives is kept up to date instead of computed anew.

`circuit` is the general form: circuits of operators over Z-sets of any elements, as the papers write them, and the
definition of what any faster engine must answer.
"""
