"""The least that a function can be: what every other start is compared with."""

import functions_framework
from flask import Request


@functions_framework.http
def hello(request: Request) -> str:
    return "hello\n"
