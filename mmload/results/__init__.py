"""The record of a run: its model, its folder, and what can be said about it. Without Locust, gevent or a screen."""
