"""The formats that are known: a new one is a module and a line here."""

from . import khata_csv, zerodha_tradebook

FORMATS = (zerodha_tradebook.FORMAT, khata_csv.FORMAT)
