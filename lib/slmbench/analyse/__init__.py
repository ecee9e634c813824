"""Frame in, frame out: what the rows of a run show, and how far the number of requests carries it."""
