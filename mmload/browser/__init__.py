"""People at the real web application in a real browser, few of them beside many simulated ones.

A browser is driven by a process of its own (`python -m mmload.browser`), which the Locust user (`mmload.browser_user`)
starts and tells, step by step, what to do (`process.py`, `messages.py`).

To add a step: a function in `steps.py` (its docstring says how), its name in `CYCLE` there, when it is usable in
docs/measures.md. Where it clicks and what it waits for are names of `selectors.py`, with their CSS for each version
family; the sandbox's page (`mmload/sandbox/page/`) has them, too.
"""
