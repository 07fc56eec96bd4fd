"""What must exist, and how is it made?

Deployment goes in small stages: names and `Settings` are turned into declared resources (`declaration`), the live ones
are read, the two give a plan of actions (`planner`, pure), and the plan is carried out (`executor`, `runner`). A dry
run is the same plan, only shown. Each AWS service has one module in `resources`.

    from bootstrap import Settings, up
    up(environment, Settings(environment.pipeline.settings()))
"""

from bootstrap.deployment import (
    BootstrapError,
    Report,
    ResourceStatus,
    apply,
    down,
    plan,
    plan_from_scratch,
    plan_removal,
    status,
    up,
)
from bootstrap.settings import Settings

__all__ = [
    "BootstrapError",
    "Report",
    "ResourceStatus",
    "Settings",
    "apply",
    "down",
    "plan",
    "plan_from_scratch",
    "plan_removal",
    "status",
    "up",
]
