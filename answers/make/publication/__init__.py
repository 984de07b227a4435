"""Publication: a study's directory → its page → one index over all claims."""
