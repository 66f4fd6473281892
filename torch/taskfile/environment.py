"""Names of environment variables that may not be set for another user's task.

Sources: glibc's unsecvars.h, bash(1), sudo's env_delete. Root's part of the exec chain still
runs with the task's environment, so such a name would make it load the user's code as root.
Held against `env` when the file is read, and against `env_file` at each start.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    r"LD_.*|BASH_ENV|BASH_FUNC_.*|BASHOPTS|ENV|IFS|SHELLOPTS|PS4|CDPATH|PROMPT_COMMAND"
    r"|PYTHON(PATH|HOME|STARTUP|INSPECT|USERBASE)|PERL5?(LIB|OPT|DB)|RUBY(LIB|OPT)"
    r"|NODE_(OPTIONS|PATH)|JAVA_TOOL_OPTIONS|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES"
    r"|LOCALDOMAIN|LOCPATH|MALLOC_.*|NIS_PATH|NLSPATH|RES_OPTIONS|RESOLV_HOST_CONF|TZDIR"
)


def loads_foreign_code(name: str) -> bool:
    """Whether a program may load code, or misread its input, because of this variable."""
    return _UNSAFE.fullmatch(name) is not None
