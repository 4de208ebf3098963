// The words of generated chat lines, for the benchmarks of two workspaces.
[
    "the", "deploy", "is", "done", "and", "nobody", "noticed", "yet", "please", "look", "at",
    "latency", "of", "region", "two", "before", "lunch", "or", "after", "it", "was", "fine",
    "yesterday", "again", "could", "someone", "review", "this", "change", "I", "think", "we",
    "should", "wait", "until", "Monday", "thanks", "for", "helping", "out",
]
