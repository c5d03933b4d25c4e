"""A local Google Secret Manager v1, for `make run` and the tests; never deployed."""
