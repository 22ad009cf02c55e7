"""Readers of spectra files."""

from skspectra.io._table import read_table

__all__ = ["read_table"]
