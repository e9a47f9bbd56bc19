"""Files of past fills, one format a module: text in, `ledger.entries` out. They know no models and write nothing.

A format says by which columns it is recognised; names of files and places of columns mean nothing.
"""
