"""What is refused: every text with the field it blames and the words it says."""

from __future__ import annotations

import re

import pytest

from torch.errors import ExitCode, ExpressionError
from torch.schedule.expression import Expression

# text, field, words that stand in the message, words that stand in the hint
REFUSED = [
    # out of range: the field, the value, the allowed range
    ("60 * * * * *", "second", "second '60' is out of range; allowed is 0-59", ""),
    ("* 60 * * * *", "minute", "minute '60' is out of range; allowed is 0-59", ""),
    ("0 0 24 * * *", "hour", "hour '24' is out of range; allowed is 0-23", ""),
    ("0 0 0 0 * *", "day", "day '0' is out of range; allowed is 1-31", ""),
    ("0 0 0 32 * *", "day", "day '32' is out of range; allowed is 1-31", ""),
    ("0 0 0 * 13 *", "month", "month '13' is out of range; allowed is 1-12 or jan-dec", ""),
    ("0 0 0 * * 8", "weekday", "weekday '8' is out of range; allowed is 0-7 or sun-sat", ""),
    ("0 0-60 * * * *", "minute", "minute '0-60': '60' is out of range", ""),
    ("9" * 900 + " * * * * *", "second", "is out of range", ""),
    ("*/" + "9" * 900 + "x * * * *", "minute", "is not a whole number", ""),
    ("0" * 900 + "60 * * * *", "minute", "is out of range", ""),
    # ranges and steps
    ("5-1 * * * * *", "second", "'5-1' runs backwards", "5-59,0-1"),
    ("0 22-5 * * *", "hour", "'22-5' runs backwards", "22-23,0-5"),
    ("0 0 * * fri-mon", "weekday", "'fri-mon' runs backwards", "fri-7,0-mon"),
    ("0 0 * * 5-0", "weekday", "'5-0' runs backwards", "Sunday at the end of a range is 7"),
    ("-5 * * * * *", "second", "'-5' lacks a value", ""),
    ("5- * * * * *", "second", "'5-' lacks a value", ""),
    ("1-5-9 * * * * *", "second", "two dashes", ""),
    ("*/ * * * * *", "second", "lacks a step", "*/5"),
    ("/5 * * * * *", "second", "nothing before '/'", "*/5"),
    ("*/0 * * * * *", "second", "a step of 0", ""),
    ("*/00 * * * * *", "second", "a step of 0", ""),
    ("*/-5 * * * * *", "second", "'-5' is not a whole number", ""),
    ("1/2/3 * * * * *", "second", "'2/3' is not a whole number", ""),
    ("** * * * * *", "second", "joins a star", ""),
    ("*5 * * * * *", "second", "joins a star", ""),
    ("*-5 * * * * *", "second", "joins a star", ""),
    ("5* * * * * *", "second", "joins a star", ""),
    ("1,,2 * * * * *", "second", "an empty place", ""),
    (", * * * * *", "second", "an empty place", ""),
    # what int() would take for a number
    ("1.5 * * * * *", "second", "'1.5' is not a whole number", ""),
    ("1_0 * * * * *", "second", "'1_0' is not a whole number", ""),
    ("+5 * * * * *", "second", "'+5' is not a whole number", ""),
    ("0x5 * * * * *", "second", "'0x5' is not a whole number", ""),
    ("٣ * * * * *", "second", "U+0663", ""),
    ("²  * * * * *", "second", "U+00B2", ""),
    ("* * ５ * * *", "hour", "U+FF15", ""),
    ("*\t*\u2003* * * *", "", "U+2003", "spaces and tabs"),
    ("* * * *\u00a0* *", "", "U+00A0", "spaces and tabs"),
    ("* * * * * *\n* * * * * *", "", "U+000A", "one line"),
    ("* * * * *\n", "", "U+000A", "one line"),
    ("* * * * *\x00", "", "U+0000", ""),
    # names
    ("0 0 * * monday", "weekday", "'monday' is not a name", "did you mean mon?"),
    ("0 0 * * frj", "weekday", "'frj' is not a name", "did you mean fri?"),
    ("0 0 * sept *", "month", "'sept' is not a name", "did you mean sep?"),
    ("0 0 * mon *", "month", "'mon' is not a name", "mon is a weekday"),
    ("0 0 * * jan", "weekday", "'jan' is not a name", "jan is a month"),
    ("0 0 * * Mon-", "weekday", "'Mon-' lacks a value", ""),
    ("0 mon * * *", "hour", "'mon' is not a whole number", ""),
    # days that depend on the month
    ("0 0 * * 5#6", "weekday", "'5#6': '6' is out of range; allowed is 1-5", ""),
    ("0 0 * * 5#0", "weekday", "'5#0': '0' is out of range; allowed is 1-5", ""),
    ("0 0 * * 5#", "weekday", "'5#' lacks its number", "5#2 is the second Friday"),
    ("0 0 * * #2", "weekday", "'#2' lacks its weekday", "5#2 is the second Friday"),
    ("0 0 * * 9L", "weekday", "'9L': '9' is out of range", ""),
    ("0 0 * * L", "weekday", "which weekday's last", "5L"),
    ("0 0 L-31 * *", "day", "'L-31': '31' is out of range; allowed is 1-30", ""),
    ("0 0 L-0 * *", "day", "'L-0': '0' is out of range", ""),
    ("0 0 32W * *", "day", "'32W': '32' is out of range", ""),
    ("0 0 W * *", "day", "'W' lacks its day", "15W is the weekday nearest to the 15th"),
    ("0 0 1-15W * *", "day", "is a range of L, W or #", "15W,16W"),
    ("0 0 15W-18W * *", "day", "is a range of L, W or #", "write each: 15W,16W,17W,18W"),
    ("0 0 1W-20W * *", "day", "is a range of L, W or #", "write a list"),
    ("0 0 15W-L * *", "day", "is a range of L, W or #", "write a list"),
    ("0 0 LW-3 * *", "day", "is a range of L, W or #", "write a list"),
    ("0 0 L-W * *", "day", "is not how the last weekday is written", "write LW"),
    ("0 0 WL * *", "day", "is not how the last weekday is written", "write LW"),
    ("0 0 W15 * *", "day", "has W before its day", "write 15W"),
    ("0 0 L5 * *", "day", "has L before a number", "5 days before the last one is L-5"),
    ("0 0 L-3-5 * *", "day", "two dashes", ""),
    ("0 0 * * 5#2-5#3", "weekday", "is a range of L, W or #", "write each: 5#2,5#3"),
    ("0 0 * * fri#2-fri#4", "weekday", "is a range of L", "write each: fri#2,fri#3,fri#4"),
    ("0 0 * * 5L-6L", "weekday", "is a range of L, W or #", "write each: 5L,6L"),
    ("0 0 * * L5", "weekday", "has L before its weekday", "is 5L"),
    ("0 0 * * L-3", "weekday", "holds L without a weekday", "L-3, LW and 15W stand in day"),
    ("0 0 * * 15W", "weekday", "holds W, which is not a weekday", "stand in day"),
    ("0 0 * * LW", "weekday", "holds W, which is not a weekday", "stand in day"),
    ("0 0 * * 5#2/2", "weekday", "has a step, which L, W and # cannot have", ""),
    ("0 0 15W-18W/2 * *", "day", "has a step, which L, W and # cannot have", "15W,16W,17W,18W"),
    ("0 0 * L *", "month", "'L' is not a name", "stand in day"),
    ("0 0 L/2 * *", "day", "has a step, which L, W and # cannot have", ""),
    ("0 0 5L * *", "day", "is not a whole number", "in weekday"),
    ("0 L * * *", "hour", "is not a whole number", "in day"),
    ("0 5#2 * * *", "hour", "is not a whole number", "in weekday"),
    ("? * * * *", "minute", "'?'", "write *"),
    ("0 0 ?/2 * *", "day", "'?'", "write *"),
    ("0 0 1,? * *", "day", "'?'", "write *"),
    # what other crons have
    ("0~30 * * * *", "minute", "'~', a random value in cronie and OpenBSD", "write H(0-30)"),
    ("~ * * * *", "minute", "'~', a random value", "write H"),
    ("0~30/5 * * * *", "minute", "'~', a random value", "write H(0-30)/5"),
    ("0 ~5 * * *", "hour", "'~', a random value", "write H(0-5)"),
    ("0 5~ * * *", "hour", "'~', a random value", "write H(5-23)"),
    ("0 0 * * mon~fri", "weekday", "'~', a random value", "write H(mon-fri)"),
    ("30~10 * * * *", "minute", "'~', a random value", "H(A-B)"),
    ("0 0 L~3 * *", "day", "'~', a random value", "H(A-B)"),
    # H
    ("H 3 * * *", "minute", "needs a name", "name="),
    ("H(0-70) 3 * * *", "minute", "'70' is out of range", ""),
    ("H(9-3) 3 * * *", "minute", "runs backwards", ""),
    ("H(5) 3 * * *", "minute", "lacks a range", "H(0-59)"),
    ("H(1-5 3 * * *", "minute", "'h(1' is not a whole number", ""),
    ("H/0 3 * * *", "minute", "a step of 0", ""),
    # the whole text
    ("", "", "is empty", "second minute hour day month weekday"),
    (" \t ", "", "is empty", ""),
    ("*", "", "1 field;", "second minute hour day month weekday"),
    ("12:30:45", "", "1 field;", ""),
    ("* * * *", "", "4 fields; an expression has 5 or 6", "five begin at the minute"),
    ("0 0 0 1 1 * 2030", "", "7 fields (a year is not supported)", ""),
    ("* * * * * * * *", "", "8 fields", ""),
    ("1," * 50_000 + "1 * * * * *", "", "longer than 1024 bytes", "split"),
    ("ä" * 600, "", "longer than 1024 bytes", ""),
    # macros
    ("@fortnightly", "", "unknown macro '@fortnightly'", ""),
    ("@dayly", "", "unknown macro '@dayly'", "did you mean @daily?"),
    ("@", "", "unknown macro '@'", "@hourly"),
    ("@daily 5", "", "@daily stands alone", ""),
    ("@every", "", "not a duration", "90s"),
    ("@every 5", "", "'5' is not a duration", "90s"),
    ("@every 500ms", "", "'500ms' is not a duration in whole seconds", ""),
    ("@every 1.5h", "", "is not a duration", ""),
    ("@every 30s 5m", "", "is not a duration", ""),
    ("@every 5m1h", "", "is not a duration", ""),
    ("@every 0s", "", "out of range; allowed is 1s to 366d", ""),
    ("@every 367d", "", "out of range", ""),
    ("@every " + "9" * 500 + "d", "", "@every", ""),
    # can never fire
    ("0 0 0 30 2 *", "day", "can never fire: month '2' has no day '30'", "February"),
    ("0 0 30 feb ?", "day", "can never fire", ""),
    ("0 0 0 31 4,6,9,11 *", "day", "can never fire", ""),
    ("0 0 31W 2 *", "day", "can never fire", ""),
    ("0 0 L-29 2 *", "day", "can never fire", ""),
    ("0 0 */20 * 1L", "day", "no day '*/20' that is also weekday '1L'", "begins with *"),
    ("0 0 */15 2 5#2", "day", "can never fire", ""),
]


@pytest.mark.parametrize(
    ("text", "field", "words", "hint"), REFUSED, ids=[repr(case[0][:40]) for case in REFUSED]
)
def test_what_cannot_be_is_refused_with_its_field_and_the_reason(text, field, words, hint):
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    assert caught.value.field == field
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == ExitCode.TASK_FILE
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "/etc/passwd", "../UTC", "Europe", "Europe/Berlin\0", "x" * 5000]
)
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(ExpressionError, match="not a time zone") as caught:
        Expression.parse("0 3 * * *", timezone=zone)
    assert caught.value.field == "timezone"


@pytest.mark.parametrize(
    "text",
    [
        "0 0 29 2 *",
        "0 0 29W 2 *",
        "0 0 L-28 2 *",
        "0 0 30 2 1",  # either matches: Mondays in February
        "0 0 * 2 5#5",
        "0 0 31 */2 *",
        "0 0 1 * */7",
        "0 0 */31 * *",
        "*/100 * * * *",
        "00 007 * * *",
        " 0\t0  * * * ",
        "0 0 * * sat-sun",
        "0 0 * * 5-7",
        "@EVERY 1h30m",
    ],
)
def test_what_is_rare_or_odd_but_can_fire_is_accepted(text):
    assert Expression.parse(text).next_epoch(0) is not None


@pytest.mark.parametrize("case", [case for case in REFUSED if "write" in case[3]], ids=str)
def test_what_a_refusal_says_to_write_can_be_read(case):
    text, field, _, _ = case
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text, name="a")
    said = re.search(r"write (?:each: )?([^ ]+)$", caught.value.hint)
    if said is None or field not in ("minute", "hour", "day", "weekday"):
        return
    fields = ["*"] * 5
    fields[["minute", "hour", "day", "month", "weekday"].index(field)] = said[1]
    Expression.parse(" ".join(fields), name="a")
