"""Every order of events: the real controller code of two processes, call by call, against a split and an adversary.

Breadth first, so that the first violation found is the shortest list of events that leads to one. Nothing of the
decision or of the fence is modelled: each process runs `canary.controller.reconcile.Reconciler`, and what is modelled
is around it, the API server of four objects (`server`), time in whole windows, crashes and people (`moves`).

What a process does between two calls depends only on what it kept and on the answers so far. A process in flight is
therefore a value: where it began and the answers it has had.
"""
