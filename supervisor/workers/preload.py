"""What the fork server loads before it forks: every worker shares these pages instead of having its own.

The copiers' modules, because there are several copiers (3 MB each); what the one space worker and the notifiers use
is their own. Frozen, so that no worker's garbage collector writes to the shared pages (gc.freeze).
"""

import gc

from supervisor.workers import copier, loop

__all__ = ["copier", "loop"]

gc.collect()
gc.freeze()
