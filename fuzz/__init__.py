"""Coverage-guided fuzzing of everything that reads what strangers, Meta or an operator's hand may send."""
