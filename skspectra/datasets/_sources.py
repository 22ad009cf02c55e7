"""Where fetched sets come from, whose they are, and how they are recognised."""

from skspectra.datasets._download import Source

# Commits are named in full, so that an address always means the same bytes.
_CHEMOMETRICS = (
    "https://raw.githubusercontent.com/caseykneale/ChemometricsData.jl/"
    "9aae583acacb28411e471979fb50148d79ed2967/data/"
)
_FORAGE = (
    "https://raw.githubusercontent.com/BoMeyering/lumpkin_ibf_nir_modeling/"
    "2956ad9ae3ca2f99b5017d3b84978f40dbc24fb8/data/"
)
_ITRAX = (
    "https://raw.githubusercontent.com/tombishop1/itraxBook/"
    "bc277ee1801223a98b91c31ba0a1db36933b6fa4/CD166_19_(2020)/calibration_samples/"
)
_RAMAN = (
    "https://files.pythonhosted.org/packages/26/c3/"
    "68a3a05eb98b433d8c1a7e4bfd620bf273ae1a4273f913c8a0b4cdd4b8e1/"
)

CORN = Source(
    name="corn",
    address=f"{_CHEMOMETRICS}Cargill_Corn/",
    digests={},
    content="066a2316ad795b8d54152ca3be146b98c2db857dd83caa7cd6b6a7f3fd79c1ca",
    licence="public domain, redistributed with the permission of M. Blackburn, Cargill",
    citation="Eigenvector Research, corn data set (M. Blackburn, Cargill)",
    description="""\
Corn by near-infrared reflectance on three instruments
======================================================
80 samples, 700 channels from 1100 to 2498 nm, log(1/R), on the instruments m5, mp5 and
mp6: row by row the same corn. Targets: moisture, oil, protein and starch in % of mass.

Beware
    - No sample is said to be measured twice on an instrument, and no groups are known.
    - m5 differs from the other two by much more than these do from each other.

Source and licence
    Cargill, through Eigenvector Research and ChemometricsData.jl, which calls it public
    domain and has the permission of M. Blackburn to redistribute it.

Reference
    Eigenvector Research, https://eigenvector.com/resources/data-sets/
""",
)

FRUIT_PUREES = Source(
    name="fruit_purees",
    address=f"{_CHEMOMETRICS}Fruit_Puree_Adulteration/",
    digests={},
    content="d1f4a14f095a4fc147b103cbbbaf78a8f6412a3d003d4929e09f86647092f7c5",
    licence="free to analyse and redistribute if the original source is cited (BBSRC)",
    citation=(
        "J. K. Holland, E. K. Kemsley, R. H. Wilson, Journal of the Science of Food "
        "and Agriculture 76, 263-269 (1998)"
    ),
    description="""\
Strawberry purée by mid-infrared spectroscopy
=============================================
983 spectra, 235 channels from 899 to 1803 cm-1, attenuated total reflectance, divided
by their area. Target: "Strawberry" (351, made from fresh fruit by the researchers) or
"Not Strawberry" (632: other fruits, and strawberry with other fruits or sugar in it).

Beware
    - Rows 365 and 843 are one spectrum; which purées are of one fruit is not said.

Source and licence
    Quadram Institute (then Institute of Food Research), through ChemometricsData.jl. By
    the data sharing policy of the BBSRC free to analyse and to redistribute, if the
    original source is cited.

Reference
    J. K. Holland, E. K. Kemsley, R. H. Wilson, "Use of Fourier transform infrared
    spectroscopy and partial least squares regression for the detection of adulteration
    of strawberry purees", Journal of the Science of Food and Agriculture 76, 263-269
    (1998).
""",
)

OLIVE_OILS = Source(
    name="olive_oils",
    address=f"{_CHEMOMETRICS}Olive_Oils_Quadrum/",
    digests={},
    content="fa63fddf5b1432613791f87fc771f7786a78123118a54d19d91d6e04d5c55d16",
    licence="free to analyse and redistribute if the original source is cited (BBSRC)",
    citation=(
        "H. S. Tapp, M. Defernez, E. K. Kemsley, Journal of Agricultural and Food "
        "Chemistry 51, 6110-6115 (2003)"
    ),
    description="""\
Country of origin of olive oil by mid-infrared spectroscopy
===========================================================
120 spectra, 570 channels from 799 to 1897 cm-1, attenuated total reflectance,
absorbance. 60 extra virgin oils, each measured in two sessions (`groups`): 10 from
Greece, 17 from Italy, 8 from Portugal, 25 from Spain.

Source and licence
    Quadram Institute (then Institute of Food Research), through ChemometricsData.jl. By
    the data sharing policy of the BBSRC free to analyse and to redistribute, if the
    original source is cited.

Reference
    H. S. Tapp, M. Defernez, E. K. Kemsley, "FTIR spectroscopy and multivariate analysis
    can distinguish the geographic origin of extra virgin olive oils", Journal of
    Agricultural and Food Chemistry 51, 6110-6115 (2003).
""",
)

FORAGE = Source(
    name="forage",
    address=_FORAGE,
    digests={},
    content="2098ae1e64ac19dc42a23d3dfbc40d80c52db8ebf07eecd28ff1c6ffcb177c6e",
    licence="MIT",
    citation="B. Meyering, The Land Institute, lumpkin_ibf_nir_modeling (2025)",
    description="""\
Forage by a handheld near-infrared spectrometer
===============================================
588 spectra of 291 plots (`groups`), ground to 1 mm, 257 channels from 1350 to 2550 nm,
reflectance in %. Targets in % of mass: crude protein, acid and neutral detergent fibre,
moisture; of 75 plots that were chosen for their spectra, NaN elsewhere.

Beware
    - Two laboratories did the chemistry (`laboratory`), and their values of moisture
      and fibre differ: one of them alone is a better target than both.
    - Scans of one plot share their reference value: split by `groups`.

Source and licence
    The Land Institute; the repository, data included, is under the MIT licence.

Reference
    B. Meyering, https://github.com/BoMeyering/lumpkin_ibf_nir_modeling
""",
)

RAMAN_BIOMOLECULES = Source(
    name="raman_biomolecules",
    address=_RAMAN,
    digests={
        "ramanbiolib-1.0.0.post5.tar.gz": (
            "38b1df3e1305df30f434292b078fdd6b21af8f9cfdadab3464fdfe72794686bd"
        )
    },
    content="36b414bf1212c8f960250379626a45bd337376c22f700c401a73caa4dde8832b",
    licence="Open Database License (ODbL)",
    citation=(
        "M. Terán, J. J. Ruiz, P. Loza-Alvarez, D. Masip, D. Merino, Chemometrics and "
        "Intelligent Laboratory Systems 264, 105476 (2025), "
        "https://doi.org/10.1016/j.chemolab.2025.105476"
    ),
    description="""\
RamanBioLib: Raman spectra of biological molecules
==================================================
202 spectra of 141 substances (`groups`), 1351 channels from 450 to 1800 cm-1. Target:
the kind of molecule, of nine; 76 are proteins, 57 lipids, 30 saccharides and one is a
peptide.

Beware
    - All are read off published figures (`references`), smoothed, freed of baselines
      and scaled to 0 to 1: what is left has the errors of the drawing, not of an
      instrument. Lasers are of 458 to 1064 nm.
    - 167 of them come from three publications, which share instrument and substances.

Source and licence
    RamanBioLib 1.0.0.post5 as published on the Python Package Index, of which the
    database alone is read. The database is under the Open Database License: attribute
    it, and share what you adapt of it alike. The package's code, under the GPL, is
    neither run nor copied.

Reference
    M. Terán, J. J. Ruiz, P. Loza-Alvarez, D. Masip, D. Merino, "Open Raman spectral
    library for biomolecule identification", Chemometrics and Intelligent Laboratory
    Systems 264, 105476 (2025). https://doi.org/10.1016/j.chemolab.2025.105476
""",
)

SEDIMENT_CORE = Source(
    name="sediment_core",
    address=_ITRAX,
    digests={},
    content="4cf1123a9e2e8b16cc074783aac5e665cff67f62d94bca1a249b007e1faecedb",
    licence="CC BY 4.0",
    citation=(
        "T. Bishop, S. Charidemou, PANGAEA (2023), "
        "https://doi.org/10.1594/PANGAEA.955347"
    ),
    description="""\
A sediment core by X-ray fluorescence
=====================================
60 slices of 1 cm of the core CD166/19, from 330 to 4140 mm down (`depth`), 2048
channels from 0 to 21 keV: counts of an Itrax core scanner (molybdenum tube, 30 kV,
30 mA), summed over the slice. Targets: water in % of the wet mass, and Al, Ca, Fe, K,
Mg, Mn, Na, S, Sr, Ti, Zn and P in mg per kg of dry mass, by optical emission after aqua
regia, which dissolves silicates in part only.

Beware
    - Neighbouring slices resemble each other: hold out blocks of depth, not rows.
    - Counts depend on water and on the surface: normalise spectra.

Source and licence
    BOSCORF, National Oceanography Centre, Southampton; files of the book "Itrax data in
    R" by T. Bishop, CC BY 4.0.

Reference
    T. Bishop, S. Charidemou, PANGAEA (2023). https://doi.org/10.1594/PANGAEA.955347
""",
)
