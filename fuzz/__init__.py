"""Coverage-guided fuzzing of everything that parses input from strangers, from Meta or from an operator."""
