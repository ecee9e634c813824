"""The recording itself: what strace writes is read rightly, and a command that does leave the machine is caught."""

import subprocess
import sys

import pytest
import recorded
from recorded import Call, foreign, parse

# made up after strace 6.1's output with -f -s 0
RECORD = """\
101 bind(3, {sa_family=AF_INET, sin_port=htons(5273), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
101 sendto(5, ""..., 135, MSG_NOSIGNAL, NULL, 0) = 135
102 connect(4, {sa_family=AF_INET, sin_port=htons(5273), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS (Opera)
103 connect(5, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110 <unfinished ...>
102 connect(6, {sa_family=AF_UNIX, sun_path=@"other"}, 8) = 0
103 <... connect resumed>) = -1 ENOENT (No such file or directory)
103 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.53")}, 16) = 0
103 sendmmsg(5, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, \
msg_namelen=16, msg_iov=[{iov_base=""..., iov_len=30}]}, msg_len=30}, {msg_hdr={msg_name={sa_family=AF_INET6, \
sin6_port=htons(53), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, msg_namelen=28}}], 2, 0) = 2
104 sendto(3, ""..., 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20
104 connect(3, {sa_family=AF_UNSPEC, sa_data="\\0"}, 16) = 0
104 connect(7, 0x7ffd0, 16) = -1 EFAULT (Bad address)
104 +++ exited with 0 +++
"""


def test_each_address_of_a_record_is_a_call():
    assert parse(RECORD) == [
        Call("bind", "INET", "127.0.0.1", 5273, "0"),
        Call("connect", "INET", "127.0.0.1", 5273, "-1 EINPROGRESS"),
        Call("connect", "UNIX", "/run/nscd/socket", None, "-1 ENOENT"),
        Call("connect", "UNIX", "@other", None, "0"),
        Call("connect", "INET", "192.0.2.53", 53, "0"),
        Call("sendmmsg", "INET", "192.0.2.1", 53, "2"),
        Call("sendmmsg", "INET6", "2001:db8::1", 53, "2"),
        Call("sendto", "NETLINK", result="20"),
        Call("connect", "UNSPEC", result="0"),
    ]


def test_what_left_the_machine_is_named_once():
    found = foreign(parse(RECORD + RECORD))
    assert [line.split(":")[0] for line in found] == ["asks another program"] + ["leaves this machine"] * 3
    assert "connect INET 192.0.2.53 port 53 = 0" in found[1]


FOREIGN = {
    "another machine": (Call("connect", "INET", "192.0.2.1", 443), "leaves this machine"),
    "sent without a connection": (Call("sendto", "INET", "198.51.100.7", 9), "leaves this machine"),
    "every address": (Call("connect", "INET", "0.0.0.0", 80), "leaves this machine"),
    "IPv6": (Call("connect", "INET6", "2001:db8::1", 443), "leaves this machine"),
    "IPv4 in IPv6": (Call("connect", "INET6", "::ffff:192.0.2.1", 443), "leaves this machine"),
    "a broadcast": (Call("sendto", "INET", "255.255.255.255", 1900), "leaves this machine"),
    "names, of a resolver here": (Call("connect", "INET", "127.0.0.53", 53), "asks for a name"),
    "names, over TLS": (Call("connect", "INET6", "::1", 853), "asks for a name"),
    "names, of a daemon": (Call("connect", "UNIX", "/run/systemd/resolve/io.systemd.Resolve"), "asks another program"),
    "a name cache that answers": (Call("connect", "UNIX", "/var/run/nscd/socket", None, "0"), "asks another program"),
    "a program nobody has explained": (Call("connect", "UNIX", "/tmp/x", None, "-1 ENOENT"), "asks another program"),
    "listening everywhere": (Call("bind", "INET", "0.0.0.0", 8888), "listens to the network"),
    "listening everywhere, IPv6": (Call("bind", "INET6", "::", 0), "listens to the network"),
    "an address that is none": (Call("connect", "INET", "", 80), "leaves this machine"),
    "raw packets": (Call("bind", "PACKET"), "is of a kind"),
    "a virtual machine's host": (Call("connect", "VSOCK"), "is of a kind"),
}


@pytest.mark.parametrize(("call", "why"), FOREIGN.values(), ids=FOREIGN)
def test_what_a_run_must_not_do(call, why):
    [found] = foreign([call])
    assert found.startswith(why)


LOCAL = {
    "this machine": Call("connect", "INET", "127.0.0.1", 5273),
    "all of 127": Call("connect", "INET", "127.1.2.3", 80),
    "IPv6": Call("connect", "INET6", "::1", 80),
    "IPv4 in IPv6": Call("connect", "INET6", "::ffff:127.0.0.1", 80),
    "listening here": Call("bind", "INET", "127.0.0.1", 0),
    "the kernel": Call("sendto", "NETLINK"),
    "an address taken away": Call("connect", "UNSPEC"),
    "a name cache that is not there": Call("connect", "UNIX", "/var/run/nscd/socket", None, "-1 ENOENT"),
}


@pytest.mark.parametrize("call", LOCAL.values(), ids=LOCAL)
def test_what_a_run_may_do(call):
    assert foreign([call]) == []


LEAVES = """
import socket
# sends nothing: it only names the address, also where there is no way to it
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect_ex(("192.0.2.1", 9))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("0.0.0.0", 0))
"""
IN_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], start_new_session=True)"


@pytest.mark.strace
def test_a_command_that_calls_another_machine_is_caught_also_in_a_child_of_its_own_session(tmp_path):
    done, calls = recorded.recorded([sys.executable, "-c", IN_A_CHILD, LEAVES], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(":")[0] for line in foreign(calls)] == ["leaves this machine", "listens to the network"]


ASKS = """
import socket
for ask in (lambda: socket.create_connection(("192.0.2.1", 80), 1), lambda: socket.getaddrinfo("example.invalid", 80)):
    try:
        ask()
    except OSError:
        pass
"""


@pytest.mark.strace
@pytest.mark.root
def test_a_connection_and_a_lookup_are_caught_where_there_is_no_network(tmp_path):
    """In a network namespace of its own, in which nothing can be sent."""
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs leave for a network namespace")
    _, calls = recorded.recorded([*alone, sys.executable, "-c", ASKS], tmp_path)
    found = foreign(calls)
    assert any("192.0.2.1 port 80" in line for line in found)
    assert any("port 53" in line or "Resolve" in line for line in found)
