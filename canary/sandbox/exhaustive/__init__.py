"""Every place at which a rollout can be disturbed once, one run for each: nothing is drawn, nothing is left out.

A fault-free run teaches what the controller sends. Then a process dies around every write (`plans`), and every call
meets every kind of fault (`calls`). Each run is judged by the oracle, and by comparing its end with that of the
fault-free run: what differs, other than in time, is a defect.

    python -m canary.sandbox.exhaustive --list
    python -m canary.sandbox.exhaustive rollback 7 unanswered peer
"""
