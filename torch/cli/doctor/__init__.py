"""What `torch doctor` looks at. A check is a function of the subject that returns one finding.

Owns nothing itself: `subject.py` is what all checks share, `checks.py` the list, and each other
file the checks of one matter. A new check is a function and a line in the list.
"""
