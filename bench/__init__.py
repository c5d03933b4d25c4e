"""Measurements of both functions, as ratios: `python -m bench` for all, `python -m bench cold` for some."""
