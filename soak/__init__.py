"""The promise under fire: real functions, simulated years, random faults and crashes, and a model that checks."""
