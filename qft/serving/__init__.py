"""Talking to what was trained: on the terminal (chat.py) and over HTTP (server.py), by one engine."""
