"""The real web application of a server, driven in a browser through the steps of the recording, and what it sends.

The browser has a process of its own (`python -m mmload.fidelity.live`), which `page.py` starts and tells
what to touch (`messages.py`). What it saw (`watching.py`) becomes lines of a recording (`recording_lines.py`). To
add a step: `scenarios.py`; what it touches on the page: `elements.py` there, and `mmload/browser/selectors.py`.
"""
