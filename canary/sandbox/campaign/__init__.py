"""Many runs of chaos, and the figures of them: how many were played, what was done to them, and what broke.

python -m canary.sandbox.campaign 20000
"""
