"""Why queries fail, and what to do first: the ladder of simpler remedies, causes, checklist, one recommendation."""
