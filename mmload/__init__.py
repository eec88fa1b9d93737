"""mmload: load tests for Mattermost on Locust. See README.md."""

__version__ = "0.1.0"
