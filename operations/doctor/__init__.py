"""Is the environment healthy? Each check says what it found, and where that is bad, what to do about it.

from operations.doctor import examine
checks = examine("local")
"""

from operations.doctor.check import Check, State
from operations.doctor.examination import examine

__all__ = ["Check", "State", "examine"]
