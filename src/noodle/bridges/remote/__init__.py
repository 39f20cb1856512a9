"""What the bridges to worker processes share: libraries, functions, pools and options.

A runtime bridge derives from what is here, and adds what its language does otherwise.
"""
