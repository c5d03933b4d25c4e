"""Measure both functions, as ratios: `python -m bench` for everything, `python -m bench cold` for one group."""
