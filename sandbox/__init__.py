"""A local Threads and a local Secret Manager, for `make run` and the tests; never deployed."""
