"""What a browser loads before it speaks the API: the page and the few files it names."""

from __future__ import annotations

import mimetypes

from aiohttp import web

from mmload.sandbox.world import World

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Mattermost</title>
<link rel="icon" href="/static/images/favicon/favicon-default-32x32.png">
<link rel="stylesheet" href="/static/css/initial_loading_screen.css">
<link rel="stylesheet" href="/static/main.css">
<script defer src="/static/main.js"></script>
<script defer src="/static/remote_entry.js"></script>
</head><body><div id="root">Mattermost</div></body></html>
"""
# Sizes of the order of the web app's, so that a page load moves something.
_ASSETS = {
    "/static/images/favicon/favicon-default-32x32.png": 1_200,
    "/static/css/initial_loading_screen.css": 3_000,
    "/static/main.css": 60_000,
    "/static/main.js": 400_000,
    "/static/remote_entry.js": 20_000,
}
_NOT_KEPT = {"Cache-Control": "no-cache, max-age=31556926, public"}


def guess_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def serve(world: World, path: str) -> web.Response:
    """A file, or for any other path the page: the web app routes by itself."""
    size = _ASSETS.get(path)
    if size is not None:
        headers = {"Cache-Control": "max-age=31556926, public"}
        return web.Response(body=b"/" * size, content_type=guess_type(path), headers=headers)
    if path.startswith("/static/"):
        return web.Response(status=404, text="404 page not found\n")
    headers = {**_NOT_KEPT, "X-Request-Id": world.new_id(), "X-Version-Id": world.version_id}
    return web.Response(text=_PAGE, content_type="text/html", headers=headers)
