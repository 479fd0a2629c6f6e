"""Memory that was let go is the system's again."""

from stratsim import limits


def test_arrow_and_the_c_library_are_asked_where_they_are_there(monkeypatch):
    asked = []

    class Pool:
        """An allocator that says that it was asked."""

        def release_unused(self):
            asked.append("arrow")

    class Arrow:
        """As much of pyarrow as is needed."""

        default_memory_pool = Pool

    class Library:
        """A C library."""

        def __init__(self, _):
            self.malloc_trim = lambda _: asked.append("libc")

    monkeypatch.setitem(limits.sys.modules, "pyarrow", Arrow)
    monkeypatch.setattr(limits.sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", Library)
    limits.give_back()
    assert asked == ["arrow", "libc"]


def test_where_neither_is_nothing_happens(monkeypatch):
    monkeypatch.delitem(limits.sys.modules, "pyarrow", raising=False)
    monkeypatch.setattr(limits.sys, "platform", "other")
    limits.give_back()
