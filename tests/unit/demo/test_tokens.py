"""What each line is, and which words a file has."""

from __future__ import annotations

from textwrap import dedent

import pytest

from flowq.demo.tokens import Lines, Tokens, read_tokens


def tokens(source: str) -> Tokens:
    return read_tokens(dedent(source))


def lines(source: str) -> tuple[int, int, int, int]:
    found = tokens(source).lines
    return found.code, found.comment, found.docstring, found.blank


def test_every_line_is_code_comment_docstring_or_blank() -> None:
    source = '''\
        """One."""
        # two

        x = (  # four

            5,
        )
        def f():
            """Eight.

            Ten.
            """
            # twelve
            return x  # thirteen
        '''
    assert lines(source) == (5, 2, 4, 3)
    found = tokens(source).lines
    assert (found.comments, found.multiline_docstring) == (4, 3)


def test_blank_lines_inside_a_string_are_blank() -> None:
    assert lines('x = """a\n\nb"""\n') == (2, 0, 0, 1)


@pytest.mark.parametrize("source", ["", "x = 1", "x = 1\n", "# end", "\n\n", "if x:\n    y\n# out\n"])
def test_no_line_is_counted_twice_or_missed(source: str) -> None:
    assert sum(lines(source)) == len(source.splitlines())


@pytest.mark.parametrize(
    ("source", "logical"),
    [
        ("x = 1\n", 1),
        ("x = 1; y = 2;\n", 2),
        ("if x:\n    y\n", 2),
        ("if x: y\n", 2),
        ("# only this\n", 0),
        ("f(\n    1,\n    2,\n)\n", 1),
    ],
)
def test_logical_lines_are_statements(source: str, logical: int) -> None:
    assert tokens(source).lines.logical == logical


def test_words_forget_names_numbers_and_strings_but_not_attributes() -> None:
    assert tokens("total = a.price + 1\n").words == tokens("x = other.price + 20\n").words
    words = tokens("x = a.price\ny = b.price\ny = b.size\n").words
    assert words[:6] == words[6:12] != words[12:]
    assert tokens("x = 'one'\n").words == tokens('y = "two"\n').words


def test_comments_docstrings_and_layout_are_no_words() -> None:
    plain, decorated = tokens("def f():\n  return 1\n"), tokens('def f():\n    """Doc."""\n    # why\n\n    return 1\n')
    assert decorated.words == plain.words
    assert decorated.rows == [1, 1, 1, 1, 1, 1, 5, 5, 5]


def test_an_empty_text_has_no_lines() -> None:
    assert tokens("").lines == Lines()


def test_text_that_cannot_be_cut_into_tokens_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        tokens("x = (1,\n")
