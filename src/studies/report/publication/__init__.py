"""Publication: a study's directory → its page in docs/studies → one index over all claims → the head of the README."""
