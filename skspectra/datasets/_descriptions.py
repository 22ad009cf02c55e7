"""What each real set is, whose it is, and what to beware of: its `DESCR`."""

TECATOR = """\
Tecator: fat in meat by near-infrared transmission
==================================================
215 spectra of finely chopped meat, 100 channels from 850 to 1050 nm (nominal, the
files carry no axis), absorbance -log10(transmittance). Target: fat in % of mass,
by chemical analysis. The original table also has moisture, protein and 25 samples
for extrapolation; this copy does not.

Same meat, several rows
    22 pairs of rows hold exactly the same spectrum (193 spectra are distinct), and 8
    of these pairs lie across the train/test split. One of them, rows 171 and 172, is
    an accident of this copy, which repeats the last training row as the first test
    row. 15 more pairs have different spectra and the same moisture, fat and protein
    in the original table: meat measured twice. `groups` has 178 labels, 33 of them
    with more than one row; it needs the original table for the 15 pairs, which are
    therefore written down in skspectra. 12 of the 43 test rows share their meat with
    a training row.

Source and licence
    StatLib's data set "tecator"; read here from the wheel of sktime (BSD-3-Clause).
    Tecator placed the data in the public domain, allows redistribution with its
    permission note, takes no responsibility for them, and wants publications to name
    the instrument, the Tecator Infratec Food and Feed Analyzer, and the company,
    Tecator.

Reference
    C. Borggaard, H. H. Thodberg, "Optimal minimal neural interpretation of spectra",
    Analytical Chemistry 64, 545-551 (1992). https://doi.org/10.1021/ac00029a018
"""

FERMENTATION = """\
Lignocellulosic ethanol fermentation by mid-infrared spectroscopy
=================================================================
1047 channels from 428 to 1833 cm-1 (rounded by the origin, so steps are 1 or 2),
attenuated total reflectance, absorbance.

Calibration (`data`, `target`)
    21 samples made up to vary like a real fermentation, with glucose in g/L by HPLC,
    0 to 38.1.

Process (`pool`, `pool_time`, `pool_target`, `hplc`, `hplc_time`)
    1626 spectra taken on-line during one fermentation of 34 hours. The files carry no
    times: 1.25 min between spectra is the origin's figure, and puts the last spectrum
    within 2 min of the last HPLC sample. The origin's table ends with 3 rows of ones,
    which are left out. HPLC gives 5 concentrations at 34 times; `pool_target` has its
    glucose at the nearest spectrum and NaN elsewhere.

Beware
    - Below about 900 cm-1 there is noise rather than signal (worst from 680 to 830, up
      to 4000 absorbance units), above 1785 noise again, and from 1800 on almost only
      zeros. Cut to about 900 to 1780 before normalising.
    - The process differs from the calibration: other level and noise, glucose up to
      48.1 g/L, and xylose, acetic acid, ethanol and furfural beside it.
    - The process' glucose never falls below 4.0 g/L and ends at exactly that, for
      which the origin gives no reason.
    - All of `pool` is one batch, in time order: neighbours are nearly copies, so
      random splits of it flatter.

Source and licence
    Recorded at the Technical University of Denmark, 2019; read here from the wheel of
    chemotools (MIT), which states no separate licence for the data.

Reference
    P. Cabaneros Lopez, I. A. Udugama, S. T. Thomsen, C. Roslander, H. Junicke,
    M. Mauricio Iglesias, K. V. Gernaey, "Transforming data to information: a parallel
    hybrid model for real-time state estimation in lignocellulosic ethanol
    fermentation", Biotechnology and Bioengineering 118, 579-591 (2021).
    https://doi.org/10.1002/bit.27586
"""

COFFEE = """\
Country of origin of coffee by mid-infrared spectroscopy
========================================================
60 spectra, 1841 channels, attenuated total reflectance, absorbance. Target: the
country, 20 spectra each of Brasil, Ethiopia and Vietnam, as an index into
`target_names`.

Beware
    - The files carry no wavenumbers: `x_axis` counts channels.
    - They do not say which spectra are repeats of one sample either. No two are
      equal; figures from random splits may still flatter.

Source and licence
    Read from the wheel of chemotools (MIT), which states neither a separate licence
    nor a publication for the data: cite chemotools.
"""
