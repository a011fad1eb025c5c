"""The files of botocore, which it reads anew for every client: in the tests, where clients are many, once a process.

Nine tenths of what making a client takes, 0.08 s of CPU, is to read what there is to know of all services of AWS.
"""

from __future__ import annotations

from functools import lru_cache

import botocore.session

botocore.session.create_loader = lru_cache(botocore.session.create_loader)
