#!/usr/bin/env python3
"""Where the processor time of a row of `klatch bench` goes: edge, broker and projector, by what they do.

    scripts/profile.py small-rooms                      a table, in Markdown
    scripts/profile.py idle --rounds 2 --top 15         and the functions behind it
    scripts/profile.py ingest --process edge            one process alone

Needs perf and a release build (`cargo build --release -p klatch`); without root, kernel.perf_event_paranoid at 1 or less.
"""

import argparse
import collections
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARY = Path(__file__).parent.parent / "target/release/klatch"
PROCESSES = ["edge", "broker", "projector"]
HERTZ = 499
# How long the processes of a row may take to start.
START_SECONDS = 60

# The system call above a sample in the kernel says what it is for, wherever in it the time went.
SYSTEM_CALLS = [
    ("page faults", r"exc_page_fault"),
    ("system calls: sending", r"do_writev|vfs_writev|vfs_write$|ksys_write|sys_send|sock_write_iter|tcp_sendmsg"),
    ("system calls: receiving", r"do_readv|vfs_read$|ksys_read|sys_recv|sock_read_iter|tcp_recvmsg"),
    ("system calls: disk", r"sync|pwrite|pread|sys_open|unlink|rename|mkdir|rmdir|fallocate|truncate"),
    ("waiting and waking up", r"epoll|futex|nanosleep|sched_yield|eventfd"),
]
# In user space the innermost function does.
FUNCTIONS = [
    ("allocation", r"^_?mi_|malloc|^_?free$|mallocgc|mspan|mcache|runtime\.(scanobject|gc|grey|sweep|memclr)"),
    ("copying", r"mem(move|cpy|cmp|set)|memeqbody"),
    ("JSON", r"serde_json|encoding/json"),
    ("NATS client", r"async_nats"),
    ("tasks, timers, wake-ups", r"tokio|parking_lot|futures_|runtime\.(schedule|findRunnable|park|ready|lock|unlock|select|chan|mcall|casg|procyield)"),
    ("sled", r"sled"),
    ("Klatch", r"klatch_"),
    ("nats-server", r"nats-io/nats-server"),
]


def what(frames):
    """What a sample was for: the innermost frame first."""
    symbols = [symbol for symbol, _ in frames]
    if frames[0][1] == "[kernel.kallsyms]":
        kernel = [symbol for symbol, where in frames if where == "[kernel.kallsyms]"]
        for name, pattern in SYSTEM_CALLS:
            if any(re.search(pattern, symbol) for symbol in kernel):
                return name
        return "kernel, other"
    for name, pattern in FUNCTIONS:
        if re.search(pattern, symbols[0]):
            return name
    return "other"


def samples(recording):
    """Each sample's process and frames."""
    script = ["perf", "script", "-i", recording, "-F", "pid,ip,sym,dso"]
    text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        frames = [re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line) for line in lines[1:]]
        frames = [(match[1], match[2]) for match in frames if match]
        if frames:
            yield int(lines[0].split()[0]), frames


def running(bench):
    """The processes that the bench started, by name, once all are there."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and bench.poll() is None:
        found = {}
        for pid in subprocess.run(["pgrep", "-P", str(bench.pid)], capture_output=True, text=True).stdout.split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            name = "broker" if "nats-server" in command[0] else command[1] if len(command) > 1 else ""
            if name in PROCESSES:
                found[name] = int(pid)
        if len(found) == len(PROCESSES):
            return found
        time.sleep(0.05)
    sys.exit("the bench has not started edge, broker and projector")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", help="a row of `klatch bench --list`")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the row (3)")
    parser.add_argument("--process", choices=PROCESSES, help="one of them alone")
    parser.add_argument("--top", type=int, default=0, help="so many functions of each process, too")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        recording = f"{folder}/perf.data"
        command = [BINARY, "bench", options.row, "--rounds", str(options.rounds)]
        bench = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        pids = running(bench)
        pids = {name: pid for name, pid in pids.items() if options.process in (None, name)}
        record = ["perf", "record", "-q", "-F", str(HERTZ), "-g", "-o", recording, "-p", ",".join(map(str, pids.values()))]
        recorder = subprocess.Popen(record, stderr=subprocess.DEVNULL)
        if bench.wait() != 0:
            recorder.terminate()
            sys.exit("the bench failed")
        recorder.wait()
        names = {pid: name for name, pid in pids.items()}
        parts = {name: collections.Counter() for name in pids}
        tops = {name: collections.Counter() for name in pids}
        for pid, frames in samples(recording):
            if pid in names:
                parts[names[pid]][what(frames)] += 1
                tops[names[pid]][frames[0][0]] += 1

    total = sum(count for counter in parts.values() for count in counter.values())
    if total == 0:
        sys.exit("perf saw nothing")
    print(f"| {options.row}: {total} samples | " + " | ".join(parts) + " |")
    print("|---|" + "---:|" * len(parts))
    every = sum(parts.values(), collections.Counter())
    for part, _ in every.most_common():
        print(f"| {part} | " + " | ".join(f"{100 * counter[part] / total:.1f} %" for counter in parts.values()) + " |")
    print("| **all** | " + " | ".join(f"{100 * counter.total() / total:.1f} %" for counter in parts.values()) + " |")
    for name, counter in tops.items():
        for function, count in counter.most_common(options.top):
            print(f"{name:>9}  {100 * count / total:5.1f} %  {function[:120]}")


if __name__ == "__main__":
    main()
