"""Runs a program under a seccomp profile of a container, as the engine would: under_seccomp.py PROFILE PROGRAM ARGUMENTS...

The rules are given to libseccomp, which makes the kernel's filter of them. Exit code 75: it is not installed.
"""
import ctypes
import json
import os
import sys

# scmp_compare and actions of <seccomp.h>.
COMPARISONS = {
    "SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7,
}
UNKNOWN_SYSTEM_CALL = -1


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("first", ctypes.c_uint64), ("second", ctypes.c_uint64)]


def action(name, errno):
    allow, fail = 0x7FFF0000, 0x00050000
    return ctypes.c_uint32({"SCMP_ACT_ALLOW": allow, "SCMP_ACT_ERRNO": fail | errno}[name])


def load(profile):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(action(profile["defaultAction"], profile["defaultErrnoRet"])))
    for rule in profile["syscalls"]:
        # A masked comparison has its mask first, then the value.
        comparisons = [
            Comparison(given["index"], COMPARISONS[given["op"]], given["value"], given.get("valueTwo", 0))
            for given in rule.get("args", [])
        ]
        array = (Comparison * len(comparisons))(*comparisons)
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            # A call that is newer than the library is one more that is refused.
            if number != UNKNOWN_SYSTEM_CALL:
                what = action(rule["action"], rule.get("errnoRet", 0))
                failed = library.seccomp_rule_add_array(rules, what, number, len(comparisons), array)
                assert failed == 0, (name, failed)
    assert library.seccomp_load(rules) == 0


try:
    with open(sys.argv[1]) as file:
        load(json.load(file))
except OSError as error:
    print(error, file=sys.stderr)
    sys.exit(75)
os.execv(sys.argv[2], sys.argv[2:])
