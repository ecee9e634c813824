"""Energy and GPU memory. The counters are made-up files and a made-up driver: this machine has neither."""

from types import SimpleNamespace

from slmbench import power


class Driver(SimpleNamespace):
    """Stands in for pynvml: its functions that are called, with made-up numbers."""

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetCount(self):
        return len(self.mj)

    def nvmlDeviceGetHandleByIndex(self, i):
        return i

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        if self.mj[gpu] is None:
            raise self.NVMLError("not supported")
        self.mj[gpu] += 1500
        return self.mj[gpu]

    def nvmlDeviceGetComputeRunningProcesses(self, gpu):
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.running[gpu]]


def zone(root, name, label, uj, most=262_143_328_850):
    folder = root / name
    folder.mkdir(parents=True)
    for file, value in (("name", label), ("energy_uj", uj), ("max_energy_range_uj", most)):
        (folder / file).write_text(f"{value}\n", encoding="ascii")
    return folder / "energy_uj"


def test_packages_and_their_memory_are_added_and_cores_left_out(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 5)
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 0)
    meter = power.Meter(tmp_path)
    package.write_text("4500000\n", encoding="ascii")
    memory.write_text("250000\n", encoding="ascii")
    used = meter.used()
    assert (used.energy_j, used.method) == (3.75, "RAPL package + dram") and used.seconds > 0


def test_a_counter_that_begins_again_is_followed(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, most=9_999_999)
    meter = power.Meter(tmp_path)
    package.write_text("500000\n", encoding="ascii")
    assert meter.used().energy_j == 1.5


def test_the_whole_machine_is_taken_where_it_is_counted(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    zone(tmp_path, "intel-rapl:1", "psys", 1)
    assert power.Meter(tmp_path).used().method == "RAPL psys"


def test_where_nothing_is_counted_nothing_is_made_up(tmp_path):
    (tmp_path / "intel-rapl:0").mkdir()
    used = power.Meter(tmp_path).used()
    assert (used.energy_j, used.method) == (None, "")


def test_a_gpus_energy_is_added_and_named(tmp_path):
    assert power.Meter(tmp_path, Driver(mj=[1000, 2000])).used()[:2] == (3.0, "NVML (the GPU alone)")
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    assert power.Meter(tmp_path, Driver(mj=[0])).used()[:2] == (1.5, "RAPL package + NVML")
    assert power.Meter(tmp_path, Driver(mj=[None])).used().method == "RAPL package"  # older than Volta


def test_gpu_memory_is_that_of_the_processes_asked_for():
    driver = Driver(mj=[0, 0], running=[[(7, 500_000_000), (8, 1)], [(7, None)]])
    assert power.gpu_memory_mb({7}, driver) == 500.0
    assert power.gpu_memory_mb({7}, None) is None
