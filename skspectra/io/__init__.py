"""Readers of spectra files."""

from skspectra.io._spectra import read_spectra
from skspectra.io._table import read_table

__all__ = ["read_spectra", "read_table"]
