"""A parser of redis.conf that follows Redis's ``sdssplitargs``."""

import re


def split_arguments(line: str) -> list[str]:
    """A line's arguments as Redis's ``sdssplitargs`` reads them; raises if Redis would refuse the file."""
    data, position, arguments = line.encode().partition(b"\0")[0], 0, []  # a C string ends at its first zero
    spaces, escapes = b" \n\r\t\v\f", {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
    while True:
        while data[position : position + 1] and data[position] in spaces:
            position += 1
        if position == len(data):
            return arguments
        word, quote = b"", b""
        while True:
            rest = data[position:]
            char = rest[:1]
            if not char:
                if quote:
                    raise ValueError("unterminated quotes")
                break
            if quote == b'"' and re.match(rb"\\x[0-9a-fA-F]{2}", rest):
                word += bytes([int(rest[2:4], 16)])
                position += 4
            elif quote == b'"' and char == b"\\" and len(rest) > 1:
                word += escapes.get(rest[1:2], rest[1:2])
                position += 2
            elif quote == b"'" and rest[:2] == b"\\'":
                word += b"'"
                position += 2
            elif quote and char == quote:
                if rest[1:2] and rest[1] not in spaces:
                    raise ValueError("closing quotes in the middle of a word")
                quote = b""
                position += 1
                break
            elif not quote and char in (b'"', b"'"):
                quote = char
                position += 1
            elif not quote and char[0] in spaces:
                break
            else:
                word += char
                position += 1
        arguments.append(word.decode())


def directives(text: str) -> list[list[str]]:
    """The directives of a redis.conf as Redis reads them: lines are trimmed, comments and empty ones dropped."""
    lines = [line.strip(" \t\r\n") for line in text.split("\n")]
    return [split_arguments(line) for line in lines if line and not line.startswith("#")]
