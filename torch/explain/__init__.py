"""Why a task did, or did not, run: the question, its evidence, and the answer in words."""
