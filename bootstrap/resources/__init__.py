"""The resources of an environment: one module per AWS service, each implementing `bootstrap.model.Resource`."""
