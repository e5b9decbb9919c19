"""What the comparisons of `canary.core.evidence` do on modelled traffic, beside what they promise.

python -m canary.sandbox.analysis --runs 200
"""
