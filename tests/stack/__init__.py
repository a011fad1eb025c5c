"""The containers from outside: a backfill over several workers, with each service killed in the middle of it.

``make stack`` runs it by hand, and anywhere that Docker Compose or Podman is; the tests of pytest do not.
"""
