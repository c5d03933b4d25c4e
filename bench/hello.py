"""The smallest possible function. Every other start is compared with it."""

import functions_framework
from flask import Request


@functions_framework.http
def hello(request: Request) -> str:
    return "hello\n"
