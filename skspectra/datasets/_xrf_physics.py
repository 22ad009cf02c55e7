"""What an energy-dispersive XRF scanner counts above a sediment of known elements."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtr

LAST_ENERGY = 20.48  # keV; 2048 channels are then 0.01 keV wide
_FWHM = np.sqrt(8 * np.log(2))  # of a Gaussian of standard deviation 1

# Tube and geometry of an Itrax: the beam falls vertically onto the core, the detector
# looks at it under 45 degrees.
_ANODE, _VOLTAGE = 42, 30.0  # Mo, kV
_SIN_OUT = np.sin(np.radians(45.0))
_ANGLE = np.radians(135.0)  # of scatter
_BINS = np.arange(1.5, _VOLTAGE, 0.25) + 0.125  # keV, of the tube's continuum
_WINDOW_BE = 0.01 * 1.85  # g/cm2, of the tube
# The air along the beam was chosen so that a carbonate ooze of known composition gives
# the lines and scatter of a real Itrax scan within a factor of two from Ti on.
_BEAM_AIR = 20 * 0.001205  # g/cm2

# Silicon drift detector.
_SILICON, _SILICON_WIDTH = 14, 0.045 * 2.33  # g/cm2
_DETECTOR_BE = 0.0025 * 1.85  # g/cm2
_AIR = 0.3 * 0.001205  # g/cm2, from sample to detector
_PAIR_ENERGY, _FANO = 0.00366, 0.114  # keV for an electron-hole pair in Si
_MN_KA = 5.895  # keV, where detectors state their resolution
_SHELF = 0.005  # share of counts whose charge is collected in part only
_THRESHOLD, _THRESHOLD_WIDTH = 0.6, 0.05  # keV, of the discriminator
_DOPPLER = 2.0  # FWHM of the electrons' momenta, atomic units (O: 2.1, Si: 1.3)
DWELL = 15.0  # seconds a spectrum

_SERIES = {  # lines of each shell that reach a per cent of the strongest
    "Ka": ("KL3", "KL2"),
    "Kb": ("KM3", "KM2", "KN3", "KN2"),
    "La": ("L3M5", "L3M4"),
    "Lb": ("L2M4", "L3N5", "L1M3", "L1M2", "L2N4", "L3M1"),
}
_WEAKEST = 0.01


def electronic_noise(resolution):
    """Return the FWHM of the noise in keV that leaves `resolution` at Mn Ka."""
    return np.sqrt(resolution**2 - _FWHM**2 * _FANO * _PAIR_ENERGY * _MN_KA)


def _over(function, elements, energies, *angle):
    """Return a cross section of xraylib's (n_elements, n_energies)."""
    return np.array([[function(z, e, *angle) for e in energies] for z in elements])


def _line_energies(xrl, elements):
    """Return for each line its element's index, its constant and its energy in keV."""
    found = []
    for index, z in enumerate(elements):
        for series in _SERIES.values():
            for name in series:
                line = getattr(xrl, f"{name}_LINE")
                try:
                    share, energy = xrl.RadRate(z, line), xrl.LineEnergy(z, line)
                except ValueError:  # the atom has no such shell
                    continue
                if share > _WEAKEST and 1.0 < energy < LAST_ENERGY:
                    found.append((index, line, energy))
    return found


def _fluorescence(xrl, z, line, energies):
    """Return the cross section of a line in cm2/g at these exciting energies."""
    sections = []
    for energy in energies:
        try:
            sections.append(xrl.CS_FluorLine_Kissel(z, line, energy))
        except ValueError:  # below the absorption edge
            sections.append(0.0)
    return np.array(sections)


def _anode_lines(xrl, overvoltage):
    """Return energies of the anode's K lines and their photons, as Ebel has them."""
    z, u = _ANODE, overvoltage
    edge = xrl.EdgeEnergy(z, xrl.K_SHELL)
    core = u * np.log(u) + 1 - u
    slowing = np.sqrt(u) * np.log(u) + 2 * (1 - np.sqrt(u))
    stopping = 1 + 16.05 * np.sqrt(0.0135 * z / edge) * slowing / core
    escape = 1 - 0.0081517 * z + 3.613e-5 * z**2
    escape += 0.009583 * z * np.exp(-u) + 0.001141 * _VOLTAGE
    total = 5e13 * (2 * 0.35 / z) * core * stopping * escape
    total *= xrl.FluorYield(z, xrl.K_SHELL)
    names = [f"{name}_LINE" for name in (*_SERIES["Ka"], *_SERIES["Kb"])]
    lines = [getattr(xrl, name) for name in names]
    energies = np.array([xrl.LineEnergy(z, line) for line in lines])
    return energies, total * np.array([xrl.RadRate(z, line) for line in lines])


def _tube(xrl):
    """Return energies and photons of what falls on the sample, continuum first.

    Ebel's bremsstrahlung and K lines, absorbed in the anode, the window and the air
    along the beam. L lines are left out: hardly any of them comes through.
    """
    edge = xrl.EdgeEnergy(_ANODE, xrl.K_SHELL)
    exponent = 1.109 - 0.00435 * _ANODE + 0.00175 * _VOLTAGE
    bremsstrahlung = 1.35e9 * _ANODE * (_VOLTAGE / _BINS - 1) ** exponent
    bremsstrahlung *= _BINS[1] - _BINS[0]
    energies, photons = _anode_lines(xrl, _VOLTAGE / edge)
    energies = np.concatenate([_BINS, energies])
    photons = np.concatenate([bremsstrahlung, photons])
    depth = _over(xrl.CS_Photo, [_ANODE], energies)[0] * 2 * _anode_depth()
    photons *= -np.expm1(-depth) / depth
    photons *= np.exp(-_WINDOW_BE * _over(xrl.CS_Total, [4], energies)[0])
    return energies, photons * np.exp(-_BEAM_AIR * _air_absorption(xrl, energies))


def _air_absorption(xrl, energies):
    """Return what a g/cm2 of air takes away, as an exponent."""
    air = xrl.GetCompoundDataNISTByName("Air, Dry (near sea level)")
    return air["massFractions"] @ _over(xrl.CS_Total, air["Elements"], energies)


def _anode_depth():
    """Return the mean depth in g/cm2 where the anode's X-rays arise, as Ebel has it."""
    z, e0 = _ANODE, _VOLTAGE
    log_z = np.log(z)
    back = 0.1904 - 0.2236 * log_z + 0.1292 * log_z**2 - 0.0149 * log_z**3
    back *= e0 ** (0.1382 - 0.9211 / np.sqrt(z))
    log_u = np.log(e0 / 10.0)  # of the continuum in the middle of the axis
    share = (0.49269 - 1.0987 * back + 0.78557 * back**2) * log_u
    share /= 0.70256 - 1.09865 * back + 1.0046 * back**2 + log_u
    range_ = 0.787e-5 * np.sqrt(0.0135 * z) * e0**1.5 + 0.735e-6 * e0**2
    return share * range_ * 95.95 / z


class Detector:
    """Responses of a silicon drift detector: photons of an energy to counts."""

    def __init__(self, xrl, x_axis, resolution):
        self.xrl = xrl
        step = x_axis[1] - x_axis[0]
        self.edges = np.append(x_axis, x_axis[-1] + step) - step / 2
        self.noise = electronic_noise(resolution)
        self.escaped = xrl.LineEnergy(_SILICON, xrl.KL3_LINE)

    def fwhm(self, energies):
        """Return the width of a peak in keV."""
        return np.hypot(self.noise, _FWHM * np.sqrt(_FANO * _PAIR_ENERGY * energies))

    def escape_share(self, energies):
        """Return which share of the photons loses a Si K photon [Reed and Ware]."""
        xrl, edge = self.xrl, self.xrl.EdgeEnergy(_SILICON, self.xrl.K_SHELL)
        own = xrl.CS_Photo(_SILICON, self.escaped)
        ratio = own / _over(xrl.CS_Photo, [_SILICON], energies)[0]
        shell = 1 - 1 / xrl.JumpFactor(_SILICON, xrl.K_SHELL)
        share = 0.5 * xrl.FluorYield(_SILICON, xrl.K_SHELL) * shell
        share *= 1 - ratio * np.log1p(1 / ratio)
        return np.where(energies > edge, share, 0.0)

    def efficiency(self, energies):
        """Return the share of the photons that passes air and window and is stopped."""
        lost = _DETECTOR_BE * _over(self.xrl.CS_Total, [4], energies)[0]
        lost += _AIR * _air_absorption(self.xrl, energies)
        stopped = _over(self.xrl.CS_Photo, [_SILICON], energies)[0] * _SILICON_WIDTH
        return np.exp(-lost) * -np.expm1(-stopped)

    def response(self, energies, doppler=0.0):
        """Return counts (n_energies, n_channels) of a photon of each energy.

        A Gaussian peak, its Si escape peak, a shelf down to zero; `doppler` is a
        further FWHM in keV.
        """
        energies = np.asarray(energies, dtype=np.float64)[:, None]
        escape = self.escape_share(energies[:, 0])[:, None]
        peak = self._peaks(energies, np.hypot(self.fwhm(energies), doppler))
        lower = np.maximum(energies - self.escaped, 0.0)
        echo = self._peaks(lower, np.hypot(self.fwhm(lower), doppler))
        below = np.clip(self.edges, 0.0, energies) / energies
        counts = (1 - escape - _SHELF) * peak + escape * echo
        counts += _SHELF * np.diff(below, axis=1)
        middles = (self.edges[:-1] + self.edges[1:]) / 2
        counts *= ndtr((middles - _THRESHOLD) / _THRESHOLD_WIDTH)
        return counts * self.efficiency(energies[:, 0])[:, None]

    def _peaks(self, energies, fwhm):
        return np.diff(ndtr((self.edges - energies) * _FWHM / fwhm), axis=1)

    def band_response(self, energies, doppler=0.0):
        """Return the same for bands that fall linearly to the neighbouring energies."""
        fine = np.arange(energies[0], energies[-1], 0.05)
        hats = np.array(
            [np.interp(fine, energies, row) for row in np.eye(len(energies))]
        )
        hats /= hats.sum(axis=1, keepdims=True)
        at_fine = np.interp(fine, energies, np.broadcast_to(doppler, energies.shape))
        return hats @ self.response(fine, at_fine[:, None])


class Scanner:
    """Expected counts of thick samples under a film of water, per unit of intensity.

    Sherman's equation for fluorescence that the tube's radiation excites; single
    scatter; absorption in the sample, in the film, on the way to the detector and in
    it. Fluorescence that other fluorescence excites, and multiple scatter, are left
    out.

    Parameters
    ----------
    xrl : module
        xraylib.
    elements : list of int
        Atomic numbers, the columns of compositions.
    water : ndarray of shape (n_elements,)
        Mass fractions in the water of the film.
    x_axis : ndarray of shape (n_channels,)
        Middles of the channels in keV.
    resolution : float
        FWHM at Mn Ka in keV.
    """

    def __init__(self, xrl, elements, water, x_axis, resolution):
        self.lines = _line_energies(xrl, elements)
        energies, photons = _tube(xrl)
        lost = energies / 510.999 * (1 - np.cos(_ANGLE))
        shifted = energies / (1 + lost)
        self.n_channels = len(x_axis)
        self._owner = np.array([index for index, _, _ in self.lines])
        at_lines = np.array([energy for _, _, energy in self.lines])
        sections = [
            _fluorescence(xrl, elements[index], line, energies) * photons
            for index, line, _ in self.lines
        ]
        self._excite = np.array(sections) / (4 * np.pi)
        self._total = _over(xrl.CS_Total, elements, energies)
        self._total_out = _over(
            xrl.CS_Total, elements, np.concatenate([at_lines, energies, shifted])
        )
        self._scatter = np.hstack(
            [
                _over(xrl.DCS_Rayl, elements, energies, _ANGLE) * photons,
                _over(xrl.DCS_Compt, elements, energies, _ANGLE) * photons,
            ]
        )
        self._water_in, self._water_out = water @ self._total, water @ self._total_out
        self._film = self._thin(water)
        self._gas = _AIR * self._thin(self._air(xrl, elements))
        self._respond(Detector(xrl, x_axis, resolution), at_lines, energies, shifted)

    def main_lines(self, names):
        """Return the energy in keV of each element's strongest line, K before L."""
        energies = {}
        for index, _, energy in self.lines:
            energies.setdefault(names[index], energy)
        return energies

    def _respond(self, detector, at_lines, energies, shifted):
        n_bins = len(_BINS)
        momentum = _DOPPLER / 137.036  # in units of the electron's mass times c
        doppler = 2 * energies * np.sin(_ANGLE / 2) * momentum
        self._response = np.vstack(
            [
                detector.response(at_lines),
                detector.band_response(energies[:n_bins]),
                detector.response(energies[n_bins:]),
                detector.band_response(shifted[:n_bins], doppler[:n_bins]),
                detector.response(shifted[n_bins:], doppler[n_bins:, None]),
            ]
        )

    @staticmethod
    def _air(xrl, elements):
        """Return the mass fraction of argon in air, the rest having no line here.

        What nitrogen and oxygen of the air scatter is left out with them.
        """
        argon = xrl.SymbolToAtomicNumber("Ar")
        return np.array([0.0128 if z == argon else 0.0 for z in elements])

    def _thin(self, composition):
        """Return photons of a layer that absorbs nothing, for 1 g/cm2."""
        fluorescence = composition[self._owner] * self._excite.sum(axis=1)
        return np.concatenate([fluorescence, composition @ self._scatter])

    def photons(self, composition, film):
        """Return photons towards the detector: lines, then Rayleigh, then Compton.

        Parameters
        ----------
        composition : ndarray of shape (n_samples, n_elements)
            Mass fractions.
        film : ndarray of shape (n_samples,)
            Thickness of the film in cm, its density 1 g/cm3.
        """
        n_lines = len(self.lines)
        film = film[:, None]
        inwards = composition @ self._total
        out = composition @ self._total_out / _SIN_OUT
        passed = np.exp(-film * self._water_in)
        photons = np.hstack(
            [np.empty((len(film), n_lines)), composition @ self._scatter]
        )
        for line in range(n_lines):
            depth = inwards + out[:, line, None]
            photons[:, line] = (passed / depth) @ self._excite[line]
        photons[:, :n_lines] *= composition[:, self._owner]
        inwards = np.tile(inwards, 2)
        photons[:, n_lines:] *= np.tile(passed, 2) / (inwards + out[:, n_lines:])
        photons *= np.exp(-film * self._water_out / _SIN_OUT)
        return photons + film * self._film + self._gas

    def counts(self, composition, film):
        """Return expected counts (n_samples, n_channels), parameters as `photons`."""
        return self.photons(composition, film) @ self._response


def add_pile_up(counts, resolving_time):
    """Return expected counts where pulses too close to be told apart are added.

    The first and the second pulse of a pair are drawn from the spectrum itself, so
    pairs are its convolution with itself: every sum peak has its own height.

    Parameters
    ----------
    counts : ndarray of shape (n_samples, n_channels)
        Expected counts, channel 0 at the energy 0.
    resolving_time : float
        In microseconds.
    """
    rate = resolving_time * 1e-6 / DWELL
    n_channels = counts.shape[1]
    size = next_fast_len(2 * n_channels - 1, real=True)
    pairs = irfft(rfft(counts, size) ** 2, size)[:, :n_channels]
    alone = np.exp(-2 * rate * counts.sum(axis=1, keepdims=True))
    # A transform leaves rounding errors where there are no pairs.
    return alone * (counts + rate * np.maximum(pairs, 0.0))
