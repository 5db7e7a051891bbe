"""Logs in before each request, because some requests end the session."""

import os

import requests
import schemathesis


@schemathesis.auth(refresh_interval=None)
class Login:
    def get(self, case, context):
        url = os.environ["STORE_URL"] + "/login"
        response = requests.post(url, json={"user": "ada"}, timeout=30)
        return response.cookies["session"]

    def set(self, case, session, context):
        case.cookies = {**(case.cookies or {}), "session": session}
