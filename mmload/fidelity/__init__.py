"""Holds what a simulated person sends against what the real web application sends: `mmload fidelity`."""
