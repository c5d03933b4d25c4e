"""A local Threads: the consent page, the API, posts, and a page to make time pass and calls fail."""
