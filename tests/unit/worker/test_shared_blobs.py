"""Blobs that processes share: each is fetched once, and whatever goes wrong, the right bytes come."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowq.codec import content_hash
from flowq.worker import shared_blobs
from flowq.worker.shared_blobs import SharedBlobs

SIZE_BYTES = 1024 * 1024
CHANCE = random.Random(7)


def blob(size_bytes: int = 100_000) -> bytes:
    return CHANCE.randbytes(size_bytes)


def never() -> bytes:
    raise AssertionError("it was fetched although it is there")


@pytest.fixture
def fd() -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


@pytest.fixture
def shared(fd: int) -> SharedBlobs:
    return SharedBlobs(fd, SIZE_BYTES)


class Pipe:
    """A word from one process to another."""

    def __init__(self) -> None:
        self.ends = os.pipe()

    def tell(self) -> None:
        os.write(self.ends[1], b"!")

    def hear(self) -> None:
        assert os.read(self.ends[0], 1) == b"!"


def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for end in made.ends:
        os.close(end)


said, go = pytest.fixture(pipe, name="said"), pytest.fixture(pipe, name="go")


def kept(shared: SharedBlobs, one: bytes) -> bytes:
    """Have *one* kept there; its name is its hash."""
    assert shared.get(content_hash(one), lambda: one) == one
    return one


def child(work: Callable[[], object]) -> int:
    """A process forked from this one, as the pool's are, that does *work*; its pid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other tests' threads, from Python 3.12 on
        pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(pid: int) -> int:
    """The status with which a child ended; minus the signal's number if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_one_process_has_fetched_another_reads(shared: SharedBlobs) -> None:
    one = blob()
    assert ended(child(lambda: kept(shared, one))) == 0
    assert shared.get(content_hash(one), never) == one


def test_blobs_from_four_kilobytes_up_to_the_files_size_are_kept(shared: SharedBlobs) -> None:
    small = kept(shared, blob(shared_blobs.KEPT_FROM_BYTES - 1))
    with pytest.raises(AssertionError, match="it was fetched"):
        shared.get(content_hash(small), never)
    for size_bytes in (shared_blobs.KEPT_FROM_BYTES, 100_000, SIZE_BYTES):
        one = kept(shared, blob(size_bytes))
        assert shared.get(content_hash(one), never) == one
    larger = blob(SIZE_BYTES + 1)
    assert shared.get(content_hash(larger), lambda: larger) == larger
    assert shared.get(content_hash(one), never) == one


def test_what_cannot_be_fetched_raises_and_the_next_one_tries_again(shared: SharedBlobs) -> None:
    one = blob()

    def lost() -> bytes:
        raise KeyError("lost")

    for _ in range(2):
        with pytest.raises(KeyError, match="lost"):
            shared.get(content_hash(one), lost)
    kept(shared, one)


def test_a_name_that_is_no_hash_is_left_to_redis(shared: SharedBlobs) -> None:
    for name in ("", "short", "é" * 32, "x" * 33):
        assert shared.get(name, lambda: b"as it is") == b"as it is"


def test_the_oldest_go_first_and_the_file_grows_no_further(shared: SharedBlobs, fd: int) -> None:
    blobs = [kept(shared, blob()) for _ in range(100)]
    assert os.fstat(fd).st_size <= SIZE_BYTES
    for one in blobs[-9:]:
        assert shared.get(content_hash(one), never) == one
    fetched = []
    shared.get(content_hash(blobs[0]), lambda: fetched.append(True) or blobs[0])  # type: ignore[func-returns-value]
    assert fetched == [True]


def test_more_blobs_than_there_are_entries_are_right_whether_they_are_still_known_or_not(
    shared: SharedBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_blobs, "KEPT_FROM_BYTES", 1)
    blobs = [kept(shared, blob(40)) for _ in range(3 * shared_blobs.ROWS * shared_blobs.ENTRIES_A_ROW)]
    for one in blobs:
        kept(shared, one)


@pytest.mark.parametrize(
    "harm",
    [
        lambda fd: os.pwrite(fd, b"another byte", 50_000),
        lambda fd: os.ftruncate(fd, 50_000),
        lambda fd: os.ftruncate(fd, 0),
    ],
    ids=["corrupted", "cut short", "emptied"],
)
def test_a_damaged_file_costs_a_download(shared: SharedBlobs, fd: int, harm: Callable[[int], object]) -> None:
    one = kept(shared, blob())
    harm(fd)
    kept(shared, one)
    assert shared.get(content_hash(one), never) == one


def test_a_file_that_cannot_be_read_or_written_costs_downloads(tmp_path: Path) -> None:
    for flags in (os.O_WRONLY, os.O_RDONLY):
        fd = os.open(tmp_path / "file", flags | os.O_CREAT)
        shared = SharedBlobs(fd, SIZE_BYTES)
        one = blob()
        kept(shared, one)
        kept(shared, one)
        os.close(fd)
        kept(shared, one)


def test_a_full_disk_costs_downloads(shared: SharedBlobs, fd: int) -> None:
    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        for _ in range(2):
            for one in blobs:
                kept(shared, one)
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            os.pwrite(fd, b"one more", 150_000)

    blobs = [blob() for _ in range(5)]
    assert ended(child(fill)) == 0
    assert shared.get(content_hash(blobs[0]), never) == blobs[0]
    for one in blobs:
        kept(shared, one)


def test_an_items_own_file_under_the_same_number_is_never_written(shared: SharedBlobs, fd: int, tmp_path: Path) -> None:
    def close_and_open() -> None:
        os.close(fd)
        theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
        assert theirs == fd or os.dup2(theirs, fd) == fd
        kept(shared, blob())

    assert ended(child(close_and_open)) == 0
    assert (tmp_path / "theirs").read_bytes() == b""


def test_of_processes_that_want_the_same_at_once_one_fetches_it(shared: SharedBlobs, said: Pipe, go: Pipe) -> None:
    one = blob()

    def fetch() -> bytes:
        said.tell()
        go.hear()
        return one

    def get() -> None:
        assert shared.get(content_hash(one), fetch) == one

    def get_too() -> None:
        said.tell()
        assert shared.get(content_hash(one), never) == one

    pids = [child(get)]
    said.hear()
    pids += [child(get_too) for _ in range(3)]
    for _ in range(3):
        said.hear()
    go.tell()
    assert [ended(pid) for pid in pids] == [0] * 4


def test_of_threads_that_want_the_same_at_once_one_fetches_it(shared: SharedBlobs) -> None:
    one = blob()
    fetched, got, first, rest = [], [], threading.Event(), threading.Event()

    def fetch() -> bytes:
        fetched.append(threading.get_ident())
        first.set()
        assert rest.wait(30)
        return one

    def get() -> None:
        got.append(shared.get(content_hash(one), fetch))

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert first.wait(30)
    rest.set()
    for thread in threads:
        thread.join(30)
    assert (got, len(fetched)) == ([one] * 4, 1)


def test_a_process_killed_as_it_fetches_lets_the_next_one_fetch_at_once(shared: SharedBlobs) -> None:
    one = blob()
    pid = child(lambda: shared.get(content_hash(one), lambda: os.kill(os.getpid(), signal.SIGKILL) or b""))  # type: ignore[func-returns-value]
    assert ended(pid) == -signal.SIGKILL
    began = time.monotonic()
    kept(shared, one)
    assert time.monotonic() - began < shared_blobs.FETCH_WAIT_S / 2
    assert shared.get(content_hash(one), never) == one


def test_who_has_waited_long_enough_for_a_stuck_process_fetches_it_too(
    shared: SharedBlobs, said: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = blob()

    def stuck() -> bytes:
        said.tell()
        signal.pause()
        return b""

    pid = child(lambda: shared.get(content_hash(one), stuck))
    said.hear()
    monkeypatch.setattr(shared_blobs, "FETCH_WAIT_S", 0.05)
    kept(shared, one)
    assert shared.get(content_hash(one), never) == one
    os.kill(pid, signal.SIGKILL)
    ended(pid)


def test_processes_that_write_round_and_round_at_once_read_nothing_wrong(shared: SharedBlobs) -> None:
    """Twice as much as the file holds, so that what one reads is written over by others."""
    blobs = [blob(70_000) for _ in range(30)]

    def churn() -> None:
        chance = random.Random(os.getpid())
        for _ in range(300):
            kept(shared, chance.choice(blobs))

    def for_ever() -> None:
        for _ in range(1000):
            churn()

    pids = [child(churn) for _ in range(3)]
    killed = child(for_ever)
    assert [ended(pid) for pid in pids] == [0] * 3
    os.kill(killed, signal.SIGKILL)
    ended(killed)
    churn()


def test_the_file_has_no_name_so_that_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = SharedBlobs.open(SIZE_BYTES)
    assert shared is not None
    one = kept(shared, blob())
    assert shared.get(content_hash(one), never) == one
    assert list(tmp_path.iterdir()) == []
    status = os.fstat(shared.fd)
    assert (status.st_nlink, status.st_mode & 0o077, os.get_inheritable(shared.fd)) == (0, 0, False)
    os.close(shared.fd)


def test_without_a_folder_for_temporary_files_nothing_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert SharedBlobs.open(SIZE_BYTES) is None
