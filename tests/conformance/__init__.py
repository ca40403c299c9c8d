"""Whether programs of others get on with Thane: their own tests, and the wire's rows, against the running program.

`just conformance` runs it in an environment of its own (`requirements/conformance.in`). The suites' modules are called
`check_….py`, so that `just test` does not meet them; what this package computes itself is tested in `test_….py`.
"""
