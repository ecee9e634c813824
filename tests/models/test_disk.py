import errno

import pytest

from slmbench.models import disk


def test_disk_mb_adds_up_all_files(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1_500_000))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(bytes(500_000))
    (tmp_path / "linked").hardlink_to(tmp_path / "a")
    assert disk.disk_mb(tmp_path) == 3.5


def test_require_room_looks_at_the_disk_of_a_folder_to_come(tmp_path):
    disk.require_room(tmp_path / "not" / "yet", 1)
    with pytest.raises(disk.DiskError, match=r"yet: [\d,]+ MB free, 1,000,000,000,000 MB needed") as full:
        disk.require_room(tmp_path / "not" / "yet", 10**18)
    assert "SLMBENCH_HOME" in full.value.cure


@pytest.mark.parametrize(
    "number, message",
    [(errno.ENOSPC, "m: the disk is full"), (errno.EACCES, "m: cannot be written"), (errno.EROFS, "cannot be written")],
)
def test_explained(tmp_path, number, message):
    with pytest.raises(disk.DiskError, match=message), disk.explained(tmp_path / "m"):
        raise OSError(number, "as the system says it")


def test_other_errors_pass(tmp_path):
    with pytest.raises(IsADirectoryError), disk.explained(tmp_path):
        raise OSError(errno.EISDIR, "a directory")


def test_one_at_a_time(tmp_path):
    from filelock import FileLock, Timeout

    with disk.locked(tmp_path / "new" / "m"), pytest.raises(Timeout):
        FileLock(tmp_path / "new" / ".m.lock", timeout=0).acquire()
