"""What becomes of files that were right once: values of documents and cells of tables that nobody expects."""

import json

from hypothesis import strategies as st

RAW = ("NaN", "Infinity", "1e999", "-1e400", "9" * 400, "9" * 5000, "[" * 5000 + "]" * 5000, '"\\ud800"')
"""Texts that no value of ours is written as."""


VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            1,
            2**63,
            2**64,
            -(2**70),
            1e308,
            -1e308,
            5e-324,
            0.0,
            -0.0,
            "",
            [],
            {},
            [[]],
            [None],
        ]
    ),
    st.sampled_from(["../../x", "/dev/zero", "x.py:X", "=1+1", "\x1b[31m", "\u202e", "a\x00b", "\n", "x" * 10_000]),
    st.sampled_from([{"": {}}, {"a": [{"b": 1}]}, [1, "a", None], {"1": 1e-300}]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
).map(json.dumps)


VALUE = st.one_of(VALUES, st.sampled_from(RAW))


def places(document, path=()):
    """Yield the paths of all values in a document."""
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document[:3]):
            yield from places(value, (*path, index))


def replaced(document, path, text, how):
    """Return the document as text with the value at a path replaced, left out, or there twice."""
    if not path:
        return text
    document = json.loads(json.dumps(document))
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    mark = "\x00here\x00"
    if how == "gone":
        del holder[path[-1]]
    elif how == "renamed" and isinstance(holder, dict):
        holder[mark] = holder.pop(path[-1])
        return json.dumps(document).replace(json.dumps(mark), text if text.startswith('"') else '"\\u001b[1m"')
    else:
        holder[path[-1]] = mark
    return json.dumps(document).replace(json.dumps(mark), text)


CELLS = [
    "",
    "-7",
    "=1+1",
    "nan",
    "inf",
    "1e308",
    "-1e308",
    "5e-324",
    "9" * 30,
    "0",
    "x",
    "\x1b[31m",
    "high",
    "fifo",
    "true",
]


def text(value):
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def written(columns, rows, column, row, cell, how):
    """Return such a table as CSV."""
    return "\n".join(",".join(each) for each in changed(columns, rows, column, row, cell, how)) + "\n"


def changed(columns, rows, column, row, cell, how):
    """Return a table with a cell or a column of other content, or a column or row missing or there twice."""
    columns, rows = list(columns), [list(each) for each in rows]
    if how == "cell":
        rows[row][column] = cell
    elif how == "column":
        for each in rows:
            each[column] = cell
    elif how == "without":
        for each in (columns, *rows):
            del each[column]
    elif how == "twice":
        for each in (columns, *rows):
            each.append(each[column])
    elif how == "rows":
        rows[row] = rows[(row * 7 + 1) % len(rows)]
    else:
        rows[row] = rows[row][:column]
    return [columns, *rows]
