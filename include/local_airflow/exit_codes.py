"""What a command ends with. ``make`` turns every one but the first into its own 2."""

COMPLETE = 0
"""Every session of the range has its partition."""

INCOMPLETE = 1
"""At least one has not, and was named."""

UNUSABLE = 2
"""It could not be carried out: the message says why."""

INTERRUPTED = 130
