"""`python -m tests.screens`: takes the screens, and writes the page if they are other than there.

Another night's seconds and pids are no reason to write it.
"""

from __future__ import annotations

from tests.screens import page
from tests.screens.stage import staged

with staged() as shown:
    taken = {command: shown(command) for command in page.SCREENS}
before = page.read(page.PAGE.read_text(encoding="utf-8")) if page.PAGE.exists() else {}
text = page.write(taken)
same = {c: page.normal(c, s) for c, s in before.items()} == {
    c: page.normal(c, s) for c, s in taken.items()
}
if same and page.write(before) == page.PAGE.read_text(encoding="utf-8"):
    print("docs/screens.md shows what there is")
else:
    page.PAGE.write_text(text, encoding="utf-8")
    print("docs/screens.md is written anew")
