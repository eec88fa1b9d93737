"""Mutation testing: small faults put into a module one by one; a test that notices one kills it.

Each mutant runs in a forked child of this process, which has pytest and the libraries loaded, so that a mutant costs
little more than its tests. Survivors that are no fault, or are accepted, are listed with a reason in
benchmarks/mutation_accepted.json.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location

# Before Locust is imported, which puts gevent's in their place.
from os import fork, waitpid
from pathlib import Path
from types import CodeType

from benchmarks.measuring import Report, Table, tell, whole
from mmload.errors import MmloadError

ACCEPTED_FILE = Path(__file__).with_name("mutation_accepted.json")
# The fast tests that are responsible for each module.
TESTS: Mapping[str, tuple[str, ...]] = {
    "mmload/metrics/histogram.py": ("tests/metrics/test_histogram.py", "tests/metrics/test_packed.py"),
    "mmload/delivery/account.py": ("tests/metrics/test_delivery.py",),
    "mmload/results/verdict.py": (
        "tests/results/test_verdict.py",
        "tests/results/test_verdict_on_thresholds.py",
        "tests/results/test_storms.py",
        "tests/browser/test_figures.py",
    ),
    "mmload/results/thresholds.py": (
        "tests/results/test_thresholds.py",
        "tests/results/test_storms.py",
        "tests/browser/test_figures.py",
    ),
    "coordinator/search/estimate.py": (
        "tests/coordinator/test_estimate.py",
        "tests/coordinator/test_capacity_difference.py",
    ),
    "coordinator/search/decide.py": (
        "tests/coordinator/test_fold.py",
        "tests/coordinator/test_people_and_connections.py",
    ),
}
PROFILE = "mutation"
_OPTIONS = ("-x", "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", f"--hypothesis-profile={PROFILE}")
# A mutant may use so many times the CPU time of the tests without a change, at least some seconds; more is a hang.
PATIENCE = 5.0
FEWEST_CPU_SECONDS = 5.0
LONGEST_SECONDS = 120

_COMPARISONS: Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATIONS: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_REMOVED = ast.Expr | ast.Assign | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete
# No behaviour: annotations, how classes are made, and `strict` of zip.
_SKIPPED_FIELDS = ("annotation", "returns", "decorator_list", "type_params")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module. The text of the line and the change name it, wherever the line moves to."""

    line: int
    text: str
    change: str
    source: str


@dataclass(frozen=True, slots=True)
class Tested:
    """A module's mutants by what became of them. `stale`: accepted, but killed or no longer made."""

    module: str
    killed: int
    survived: tuple[Mutant, ...]
    accepted: tuple[Mutant, ...]
    stale: tuple[str, ...]

    @property
    def mutants(self) -> int:
        return self.killed + len(self.survived) + len(self.accepted)

    @property
    def killed_percent(self) -> float:
        return 100.0 * self.killed / self.mutants if self.mutants else 100.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which modules, with which tests, and how many mutants at once."""
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="files to mutate; default: all that have tests listed"
    )
    parser.add_argument(
        "--tests", nargs="+", metavar="FILE", help="test files, in place of those listed for the module"
    )
    parser.add_argument("--processes", type=whole, default=1, metavar="N", help="mutants tested at once (default 1)")
    parser.add_argument(
        "--sample", type=whole, metavar="N", help="only so many mutants of each module, drawn at random"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="random seed of --sample (default 1)")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED_FILE, metavar="FILE", help="survivors with a reason")


def measure(args: argparse.Namespace) -> Report:
    """Mutate, test, report."""
    accepted = json.loads(args.accepted.read_text()) if args.accepted.exists() else {}
    tested = []
    for module in args.modules or TESTS:
        tests = args.tests or TESTS.get(module)
        if not tests or not Path(module).is_file():
            raise MmloadError(f"{module}: no such file, or no tests are listed for it: give them with --tests")
        mutants = list(mutants_of(Path(module).read_text()))
        if args.sample is not None and args.sample < len(mutants):
            mutants = random.Random(args.seed).sample(mutants, args.sample)
        tested.append(_tested(module, mutants, tests, args.processes, accepted.get(module, ())))
    return _report(tested)


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines. Pure."""
    tree, lines = ast.parse(source), source.splitlines()
    before = ast.unparse(tree)
    found = []
    for parent, field, at, old, new in _sites(tree):
        change = f"{_short(old)} → {_short(new)}"
        _put(parent, field, at, new)
        mutated = ast.unparse(ast.fix_missing_locations(tree))
        _put(parent, field, at, old)
        if mutated != before:
            found.append(Mutant(old.lineno, lines[old.lineno - 1].strip(), change, mutated))  # type: ignore[attr-defined]
    yield from sorted(found, key=lambda mutant: (mutant.line, mutant.change))


# Where to put something else: parent, field, index in a list (or None), what is there, what comes in its place.
_Site = tuple[ast.AST, str, int | None, ast.AST, ast.AST]


def _sites(parent: ast.AST, *, in_function: bool = False) -> Iterator[_Site]:
    inside = in_function or isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef)
    for field, value in ast.iter_fields(parent):
        if field in _SKIPPED_FIELDS or (isinstance(parent, ast.ClassDef) and field == "keywords"):
            continue
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or (isinstance(child, ast.keyword) and child.arg == "strict"):
                continue
            is_test = field in ("test", "ifs")
            for new in _changed(child, in_function=inside, is_test=is_test):
                yield parent, field, at, child, new
            yield from _sites(child, in_function=inside)


def _changed(node: ast.AST, *, in_function: bool, is_test: bool) -> Iterator[ast.AST]:
    """What may stand in place of a node."""
    if is_test and not isinstance(node, ast.Compare) and isinstance(node, ast.expr):
        yield ast.UnaryOp(ast.Not(), node)
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for at, operator in enumerate(ops):
                for other in _COMPARISONS[type(operator)]:
                    yield ast.Compare(left, [*ops[:at], other(), *ops[at + 1 :]], comparators)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            yield ast.BinOp(left, _OPERATIONS[type(operation)](), right)
        case ast.BoolOp(op=operation, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operation, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand) if not is_test:
            yield operand
        case ast.Constant(value=bool() as flag):
            yield ast.Constant(not flag)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
            if isinstance(number, int):
                yield ast.Constant(number - 1)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Constant()):
            return
        case ast.AugAssign(target=target, op=operation, value=value) if type(operation) in _OPERATIONS:
            yield ast.AugAssign(target, _OPERATIONS[type(operation)](), value)
    if in_function and isinstance(node, _REMOVED):
        yield ast.Pass()


def _put(parent: ast.AST, field: str, at: int | None, node: ast.AST) -> None:
    if at is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[at] = node


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _tested(
    module: str, mutants: Sequence[Mutant], tests: Sequence[str], processes: int, accepted: Sequence[Mapping[str, str]]
) -> Tested:
    _preload(tests)
    name, started = module.removesuffix(".py").replace("/", "."), os.times()
    _, status = waitpid(_fork(name, module, Path(module).read_text(), tests, LONGEST_SECONDS), 0)
    if status:
        raise MmloadError(f"{module}: its tests do not pass without a change: {' '.join(tests)}")
    ended = os.times()
    cpu_seconds = ended.children_user - started.children_user + ended.children_system - started.children_system
    limit = max(FEWEST_CPU_SECONDS, PATIENCE * cpu_seconds)
    tell(f"{module}: {len(mutants)} mutants, {cpu_seconds:.1f} s of CPU each")

    survivors = _survivors(mutants, lambda mutant: _fork(name, module, mutant.source, tests, limit), processes)
    reasons = {(each["line"], each["change"]) for each in accepted}
    known = [each for each in survivors if (each.text, each.change) in reasons]
    stale = reasons - {(each.text, each.change) for each in known}
    return Tested(
        module,
        len(mutants) - len(survivors),
        tuple(each for each in survivors if each not in known),
        tuple(known),
        tuple(f"{line}: {change}" for line, change in sorted(stale)),
    )


def _survivors(mutants: Sequence[Mutant], start: Callable[[Mutant], int], processes: int) -> list[Mutant]:
    """Those whose tests pass, so many at once."""
    waiting, running, survived = list(reversed(mutants)), dict[int, Mutant](), list[Mutant]()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                mutant = waiting.pop()
                running[start(mutant)] = mutant
            pid, status = waitpid(-1, 0)
            tried = running.pop(pid, None)
            if tried is not None and not status:
                tell(f"survived: line {tried.line}: {tried.change}   in   {tried.text}")
                survived.append(tried)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            waitpid(pid, 0)
    return sorted(survived, key=lambda each: (each.line, each.change))


def _preload(tests: Sequence[str]) -> None:
    """Load what the tests import: our own modules are loaded again in each child, the libraries are not."""
    sys.path[:0] = [] if str(Path.cwd()) in sys.path else [str(Path.cwd())]
    if Path("tests/conftest.py").exists():
        importlib.import_module("tests.conftest")
    import hypothesis
    import pytest  # noqa: F401

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(PROFILE, deadline=None, database=None, derandomize=True, phases=phases)
    for test in tests:
        importlib.import_module(test.removesuffix(".py").replace("/", "."))


def _fork(name: str, path: str, source: str, tests: Sequence[str], cpu_seconds: float) -> int:
    """A child that runs the tests on this source of the module; it exits with 0 if they all pass."""
    sys.stdout.flush()
    pid = fork()
    if pid:
        return pid
    code = 70
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        signal.alarm(LONGEST_SECONDS)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        _forget_own_modules()
        gc.freeze()  # what the parent has loaded is not looked through again and again
        sys.meta_path.insert(0, _Mutated(name, path, source))
        import pytest

        code = int(pytest.main([*_OPTIONS, *tests]))
    finally:
        os._exit(code)


def _forget_own_modules() -> None:
    root = str(Path.cwd())
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if file.startswith(root) and "site-packages" not in file and name.split(".")[0] != "benchmarks":
            del sys.modules[name]


class _Mutated(SourceFileLoader):
    """Finds and loads one module, from this source in place of its file's."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, str(Path(path).resolve()))
        self._source = source

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _report(tested: Sequence[Tested]) -> Report:
    columns = ("module", "mutants", "killed", "killed %", "accepted", "survived")
    rows = tuple(
        (each.module, each.mutants, each.killed, each.killed_percent, len(each.accepted), len(each.survived))
        for each in tested
    )
    tables = [Table("Mutants", columns, rows)]
    survivors = [(f"{each.module}:{one.line}", one.text, one.change) for each in tested for one in each.survived]
    if survivors:
        tables.append(Table("Survived", ("where", "line", "change"), tuple(survivors)))
    stale = [(each.module, text) for each in tested for text in each.stale]
    if stale:
        tables.append(Table("Accepted, but killed or not made", ("module", "line and change"), tuple(stale)))
    figures = {
        each.module: {
            "mutants": each.mutants,
            "killed": each.killed,
            "accepted": len(each.accepted),
            "survived": [{"at": one.line, "line": one.text, "change": one.change} for one in each.survived],
            "stale": list(each.stale),
        }
        for each in tested
    }
    return Report({"modules": figures}, tuple(tables))
