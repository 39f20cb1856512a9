"""From text to tree, going on behind every syntax error so that one run reports them all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, cast

from lark import Lark
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer
from lark.parsers.lalr_interactive_parser import InteractiveParser

from noodle.errors import LanguageError
from noodle.language import tree
from noodle.language.limits import MAX_DEPTH, too_deep
from noodle.language.scanner import scan
from noodle.language.source_text import MAX_REPORTED_ERRORS, SourceText
from noodle.language.syntax_errors import Mishap, syntax_error
from noodle.language.tokens import Token
from noodle.language.tree_builder import TreeBuilder

__all__ = ["Parsed", "parse", "start_parser"]


class Parsed(NamedTuple):
    """The result of a parse.

    Args:
        program: The tree; where there were errors, of the statements that could be read.
        errors: The syntax errors, in no order.
        incomplete: Whether the only trouble is that the text ends too early.
    """

    program: tree.Program
    errors: list[LanguageError]
    incomplete: bool


class _NoLexer(Lexer):
    """Stands in for Lark's lexer: the scanner's tokens are fed to the parser one by one."""

    def __init__(self, conf: Any) -> None:
        super().__init__()

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Any]:
        return iter(())


@cache
def _grammar() -> Lark:
    text = files("noodle.language").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        text,
        parser="lalr",
        lexer=_NoLexer,
        transformer=TreeBuilder(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def start_parser() -> InteractiveParser:
    """Return a parser that expects the first token of a program."""
    return _grammar().parse_interactive("")


def feed(parser: InteractiveParser, token: Token) -> Any:
    """Give a parser its next token; the last one is ``$END``, for which the tree is returned."""
    return parser.parser_state.feed_token(cast(Any, token), is_end=token.type == "$END")


def parse(source: SourceText) -> Parsed:
    """Read a program.

    Raises:
        NoodleSyntaxError: It is nested too deeply to be read at all.
    """
    tokens, errors, open_at_end = scan(source)
    run = _Run(source, tokens)
    program = run.program()
    # On a line with an unreadable token, what the parser stumbles over is that token.
    unreadable = {error.line for error in errors}
    errors += [error for error in run.errors if error.line not in unreadable]
    _check_depth(source, program)
    at_end_only = run.failed_at_end and len(run.errors) == len(errors) == 1 and not unreadable
    never_closed = all(error.summary.endswith("is never closed") for error in errors)
    return Parsed(program, errors, (open_at_end and never_closed) or at_end_only)


class _Run:
    """One pass of the parser over the tokens."""

    def __init__(self, source: SourceText, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.errors: list[LanguageError] = []
        self.failed_at_end = False
        self.parser = start_parser()

    def program(self) -> tree.Program:
        index = 0
        while True:
            token = self.tokens[index]
            try:
                result = feed(self.parser, token)
            except UnexpectedToken:
                index = self._recover(index)
                continue
            if token.type == "$END":
                program = cast(tree.Program, result)
                program.end = token.end
                return program
            index += 1

    def _recover(self, index: int) -> int:
        """Report the error at a token; return the index of the token to go on with."""
        token = self.tokens[index]
        mishap = Mishap(self.source, self.tokens, index, self.parser)
        if not token.synthetic and len(self.errors) < MAX_REPORTED_ERRORS:
            self.errors.append(syntax_error(mishap))
            self.failed_at_end |= token.type == "$END"
        if token.type == "ASSIGN" and "EQUALITY" in mishap.accepted:
            self.tokens[index] = Token("EQUALITY", "==", token.start, token.end)
            return index
        self._unwind()
        return self._end_of_statement(index)

    def _unwind(self) -> None:
        """Drop the unfinished statement: back to the state in which it could begin."""
        state = self.parser.parser_state
        table = state.parse_conf.parse_table.states
        finished_blocks = 0
        while finished_blocks or "statement" not in table[state.state_stack[-1]]:
            state.state_stack.pop()
            value = state.value_stack.pop()
            if isinstance(value, Token):
                finished_blocks += (value.type == "BLOCK_CLOSE") - (value.type == "BLOCK_OPEN")
            finished_blocks = max(0, finished_blocks)

    def _end_of_statement(self, index: int) -> int:
        """Return the index of the separator or closing brace that ends the broken statement."""
        depth = self._depth_in_block(index)
        for position in range(index, len(self.tokens) - 1):
            kind = self.tokens[position].type
            if depth <= 0 and kind in ("SEPARATOR", "BLOCK_CLOSE"):
                return position
            depth += (kind in _OPENERS) - (kind in _CLOSERS)
        return len(self.tokens) - 1

    def _depth_in_block(self, index: int) -> int:
        """Return how many brackets of the parser's block are open before a token."""
        blocks = (
            value
            for value in reversed(self.parser.parser_state.value_stack)
            if isinstance(value, Token) and value.type == "BLOCK_OPEN"
        )
        block = next(blocks, None)
        depth = 0
        for token in reversed(self.tokens[:index]):
            if token is block:
                break
            depth += (token.type in _OPENERS) - (token.type in _CLOSERS)
        return depth


_OPENERS = frozenset({"LPAREN", "LAMBDA_OPEN", "LBRACKET", "MAP_OPEN", "BLOCK_OPEN", "EMBED_OPEN"})
_CLOSERS = frozenset({"RPAREN", "RBRACKET", "MAP_CLOSE", "BLOCK_CLOSE", "EMBED_CLOSE"})


def _check_depth(source: SourceText, program: tree.Program) -> None:
    for node, depth in tree.walk(program):
        if depth > MAX_DEPTH:
            raise too_deep(source, node.start)
